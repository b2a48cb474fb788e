"""An operator rotates the secret key, loses one, and takes one away, without losing the service."""

import json
import re
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import replace

import pytest

from commentsvc.access import moderators
from commentsvc.comments.post import post_comment
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ConfigurationError, Conflict
from commentsvc.domain.models import RuleKind, StatusFilter
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import PrivateSearch
from commentsvc.operations import secrets, servers
from commentsvc.operations.key_check import Sealed
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.storage.file_lock import DatabaseLock
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_service, draft, fields_of, visit
from tests.operations.test_operating import call, port_of, run_main, serving

NEW, OLD = (Keyring([text]).fingerprints[0] for text in (SECRET, OLD_SECRET))


async def add_one_of_each(service):
    await post_comment(service, draft(comment=service.keyring.fingerprints[0]), visit())
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match="eve@example.com"))
    await moderators.add_moderator(service, service.keyring.fingerprints[0], Email("noa@example.com"), [])


async def emails_of(service):
    found = await queue.search_comments(service, EVERYTHING, PrivateSearch(status=StatusFilter.ANY))
    return sorted(card.email for card in found.comments)


@asynccontextmanager
async def a_server(url, clock, *secret_keys):
    """Run a server with these keys: its trace, and with SQLite its lock."""
    async with a_service(url, clock, secrets=secret_keys) as service:
        path = service.config.sqlite_path
        with closing(DatabaseLock.open(path)) if path else nullcontext() as lock:
            assert lock is None or lock.try_shared()
            async with servers.announce_server(service):
                yield service


