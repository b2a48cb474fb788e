"""What the mails to subscribers say, from the form to the mailbox."""

import asyncio
import re

import pytest

from commentsvc.access import moderators
from commentsvc.app import join_outlets
from commentsvc.delivery.worker import Worker
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, replies
from commentsvc.moderation.schemas import Action, NewReply
from commentsvc.subscriptions import manage
from commentsvc.web.mail.samples import SAMPLES
from commentsvc.web.pages.i18n import LANGUAGES, find_locale
from commentsvc.web.routes import application
from tests import conftest
from tests.conftest import EVERYTHING
from tests.delivery.smtp_server import mail_server
from tests.subscriptions.subscribing import a_mailing_service, expand, read_parcels, subscribe, take_mails

BLOG = "https://blog.example"
ANA, MIA, NOA = "ana@example.com", "mia@example.com", "noa@example.com"
PUBLIC = {"public_url": "https://comments.example", "sites": BLOG, "moderation": Mode.NONE}


@pytest.fixture
async def service(database_url, clock):
    async with a_mailing_service(database_url, clock, **PUBLIC) as service:
        yield service


async def post(service, text, *, thread=f"{BLOG}/a-post/", **more):
    return await conftest.post(service, text, thread=thread, **more)


async def work(service):
    """Deliver everything that is due with the real outlets."""
    worker = Worker(service, join_outlets(service.config))
    while await worker.work_once() or any(worker._running.values()):
        await asyncio.gather(*(task for tasks in worker._running.values() for task in tasks))
    await worker._drain()


async def approve(service, comment_id):
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[comment_id]))


async def test_a_reply_arrives_in_the_mailbox_of_the_commenter(database_url, clock):
    async with mail_server() as server:
        settings = PUBLIC | {"smtp_url": server.url, "moderation": Mode.ALL}
        async with a_mailing_service(database_url, clock, **settings) as service:
            question = await post(service, "How do you keep *roses*?", title="Roses", email=MIA)
            await approve(service, question)
            subscription = await subscribe(service, MIA, "replies", question)
            await work(service)
            answer = await post(
                service, "Cover **them**.", parent=question, email=ANA, name="Ana", address="203.0.113.9"
            )
            await work(service)
            assert server.mails == []
            await approve(service, answer)
            await work(service)
            [mail] = server.mails
    token = service.keyring.token("unsubscribe", subscription)
    assert (mail.recipient, mail.message["Subject"]) == (MIA, "New reply to your comment on blog.example")
    assert mail.message["List-Unsubscribe"] == f"<https://comments.example/u/{token}>"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.text.replace("\r\n", "\n") == (
        "New reply to your comment on blog.example\n\n"
        "Ana on Roses\n22 Nov 2026, 16:02 UTC\n\n"
        "In reply to Mia\n> > How do you keep roses?\n\n"
        "> Cover them.\n\n"
        f"Read and reply\nhttps://comments.example/c/{answer}\n\n"
        "-- \nYou get this mail because you asked for replies to your comment.\n\n"
        "Change or stop these mails\n"
        f"https://comments.example/u/{token}\n"
    )
    assert not re.search(rb"ana@|203\.0\.113|198\.51\.100", mail.raw)


async def test_a_mail_that_the_server_refuses_for_now_arrives_later_with_the_same_id(database_url, clock):
    async with (
        mail_server() as server,
        a_mailing_service(database_url, clock, **(PUBLIC | {"smtp_url": server.url})) as service,
    ):
        question = await post(service, "A question?", email=MIA)
        await subscribe(service, MIA, "replies", question)
        await post(service, "An answer.", parent=question, email=ANA)
        server.answers["RCPT"] = "451 4.3.0 busy"
        await work(service)
        assert server.mails == []
        [waiting] = await read_parcels(service)
        server.answers.clear()
        clock.move(hours=1)
        await work(service)
        [mail] = server.mails
        assert (mail.recipient, waiting.id in mail.message["Message-ID"]) == (MIA, True)


