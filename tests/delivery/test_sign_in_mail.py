"""A moderator signs in with a mailed link. Nobody else learns whose address is a moderator's."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest

from commentsvc.access import moderators, sign_in
from commentsvc.access.preferences import Preferences, save_preferences
from commentsvc.access.schemas import ModeratorChange
from commentsvc.app import deliver
from commentsvc.delivery import outbox, sign_in_mail
from commentsvc.delivery.sign_in_mail import LINK_MINUTES, MAILS
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import Channel
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import NotFound
from commentsvc.domain.models import Actor, ActorKind, Principal, Scope
from commentsvc.operations import maintenance
from commentsvc.service import Service
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.mail.samples import SAMPLES
from commentsvc.web.pages.i18n import find_locale
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_service, visit
from tests.delivery.smtp_server import mail_server
from tests.delivery.test_outbox import MAIL

ADA = "ada@blog.example"


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        await moderators.add_moderator(service, "Ada", Email(ADA), [])
        yield service


@pytest.fixture
async def client(mailing, aiohttp_client):
    return await aiohttp_client(application(mailing))


async def ask(client, email, status=200, **headers):
    """Send the form of the sign-in page; return the page."""
    async with client.post("/moderate/sign-in-link", data={"email": email}, headers=SAME_ORIGIN | headers) as answer:
        assert answer.status == status
        return await answer.text()


async def make_mails(service):
    """Do what the worker does; return the mails with their parcels. They stay in the outbox."""
    await outbox.expand_events(service, [sign_in_mail.plan_mails])
    parcels = await outbox.claim(service, Channel.MAIL, 100)
    mails = [(parcel, await RENDERERS[parcel.kind](service, parcel)) for parcel in parcels]
    return [(parcel, mail) for parcel, mail in mails if mail]


def link_in(mail):
    """Return the path of the only link to sign in, which both forms of the mail have."""
    (link,) = set(re.findall(r"http://localhost:8080/sign-in/[\w-]+", mail.text))
    assert f'href="{link}"' in mail.html
    return urlsplit(link).path


async def press_button(client, path):
    """Open a link and press its button; return the status."""
    opened = await client.get(path)
    if opened.status == 200:
        assert "Sign in as <bdi>" in await opened.text()
    async with client.post(path, headers=SAME_ORIGIN, allow_redirects=False) as answer:
        return answer.status


async def test_a_moderator_signs_in_with_a_mailed_link_once(client, mailing):
    page = await ask(client, ADA)
    assert "a link is on its way. It works for 30 minutes." in page
    ((_, mail),) = await make_mails(mailing)
    assert (mail.to, mail.subject, mail.sender_name) == (Email(ADA), "Your sign-in link", None)
    assert "22 Nov 2026, 16:32 UTC" in mail.text
    path = link_in(mail)
    assert (await client.get(path)).status == 200, "opening it changes nothing"
    assert await press_button(client, path) == 303
    assert await press_button(client, path) == 404
    assert "Signed in as" in await (await client.get("/moderate", headers=SAME_ORIGIN)).text()


async def test_the_answer_and_the_rows_are_the_same_for_every_address(client, mailing, clock):
    pages = [await ask(client, email) for email in (ADA, "abc@blog.example", "ABC@blog.example")]
    assert len(set(pages)) == 1
    rows = [dict(row) for row in await everything_in(mailing, "event")]
    assert [len(row["email_sealed"]) for row in rows] == [len(rows[0]["email_sealed"])] * 3
    for row in rows:
        row.update(seq=0, email_sealed="", email_digest="")
    assert rows == [rows[0]] * 3
    assert len(await make_mails(mailing)) == 1
    assert await everything_in(mailing, "event") == []


async def test_an_address_in_another_spelling_is_found(client, mailing):
    await ask(client, "Ada@BLOG.example")
    ((_, mail),) = await make_mails(mailing)
    assert mail.to == Email(ADA), "the mail goes to the address that the operator stored"


async def test_two_moderators_with_one_address_get_a_link_each(client, mailing):
    await moderators.add_moderator(mailing, "Ben", Email(ADA), [])
    await ask(client, ADA)
    mails = [mail for _, mail in await make_mails(mailing)]
    assert sorted(re.search(r"sign in as (\w+)", mail.text)[1] for mail in mails) == ["Ada", "Ben"]
    assert {await press_button(client, link_in(mail)) for mail in mails} == {303}


async def test_every_attempt_to_send_a_mail_has_the_same_link(client, mailing, clock):
    await ask(client, ADA)
    ((parcel, mail),) = await make_mails(mailing)
    clock.move(minutes=LINK_MINUTES - 1)
    assert link_in(await RENDERERS["sign_in"](mailing, parcel)) == link_in(mail)
    assert len(await everything_in(mailing, "invitation")) == 1


async def test_the_database_has_only_the_hash_of_a_link(client, mailing):
    await ask(client, ADA)
    ((_, mail),) = await make_mails(mailing)
    token = link_in(mail).rpartition("/")[2]
    for table in ("invitation", "parcel", "audit"):
        assert token not in str(await everything_in(mailing, table))
        assert ADA not in str(await everything_in(mailing, table))


async def test_a_link_ends_after_half_an_hour_and_its_mail_is_not_sent_later(client, mailing, clock):
    await ask(client, ADA)
    ((parcel, mail),) = await make_mails(mailing)
    clock.move(minutes=LINK_MINUTES, seconds=1)
    assert await press_button(client, link_in(mail)) == 404
    assert await RENDERERS["sign_in"](mailing, parcel) is None
    clock.move(days=2)
    await maintenance.delete_expired(mailing)
    assert await everything_in(mailing, "invitation") == []


async def test_a_request_that_waited_too_long_for_a_worker_is_dropped(client, mailing, clock):
    await ask(client, ADA)
    clock.move(minutes=LINK_MINUTES, seconds=1)
    assert await make_mails(mailing) == []


async def test_nobody_is_mailed_again_and_again_and_no_earlier_link_ends(client, mailing, clock):
    by_hand = urlsplit(await moderators.create_sign_in_link(mailing, "Ada")).path
    for _ in range(MAILS[0] + 2):
        await ask(client, ADA)
    mails = await make_mails(mailing)
    assert len(mails) == MAILS[0]
    assert {await press_button(client, path) for path in (by_hand, *(link_in(mail) for _, mail in mails))} == {303}
    clock.move(hours=1)
    await ask(client, ADA)
    assert len([mail for _, mail in await make_mails(mailing)]) == 1


@pytest.mark.parametrize("change", ["removed", "other address", "no address"])
async def test_a_mailed_link_ends_with_the_address_and_the_moderator(client, mailing, change):
    await ask(client, ADA)
    ((parcel, mail),) = await make_mails(mailing)
    (ada,) = await moderators.list_moderators(mailing)
    if change == "removed":
        await moderators.remove_moderator(mailing, "Ada")
    else:
        email = Email("new@blog.example") if change == "other address" else None
        await moderators.change_moderator(mailing, EVERYTHING, ada.id, ModeratorChange(email=email))
    assert await RENDERERS["sign_in"](mailing, parcel) is None
    assert await press_button(client, link_in(mail)) == 404


async def test_a_mail_is_in_the_language_that_the_moderator_chose_else_in_that_of_the_page(client, mailing):
    await ask(client, ADA, **{"Accept-Language": "fa"})
    ((_, mail),) = await make_mails(mailing)
    assert mail.language == "fa"
    (ada,) = await moderators.list_moderators(mailing)
    who = Principal(Actor(ActorKind.PERSON, ada.id, "Ada"), frozenset(Scope), None, ada.id)
    await save_preferences(mailing, who, Preferences("he"))
    await ask(client, ADA, **{"Accept-Language": "fa"})
    assert "he" in {mail.language for _, mail in await make_mails(mailing)}


async def test_after_a_new_secret_key_the_moderator_is_found_and_an_older_mail_is_not_sent(client, mailing):
    await ask(client, ADA)
    ((parcel, _),) = await make_mails(mailing)
    parts = {name: getattr(mailing, name) for name in ("db", "config", "clock", "new_id")}
    rotated = Service(keyring=Keyring([OLD_SECRET, SECRET]), **parts)
    assert await RENDERERS["sign_in"](rotated, parcel) is None, "its link is derived from the newest key"
    await ask(client, ADA)
    ((_, mail),) = await make_mails(rotated)
    assert mail.to == Email(ADA)
    assert await press_button(client, link_in(mail)) == 303


async def test_a_network_may_ask_ten_times_in_a_quarter_of_an_hour(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, rate_limit="5/60", **MAIL) as service:
        client = await aiohttp_client(application(service))
        for number in range(sign_in.FAILED_SIGN_INS[0]):
            await ask(client, f"somebody{number}@blog.example")
        page = await ask(client, ADA, status=429)
        assert "Please wait" in page
        assert 'name="email"' in page


async def test_a_wrong_address_is_shown_at_its_field(client):
    page = await ask(client, "not an address", status=422)
    assert 'id="email-error"' in page
    assert 'aria-invalid="true"' in page


async def test_another_website_cannot_ask(client, mailing):
    answer = await client.post("/moderate/sign-in-link", data={"email": ADA}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert await everything_in(mailing, "event") == []


async def test_without_a_mail_server_nobody_can_ask(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    assert 'name="email"' not in await (await client.get("/moderate", headers=SAME_ORIGIN)).text()
    await ask(client, ADA, status=404)
    with pytest.raises(NotFound):
        await sign_in.request_sign_in_link(service, Email(ADA), "en", visit())


async def test_a_moderator_with_an_address_is_not_urged_to_make_a_key(client, mailing):
    await ask(client, ADA)
    ((_, mail),) = await make_mails(mailing)
    await press_button(client, link_in(mail))
    page = await (await client.get("/moderate", headers=SAME_ORIGIN)).text()
    assert "Create a key" not in page


async def test_the_preview_has_the_words_of_the_mail(mailing):
    mail = SAMPLES["sign_in"](mailing.config, find_locale())
    assert mail.subject == "Your sign-in link"
    link_in(mail)


async def test_a_link_arrives_by_a_real_mail_server(database_url, clock, aiohttp_client):
    async with mail_server() as server:
        settings = {"smtp_url": server.url, "mail_from": "comments@blog.example"}
        async with a_service(database_url, clock, **settings) as service:
            await moderators.add_moderator(service, "Ada", Email(ADA), [])
            client = await aiohttp_client(application(service))
            await ask(client, ADA)
            working = asyncio.create_task(deliver(service))
            try:
                (arrived,) = await server.arrived()
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
            assert (arrived.recipient, arrived.message["Subject"]) == (ADA, "Your sign-in link")
            assert arrived.message["Auto-Submitted"] == "auto-generated"
            (path,) = set(re.findall(r"http://localhost:8080(/sign-in/[\w-]+)", arrived.text + arrived.html))
            assert await press_button(client, path) == 303