async def test_a_start_without_a_key_that_encrypts_something_is_refused_with_the_number(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await add_one_of_each(service)
    with pytest.raises(ConfigurationError, match=f"the key {OLD}, which encrypts 3 email addresses"):
        async with a_service(database_url, clock, secrets=[SECRET]):
            pass
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        await add_one_of_each(service)
    with pytest.raises(ConfigurationError, match=f"the key {NEW}, which encrypts 3 email addresses"):
        async with a_service(database_url, clock, secrets=[OLD_SECRET]):
            pass  # the key that the database knew first is listed
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        assert await secrets.reseal_emails(service) == secrets.Resealed(6, 0)
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        assert await emails_of(service) == ["mia@example.com"] * 2


async def test_reencrypting_is_refused_while_a_server_lacks_the_new_key(database_url, clock):
    async with a_server(database_url, clock, OLD_SECRET) as older:
        await add_one_of_each(older)
        async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
            assert [one.secret_keys for one in await servers.list_running(service)] == [[OLD]]
            for _ in range(2):
                with pytest.raises(Conflict, match=f"does not have the newest key {NEW}. Restart it"):
                    await secrets.reseal_emails(service)
        assert await emails_of(older) == ["mia@example.com"]
        assert [row["fingerprint"] for row in await everything_in(older, "installation")] == [OLD]
    async with a_server(database_url, clock, SECRET, OLD_SECRET) as restarted:
        assert [one.secret_keys for one in await servers.list_running(restarted)] == [[NEW, OLD]]
        assert await secrets.reseal_emails(restarted) == secrets.Resealed(3, 0)
        assert await emails_of(restarted) == ["mia@example.com"]
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        assert await servers.list_running(service) == []
        assert await everything_in(service, "server") == [], "a server that stops removes its trace"


async def test_a_killed_server_counts_for_two_minutes_only(database_url, clock):
    async with a_server(database_url, clock, SECRET) as service:
        await servers._announce(service, "killed", service.now())
        assert len(await servers.list_running(service)) == 2
        clock.move(seconds=119)
        (running,) = [row["id"] for row in await everything_in(service, "server") if row["id"] != "killed"]
        await servers.beat(service, running, service.now())
        assert len(await servers.list_running(service)) == 2
        clock.move(seconds=2)
        assert [one.id for one in await servers.list_running(service)] == [running]
        await servers.beat(service, running, service.now())
        assert [row["id"] for row in await everything_in(service, "server")] == [running]


async def test_a_lost_key_costs_the_addresses_and_not_the_service(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        await add_one_of_each(service)
    async with a_service(database_url, clock, secrets=[OLD_SECRET], secret_key=SECRET) as service:
        opened = replace(service, keyring=Keyring([SECRET]))
        lost = await secrets.accept_loss(opened, alone=True)
        assert lost == secrets.Lost([OLD], Sealed(1, 1, 1))
        assert await secrets.accept_loss(opened, alone=True) == secrets.Lost([], Sealed())
    async with a_service(database_url, clock, secrets=[SECRET]) as service:
        await post_comment(service, draft(comment="With the new key.", email="bo@example.com"), visit())
        assert await emails_of(service) == ["bo@example.com", "unreadable"]
        status = await secrets.read_status(service)
        assert [(one.key, one.state, one.encrypts) for one in status.keys] == [
            (NEW, "newest", Sealed(1, 0, 0)),
            (OLD, "lost", Sealed(1, 1, 1)),
        ]
        assert status.unreadable == 3
        assert await secrets.reseal_emails(service) == secrets.Resealed(1, 3)
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        assert await emails_of(service) == ["bo@example.com", "mia@example.com"], "the key was found"
    with pytest.raises(ConfigurationError, match="which encrypts 3 email addresses"):
        async with a_service(database_url, clock, secrets=[SECRET]):
            pass


async def test_a_key_that_a_running_server_has_is_not_lost(database_url, clock):
    async with a_server(database_url, clock, OLD_SECRET) as running:
        await add_one_of_each(running)
        config = Config(database_url=database_url, secret_key=SECRET)
        opened = replace(running, keyring=Keyring([SECRET]), config=config)
        with pytest.raises(Conflict, match="A running server still has this key"):
            await secrets.accept_loss(opened, alone=False)


def test_an_operator_rotates_the_key_file_with_one_command(tmp_path):
    with serving(tmp_path) as (_, printed):
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
        file = tmp_path / "data" / "secret.key"
        old = file.read_text(encoding="utf-8").split()
        for command in ("rotate", "lost"):
            done = run_main(tmp_path, "secret", command)
            assert (done.returncode, "A server is running" in done.stderr) == (1, True)
        (running,) = json.loads(run_main(tmp_path, "secret", "status", "--json").stdout)["servers"]
        assert running["secret_keys"] == Keyring(old).fingerprints
    done = run_main(tmp_path, "secret", "rotate")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Re-encrypted 1 emails with the newest key.")
    new = file.read_text(encoding="utf-8").split()
    assert new[1:] == old
    assert file.stat().st_mode & 0o777 == 0o600
    shown = run_main(tmp_path, "secret", "status").stdout.splitlines()
    assert shown == [
        f"{Keyring(new).fingerprints[0]}  newest   encrypts the addresses of 1 comment",
        f"{Keyring(old).fingerprints[0]}  listed   encrypts nothing",
        "Addresses that no listed key opens: 0.",
    ]
    file.write_text(new[0], encoding="utf-8")
    assert json.loads(run_main(tmp_path, "queue", "--json").stdout)["comments"][0]["email"] == "mia@example.com"
    with serving(tmp_path) as (_, printed):
        assert call(port_of(printed), "GET", "/readyz")[0] == 200


@pytest.mark.slow
def test_an_operator_who_lost_the_key_file_goes_on_without_the_addresses(tmp_path):
    with serving(tmp_path) as (_, printed):
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
    file = tmp_path / "data" / "secret.key"
    lost = Keyring(file.read_text(encoding="utf-8").split()).fingerprints[0]
    file.unlink()
    for command in (("serve",), ("migrate",), ("queue",), ("secret", "rotate"), ("reseal",)):
        done = run_main(tmp_path, *command)
        assert (done.returncode, f"There is no secret key at {file}." in done.stderr) == (78, True), done.stderr
        assert f"the key {lost}, which encrypts 1 email address. " in done.stderr
        assert "commentsvc secret lost" in done.stderr
        assert not list((tmp_path / "data").glob("secret*"))
    assert run_main(tmp_path, "secret", "status").stdout.splitlines() == [
        f"{lost}  missing  encrypts the addresses of 1 comment",
        "Addresses that no listed key opens: 1.",
    ]
    assert not file.exists()
    done = run_main(tmp_path, "secret", "lost")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Lost keys: {lost}. They encrypt the addresses of 1 comment." in done.stdout
    assert f"Created a new key in {file}." in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    with serving(tmp_path) as (_, printed):
        assert call(port_of(printed), "POST", "/v1/comments", fields_of(comment="on"))[0] == 202
    cards = json.loads(run_main(tmp_path, "queue", "--json").stdout)["comments"]
    assert [card["email"] for card in cards] == ["unreadable", "mia@example.com"]
    assert run_main(tmp_path, "secret", "lost").stdout == "No key is missing. Nothing is lost.\n"
    assert run_main(tmp_path, "audit", "verify").returncode == 0


def test_an_operator_changes_the_key_in_the_settings_with_postgresql(tmp_path, postgres_url):
    def output_of(*arguments, secret):
        done = run_main(tmp_path, *arguments, DATABASE_URL=postgres_url, SECRET_KEY=secret)
        assert done.returncode == 0, done.stderr
        return done.stdout

    output_of("migrate", secret=OLD_SECRET)
    output_of("moderator", "add", "Noa", "--email", "noa@example.com", secret=OLD_SECRET)
    new, advice = output_of("secret", "rotate", secret=OLD_SECRET).splitlines()
    assert re.fullmatch(r"[\w-]{64}", new)
    assert "COMMENTSVC_SECRET_KEY" in advice
    refused = run_main(tmp_path, "site", "list", DATABASE_URL=postgres_url, SECRET_KEY=new)
    assert (refused.returncode, "which encrypts 1 email address. Add this key after" in refused.stderr) == (78, True)
    assert "Re-encrypted 1 emails" in output_of("reseal", secret=f"{new} {OLD_SECRET}")
    assert "noa@example.com" in output_of("moderator", "list", "--json", secret=new)
    done = run_main(tmp_path, "site", "list", DATABASE_URL=postgres_url, SECRET_KEY=SECRET)
    assert done.returncode == 78
    lost = output_of("secret", "lost", secret=SECRET)
    assert "They encrypt the addresses of 1 moderator." in lost
    assert "unreadable" in output_of("moderator", "list", "--json", secret=SECRET)
    assert list(tmp_path.iterdir()) == []


def test_commands_about_the_key_create_no_database(tmp_path):
    for command in ("status", "rotate", "lost"):
        done = run_main(tmp_path, "secret", command)
        assert (done.returncode, "There is no database at" in done.stderr) == (78, True)
        assert not list(tmp_path.rglob("*.db")) + list(tmp_path.rglob("secret*"))


@pytest.mark.slow
def test_an_operator_cannot_reencrypt_before_the_server_has_the_new_key(tmp_path):
    file = tmp_path / "data" / "secret.key"
    with serving(tmp_path) as (_, printed):
        assert call(port_of(printed), "POST", "/v1/comments", fields_of())[0] == 202
        file.write_text(f"{SECRET} {file.read_text(encoding='utf-8')}", encoding="utf-8")
        done = run_main(tmp_path, "reseal")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"A running server does not have the newest key {NEW}. Restart it with this key" in done.stderr
    with serving(tmp_path) as (_, printed):
        assert run_main(tmp_path, "reseal").returncode == 0
        file.write_text(SECRET, encoding="utf-8")
        assert call(port_of(printed), "POST", "/v1/comments", fields_of(comment="later"))[0] == 202
        cards = json.loads(run_main(tmp_path, "queue", "--json").stdout)["comments"]
        assert [card["email"] for card in cards] == ["mia@example.com"] * 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"short", "fewer than 32 characters"),
        (SECRET.encode() + b"\nabc", "32 characters"),
        (b"\xff" * 64, "not UTF-8"),
    ],
)
def test_an_operator_whose_key_file_is_damaged_reads_which_file_and_goes_on(tmp_path, content, reason):
    assert run_main(tmp_path, "migrate").returncode == 0
    file = tmp_path / "data" / "secret.key"
    file.write_bytes(content)
    for arguments in (("serve",), ("migrate",), ("secret", "status"), ("secret", "lost"), ("key", "list")):
        done = run_main(tmp_path, *arguments, PORT="0")
        assert (done.returncode, done.stdout) == (78, "")
        assert f"The secret key {file} is damaged: " in done.stderr
        assert reason in done.stderr
    file.unlink()
    assert f"Created a new key in {file}." in run_main(tmp_path, "secret", "lost").stdout
    assert run_main(tmp_path, "migrate").returncode == 0


def test_an_operator_mounts_a_folder_in_place_of_the_key_file(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    file = tmp_path / "data" / "secret.key"
    file.unlink()
    file.mkdir()
    done = run_main(tmp_path, "serve", PORT="0")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{file}: Is a directory. Remove this folder, and restore the file" in done.stderr


def test_a_key_in_the_file_that_a_setting_replaces_is_not_lost(tmp_path):
    assert run_main(tmp_path, "migrate").returncode == 0
    file = tmp_path / "data" / "secret.key"
    done = run_main(tmp_path, "serve", SECRET_KEY=SECRET, PORT="0")
    assert (done.returncode, f"It is in {file}. Remove COMMENTSVC_SECRET_KEY" in done.stderr) == (78, True)
    done = run_main(tmp_path, "secret", "lost", SECRET_KEY=SECRET)
    assert (done.returncode, f"The key is in {file}, so it is not lost." in done.stderr) == (1, True)
    assert run_main(tmp_path, "migrate", SECRET_KEY=f"{SECRET} {file.read_text()}").returncode == 0