async def test_a_comment_cannot_put_links_pictures_or_headers_into_a_mail(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question)
    await post(
        service,
        "Look at [this](https://evil.example/x) or https://evil.example/y or www.evil.example.\n\n"
        "-- \nStop these mails: https://evil.example/u/\n\n<b>bold</b>",
        name="Eve\u202e <https://evil.example>",
        email=NOA,
    )
    [mail] = await take_mails(service)
    links = set(re.findall(r'href="([^"]*)"', mail.html))
    assert all(link.startswith("https://comments.example/") for link in links)
    assert not re.search(r"<img|<script|https?://evil|www\.evil", mail.html + mail.text)
    assert "evil" not in mail.subject
    assert "\u202e" not in mail.text + mail.html
    assert mail.text.count("\n-- \n") == 1
    assert "&lt;b&gt;" in mail.html


async def test_a_long_comment_is_shortened(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question)
    await post(service, "word " * 1900, email=NOA)
    [mail] = await take_mails(service)
    assert 1000 < len(mail.text) < 2500
    assert "…" in mail.text


@pytest.mark.parametrize(("scope", "why"), [
    ("thread", "because you asked for new comments on this page."),
    ("site", "because you asked for new comments on blog.example."),
])  # fmt: skip
async def test_a_mail_says_why_it_comes_and_names_the_page_without_its_title(service, scope, why):
    question = await post(
        service, "A question?", thread=f"{BLOG}/a-post/?p=secret", title="Stranger's title", email=MIA
    )
    await subscribe(service, ANA, scope, question)
    await post(service, "An answer.", thread=f"{BLOG}/a-post/?p=secret", email=NOA, name="Noa")
    [mail] = await take_mails(service)
    assert why in " ".join(mail.text.split())
    assert "Noa on blog.example/a-post\n" in mail.text
    assert (mail.subject, mail.one_click) == ("New comment on blog.example", True)
    assert "Stranger" not in mail.text + mail.html


async def test_a_mail_says_that_a_moderator_wrote(service):
    staff = await moderators.add_moderator(service, "Noa", None, [])
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, MIA, "replies", question)
    me = EVERYTHING.__class__(EVERYTHING.actor, EVERYTHING.scopes, None, moderator_id=staff.id)
    await replies.post_reply(service, me, question, NewReply(comment="An answer."))
    [mail] = await take_mails(service)
    assert "Noa (Moderator) on " in mail.text
    assert "(Moderator)" in mail.html


async def test_a_mail_is_in_the_language_of_its_subscription(service):
    question = await post(service, "A question?", email=MIA, name="Mia")
    await subscribe(service, ANA, "thread", question, language="ar")
    await post(service, "An answer.", parent=question, email=NOA, name="Noa")
    [mail] = await take_mails(service)
    assert mail.language == "ar"
    assert '<html lang="ar" dir="rtl">' in mail.html
    assert "\u2068Noa\u2069" in mail.text  # Latin letters do not turn the rest around


async def test_a_digest_by_several_subscriptions_is_stopped_by_one_click(service, clock):
    question = await post(service, "A question?", email=MIA)
    other = await post(service, "Elsewhere.", thread=f"{BLOG}/other/", email=MIA)
    for about in (question, other):
        await subscribe(service, ANA, "thread", about, daily=True)
    await post(service, "One.", email=NOA)
    await post(service, "Two.", thread=f"{BLOG}/other/", email=NOA)
    await expand(service)
    clock.move(days=1)
    [mail] = await take_mails(service)
    assert ("One." in mail.text, "Two." in mail.text) == (True, True)
    assert mail.one_click
    await manage.unsubscribe(service, mail.unsubscribe_url.removeprefix("https://comments.example/u/"))
    await post(service, "Three.", email=NOA, thread=f"{BLOG}/other/")
    await expand(service)
    clock.move(days=1)
    assert await take_mails(service) == []


@pytest.mark.parametrize("name", ["new_comment", "daily_digest", "approved"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_example_can_be_written_in_every_language(service, name, language):
    mail = SAMPLES[name](service.config, find_locale(language))
    assert mail.language == language
    assert "https://comments.example/c/" in mail.text
    assert f"{mail.unsubscribe_url}" in mail.text
    assert "blog.example" in mail.subject


async def test_the_link_of_a_mail_leads_to_the_comment(service, aiohttp_client):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, MIA, "replies", question)
    answer = await post(service, "An answer.", parent=question, email=ANA)
    [mail] = await take_mails(service)
    [path] = re.findall(r"https://comments\.example(/c/\S+)", mail.text)
    client = await aiohttp_client(application(service))
    response = await client.get(path, allow_redirects=False)
    assert response.headers["Location"] == f"{BLOG}/a-post/#comment-{answer}"
