"""A moderator's mail reaches a real mail server, also if the service is killed at the worst moment."""

import asyncio
import re
import sqlite3
from contextlib import closing, suppress
from http import HTTPStatus

import pytest

from commentsvc import app
from commentsvc.delivery.worker import Worker
from tests.conftest import a_service, fields_of, post
from tests.delivery.postbox import MAIL
from tests.delivery.smtp_server import mail_server
from tests.delivery.test_moderator_mail import a_moderator
from tests.operations.test_operating import call, run, serving


async def test_a_held_comment_is_a_mail_in_the_mailbox(database_url, clock):
    async with mail_server() as server, a_service(database_url, clock, **MAIL | {"smtp_url": server.url}) as service:
        await a_moderator(service)
        await post(service, "Hello\r\nBcc: x@evil.example", name="Evil\u2028Bcc: y@evil.example", title="Subject: z")
        working = asyncio.create_task(Worker(service, app.join_outlets(service.config)).run())
        (mail,) = await server.arrived()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    assert mail.recipient == "ada@blog.example"
    assert mail.message["Subject"] == "A comment is waiting on blog"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<https://comments\.example/m/stop/cu_\S+>", mail.message["List-Unsubscribe"])
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Bcc" not in mail.headers
    assert not any("evil" in str(value).lower() for value in mail.message.values())
    assert "> Hello" in mail.text
    assert mail.text.count("https://comments.example/m/cd_") == mail.html.count("https://comments.example/m/cd_") == 3


@pytest.mark.slow
@pytest.mark.parametrize("accepts_first", [False, True], ids=["before the mail", "after the mail was accepted"])
async def test_after_a_kill_the_mail_arrives_and_a_second_copy_is_the_same(tmp_path, accepts_first):
    async with mail_server() as server:
        settings = {
            "SMTP_URL": server.url,
            "MAIL_FROM": "comments@blog.example",
            "PUBLIC_URL": "https://comments.example",
            "FORM_SECONDS": "off",
        }
        (server.drops if accepts_first else server.hangs).add("after DATA" if accepts_first else "EHLO")
        await asyncio.to_thread(run, tmp_path, "migrate")
        await asyncio.to_thread(run, tmp_path, "moderator", "add", "Ada", "--email", "ada@blog.example")
        loop = asyncio.get_running_loop()

        def wait_for(number):
            asyncio.run_coroutine_threadsafe(server.arrived(number), loop).result()

        await asyncio.to_thread(post_and_kill, tmp_path, settings, lambda: wait_for(int(accepts_first)))
        before = len(server.mails)
        hasten(tmp_path)
        server.drops.clear()
        server.hangs.clear()
        await asyncio.to_thread(serve_until, tmp_path, settings, lambda: wait_for(before + 1))
    assert before == accepts_first
    assert len(server.mails) == before + 1
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 1
    assert len({tuple(re.findall(r"/m/cd_\S+", mail.text)) for mail in server.mails}) == 1


def post_and_kill(folder, settings, wait):
    with serving(folder, **settings) as (process, _):
        port = listening_port(process)
        status, _, _ = call(port, "POST", "/v1/comments", fields_of())
        assert status == HTTPStatus.ACCEPTED
        wait()
        process.kill()


def serve_until(folder, settings, wait):
    with serving(folder, **settings):
        wait()


def listening_port(process):
    log = ""
    while (found := re.search(r"listening on port (\d+)\n", log)) is None:
        log += process.stderr.read()
    return int(found[1])


def hasten(folder):
    """Let what waits for its next attempt, up to five minutes after a kill, be due at once."""
    (file,) = folder.rglob("*.db")
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE parcel SET due_at = '2000-01-01T00:00:00.000Z'")
        database.commit()
