"""Mail is asked for with a comment or alone. The owner of the address decides, and nobody else learns anything."""

import asyncio
import json
import re

import pytest

from commentsvc.app import deliver, join_outlets
from commentsvc.delivery import outbox
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Mode
from commentsvc.domain.timestamps import parse_time
from commentsvc.operations import maintenance
from commentsvc.service import private_read, write
from commentsvc.storage import (
    addresses,
    confirmations,
    directory_version,
    events,
    parcels,
    subscriptions,
    verified_authors,
)
from commentsvc.subscriptions.requests import add_subscriptions
from commentsvc.web.mail.confirm import render_confirm
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import a_key, a_service, fields_of
from tests.delivery.smtp_server import mail_server
from tests.delivery.test_outbox import MAIL

CANARY = "c0ffee0123456789@canary.example.com"


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, sites="https://blog.example", **MAIL) as service:
        yield service


@pytest.fixture
async def client(mailing, aiohttp_client):
    return await aiohttp_client(application(mailing))


async def ask(client, email="mia@example.com", **changed):
    """Post a comment that asks for mail about replies; return the receipt."""
    fields = fields_of(**{"email": email, "subscribe": "replies"} | changed)
    response = await client.post("/v1/comments", json=fields)
    assert response.status in {201, 202}, await response.text()
    return await response.json()


async def expand(service):
    """Do what the worker does with events."""
    await outbox.expand_events(service, join_outlets(service.config).fan_outs)


async def confirmation_parcels(service):
    return [parcel for parcel in await everything_in(service, "parcel") if parcel["kind"] == "confirm"]


@write
async def change_address(unit, change, email, *arguments):
    address = await addresses.find_or_add(unit, Email(email))
    return await change(unit, address.id, *arguments, unit.now())


@write
async def confirm_all(unit):
    """Confirm as the page of the link does."""
    for row in await unit.all("SELECT id, address_id FROM confirmation WHERE used_at IS NULL"):
        await confirmations.use(unit, row["id"], unit.now())
        await addresses.confirm(unit, row["address_id"], unit.now())
        await subscriptions.confirm_of_confirmation(unit, row["id"], unit.now())


async def rendered(service):
    """Return every confirmation mail that waits."""
    found = []
    for row in await everything_in(service, "parcel"):
        parcel = await read_parcel(service, row["id"])
        mail = await render_confirm(service, parcel)
        if mail:
            found.append(mail)
    return found


@private_read
async def read_parcel(unit, parcel_id):
    return await parcels.get(unit, parcel_id)


async def test_the_owner_of_an_address_gets_one_mail_to_confirm_a_subscription(mailing, client, clock):
    receipt = await ask(client)
    await expand(mailing)
    (subscription,) = await everything_in(mailing, "subscription")
    assert (subscription["scope"], subscription["comment_id"]) == ("replies", receipt["id"])
    assert subscription["confirmed_at"] is None
    (mail,) = await rendered(mailing)
    assert mail.to == Email("mia@example.com")
    assert mail.subject == "Confirm mail about comments on blog.example"
    assert "replies to a comment on blog.example/a-page" in " ".join(mail.text.split())
    token = next(word for word in mail.text.split() if "/confirm/" in word).rpartition("/")[2]
    confirmation = mailing.keyring.subject("confirm", token, clock())
    assert confirmation == subscription["confirmation_id"]
    assert mailing.keyring.subject("confirm", token, parse_time(mailing.ahead(days=8))) is None
    assert mail.one_click
    assert token in mail.html


async def test_the_mail_reaches_a_mail_server_with_the_headers_to_unsubscribe(database_url, clock, aiohttp_client):
    async with mail_server() as server:
        settings = {"smtp_url": server.url, "mail_from": "comments@blog.example"}
        async with a_service(database_url, clock, **settings) as service:
            await ask(await aiohttp_client(application(service)))
            worker = asyncio.create_task(deliver(service))
            (mail,) = await server.arrived()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
    assert mail.recipient == "mia@example.com"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["List-Unsubscribe"].startswith(f"<{service.config.own_url}/u/cu_")


async def test_no_text_from_the_form_is_in_the_mail(mailing, client):
    words = {"name": "BUYNAME", "comment": "BUYTEXT", "title": "BUYTITLE", "website": "https://buysite.example"}
    await ask(client, thread="BUYKEY", **words)
    await ask(client, "noa@example.com", thread="/page/?BUYQUERY=1", **words | {"comment": "BUYOTHER"})
    await expand(mailing)
    first, second = await rendered(mailing)
    for mail in (first, second):
        everything = f"{mail.subject} {mail.sender_name} {mail.text} {mail.html}".lower()
        assert "buy" not in everything
    assert "blog.example/page" in second.text


async def test_all_that_is_asked_for_in_a_day_joins_one_mail(mailing, client, clock):
    await ask(client, comment="One.")
    await expand(mailing)
    clock.move(hours=20)
    await ask(client, comment="Two.", thread="/other/")
    await ask(client, comment="Three.", thread="/third/", subscribe="thread")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 1
    joined = {row["confirmation_id"] for row in await everything_in(mailing, "subscription")}
    assert len(joined) == 1
    clock.move(hours=5)
    await ask(client, comment="Four.")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 2


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_an_address_that_asked_a_wrong_clock_is_not_ignored_until_that_is_right(mailing, client, clock):
    await maintenance._clean_up(mailing)
    clock.move(days=365)
    await ask(client, comment="From a year ahead.")
    await expand(mailing)
    clock.move(days=-365)
    await maintenance._clean_up(mailing)
    await ask(client, comment="From today.")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 2


async def test_a_mailbox_is_not_filled_by_addresses_that_differ_after_a_plus(mailing, client, clock):
    for number in range(6):
        await ask(client, f"mia+{number}@example.com", comment=f"Number {number}.")
    await ask(client, "noa@example.com", comment="Another person.")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 3 + 1
    clock.move(hours=25)
    await ask(client, "mia+5@example.com", comment="A day later.")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 3 + 1 + 1


async def test_a_confirmed_address_is_asked_for_each_page_but_not_more_than_five_times_a_day(mailing, client, clock):
    await ask(client, comment="First.")
    await expand(mailing)
    await confirm_all(mailing)
    clock.move(hours=25)
    for number in range(8):
        await ask(client, comment=f"Number {number}.", thread=f"/page-{number}/")
        await ask(client, comment=f"And {number}.", thread=f"/page-{number}/")
    await expand(mailing)
    assert len(await confirmation_parcels(mailing)) == 1 + 5
    open_ones = [row for row in await everything_in(mailing, "subscription") if not row["confirmed_at"]]
    assert len(open_ones) == 16
    assert len({row["confirmation_id"] for row in open_ones if row["confirmation_id"]}) == 5


async def test_a_commenter_who_confirmed_the_address_in_this_browser_is_not_asked_again(mailing, client):
    receipt = await ask(client, comment="First.")
    await expand(mailing)
    await confirm_all(mailing)

    @write
    async def verify(unit):
        comment = await unit.one("SELECT author_id, site_id FROM comment")
        address = await addresses.find(unit, unit.keyring.digests(Email("mia@example.com")))
        await verified_authors.add(unit, comment["author_id"], address.id, comment["site_id"], unit.now())

    await verify(mailing)
    await ask(client, comment="Second.", thread="/other/", author_token=receipt["author_token"])
    await ask(client, "noa@example.com", comment="Noa's?", thread="/other/", author_token=receipt["author_token"])
    await expand(mailing)
    found = await everything_in(mailing, "subscription")
    assert [bool(row["confirmed_at"]) for row in sorted(found, key=lambda row: row["id"])] == [True, True, False]
    assert len(await confirmation_parcels(mailing)) == 2


async def test_asking_again_for_the_same_is_one_subscription(mailing, client):
    for number in range(3):
        await ask(client, comment=f"{number}", subscribe="thread")
        response = await client.post("/v1/subscriptions", json={"email": "mia@example.com", "thread": "/a-page/"})
        assert response.status == 202
    await expand(mailing)
    assert len(await everything_in(mailing, "subscription")) == 1
    assert len(await confirmation_parcels(mailing)) == 1


@pytest.mark.parametrize("reason", ["bounce", "complaint", "request"])
async def test_a_suppressed_address_gets_nothing(mailing, client, reason):
    await change_address(mailing, addresses.suppress, "mia@example.com", reason)
    await ask(client)
    await client.post("/v1/subscriptions", json={"email": "mia@example.com", "scope": "site"})
    await expand(mailing)
    assert await everything_in(mailing, "subscription") == []
    assert await everything_in(mailing, "parcel") == []


async def test_what_happens_before_the_mail_is_sent_makes_it_unnecessary(mailing, client):
    receipt = await ask(client)
    await expand(mailing)
    assert len(await rendered(mailing)) == 1
    token = {"Authorization": f"Bearer {receipt['edit_token']}"}
    assert (await client.delete(f"/v1/comments/{receipt['id']}", headers=token)).status == 204
    assert await rendered(mailing) == []
    await ask(client, "noa@example.com", comment="Other.")
    await expand(mailing)
    assert len(await rendered(mailing)) == 1
    await change_address(mailing, addresses.suppress, "noa@example.com", "bounce")
    assert await rendered(mailing) == []


async def test_a_comment_that_was_deleted_or_is_spam_asks_for_nothing(mailing, client):
    receipt = await ask(client)
    token = {"Authorization": f"Bearer {receipt['edit_token']}"}
    await client.delete(f"/v1/comments/{receipt['id']}", headers=token)
    spam = await ask(client, comment="Spam.")
    decision = {"action": "spam", "ids": [spam["id"]]}
    done = await client.post("/v1/moderation/actions", json=decision, headers=await a_key(mailing))
    assert done.status == 200
    await expand(mailing)
    assert await everything_in(mailing, "subscription") == []


STATES = ("unknown", "known", "confirmed", "suppressed")


async def bring_to(service, state, email):
    if state == "confirmed":
        await change_address(service, addresses.confirm, email)
    elif state == "suppressed":
        await change_address(service, addresses.suppress, email, "complaint")
    elif state == "known":
        await change_address(service, lambda *_: nothing(), email)


async def nothing():
    pass


@pytest.mark.parametrize("state", STATES)
async def test_the_same_rows_are_written_whatever_is_known_of_an_address(mailing, client, state):
    email = "known@example.com"
    await bring_to(mailing, state, email)
    before = {table: len(await everything_in(mailing, table)) for table in ("address", "subscription", "parcel")}
    await ask(client, email)
    answer = await client.post("/v1/subscriptions", json={"email": email, "thread": "/a-page/"})
    assert (answer.status, await answer.json()) == (202, {"requested": True})
    after = {table: len(await everything_in(mailing, table)) for table in before}
    assert after == before
    written = await everything_in(mailing, "event")
    assert [row["kind"] for row in written] == ["comment.created", "subscription.requested", "subscription.requested"]
    assert set(json.loads(written[1]["detail"])) == {"scope", "language", "author_id"}
    assert {len(row["email_sealed"]) for row in written[1:]} == {len(written[1]["email_sealed"])}


async def test_an_address_is_in_no_table_as_text(mailing, client):
    await ask(client, CANARY)
    await client.post("/v1/subscriptions", json={"email": CANARY, "scope": "site"})
    for _ in range(2):
        for table in ("event", "address", "confirmation", "subscription", "parcel", "comment", "audit"):
            assert CANARY not in str([dict(row) for row in await everything_in(mailing, table)])
        await expand(mailing)


async def test_mail_comes_in_the_language_of_the_form_or_the_browser(mailing, client):
    german = {"Accept-Language": "de-AT,de;q=0.9"}
    await client.post("/v1/comments?lang=fr", json=fields_of(subscribe="thread"), headers=german)
    await client.post(
        "/v1/comments", json=fields_of(subscribe="thread", email="b@example.com", comment="B."), headers=german
    )
    new = {"email": "c@example.com", "scope": "site"}
    await client.post("/v1/subscriptions", json=new | {"language": "pt-BR"}, headers=german)
    await client.post("/v1/subscriptions", json=new | {"email": "d@example.com", "language": "tlh"}, headers=german)
    await expand(mailing)
    found = sorted(await everything_in(mailing, "subscription"), key=lambda row: row["id"])
    assert [row["language"] for row in found] == ["fr", "de", "pt", "de"]


async def test_without_a_mail_server_a_program_is_told_so_and_a_form_is_accepted(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    response = await client.post("/v1/comments", json=fields_of(subscribe="replies"))
    assert response.status == 422
    (error,) = (await response.json())["errors"]
    assert (error["field"], error["code"]) == ("subscribe", "mail_not_configured")
    response = await client.post("/v1/subscriptions", json={"email": "mia@example.com", "scope": "site"})
    assert [one["code"] for one in (await response.json())["errors"]] == ["mail_not_configured"]
    assert (await client.post("/v1/comments", data=fields_of(subscribe="replies"))).status == 202
    assert await everything_in(service, "event") == []


async def test_mail_needs_an_address(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE, **MAIL) as service:

        @write
        async def let_addresses_be_optional(unit):
            await unit.run("UPDATE site SET email_required = 0")
            await directory_version.renew(unit)

        await let_addresses_be_optional(service)
        client = await aiohttp_client(application(service))
        by_program, by_form = fields_of(subscribe="replies", email=None), fields_of(subscribe="replies", email="")
        for sent in ({"json": by_program}, {"data": by_form}):
            response = await client.post("/v1/comments", **sent)
            assert response.status == 422
            assert [(one["field"], one["code"]) for one in (await response.json())["errors"]] == [("email", "required")]
        wordpress = fields_of(subscribe="subscribe", email="") | {"comment_post_ID": "17"}
        assert (await client.post("/v1/comments", data=wordpress)).status == 201
        assert await everything_in(service, "address") == []


@pytest.mark.parametrize(
    ("sent", "scope"),
    [("replies", "replies"), ("2", "replies"), ("subscribe", "thread"), ("on", "thread"), ("1", "thread"), ("0", None),
     ("no", None), ("", None), ("anything <b>else</b>", "thread")],
)  # fmt: skip
async def test_boxes_and_lists_of_wordpress_plugins_ask_for_mail(mailing, client, sent, scope):
    fields = {
        "comment_post_ID": "17",
        "author": "Jo",
        "email": "jo@example.com",
        "comment": "Words.",
        "subscribe": sent,
    }
    response = await client.post("/v1/comments", data=fields)
    assert response.status == 202
    await expand(mailing)
    assert [row["scope"] for row in await everything_in(mailing, "subscription")] == ([scope] if scope else [])


async def test_a_staticman_form_asks_for_mail(mailing, client):
    fields = {"options[slug]": "/a/", "fields[name]": "Jo", "fields[email]": "jo@example.com", "fields[message]": "W.",
              "options[subscribe]": "email"}  # fmt: skip
    assert (await client.post("/v1/comments", data=fields)).status == 202
    await expand(mailing)
    assert [row["scope"] for row in await everything_in(mailing, "subscription")] == ["thread"]


async def test_a_reader_asks_for_mail_about_a_page_or_a_site_without_a_comment(mailing, client):
    form = {"email": "mia@example.com", "thread": "/new-page/"}
    response = await client.post("/v1/subscriptions", data=form, headers={"Origin": "https://blog.example"})
    assert (response.status, await response.json()) == (202, {"requested": True})
    browser = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    response = await client.post("/v1/subscriptions", data=form | {"scope": "site"}, headers=browser)
    assert response.status == 202
    assert "Check your mail" in await response.text()
    await expand(mailing)
    assert {row["scope"] for row in await everything_in(mailing, "subscription")} == {"thread", "site"}
    (mail,) = await rendered(mailing)
    assert "blog.example/new-page" in mail.text


async def test_pages_of_other_sites_and_incomplete_requests_are_refused(mailing, client):
    evil = {"Origin": "https://evil.example"}
    response = await client.post("/v1/subscriptions", json={"email": "a@example.com", "thread": "/a/"}, headers=evil)
    assert response.status == 403
    response = await client.post("/v1/subscriptions", json={"email": "a@example.com", "scope": "site"}, headers=evil)
    assert response.status == 403
    response = await client.post("/v1/subscriptions", json={"email": "a@example.com"})
    assert [(one["field"], one["code"]) for one in (await response.json())["errors"]] == [("thread", "required")]
    response = await client.post("/v1/subscriptions", json={"email": "nonsense", "scope": "everything"})
    assert {one["field"] for one in (await response.json())["errors"]} == {"email", "scope"}
    assert await everything_in(mailing, "event") == []


async def test_a_network_that_asks_for_much_mail_is_refused(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, rate_limit="3/60", **MAIL) as service:
        client = await aiohttp_client(application(service))
        statuses = [
            (await client.post("/v1/subscriptions", json={"email": f"a{number}@example.com", "scope": "site"})).status
            for number in range(5)
        ]
        assert statuses == [202, 202, 202, 429, 429]
        assert len(await everything_in(service, "event")) == 3


async def test_a_form_that_is_shown_again_keeps_the_box(mailing, client):
    browser = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
    for sent, kept in (({"subscribe": "replies"}, ["checked"]), ({}, [])):
        response = await client.post("/v1/comments", data=fields_of(comment="") | sent, headers=browser)
        assert response.status == 422
        (box,) = re.findall(r'<input[^>]* name="subscribe"[^>]*>', await response.text())
        assert re.findall("checked", box.replace('type="checkbox"', "")) == kept


async def test_a_page_stays_known_while_somebody_subscribes_to_it(mailing, client):
    receipts = [await ask(client, thread=f"/{number}/", comment=f"{number}", subscribe="thread") for number in range(2)]
    await expand(mailing)
    await confirm_all(mailing)

    @write
    async def end(unit):
        await unit.run("DELETE FROM subscription WHERE thread_id = (SELECT id FROM thread WHERE key = '/1')")

    await end(mailing)
    for receipt in receipts:
        token = {"Authorization": f"Bearer {receipt['edit_token']}"}
        assert (await client.delete(f"/v1/comments/{receipt['id']}", headers=token)).status == 204
    assert {row["key"] for row in await everything_in(mailing, "thread")} == {"/0", ""}


async def test_workers_that_see_the_same_address_at_once_write_one_mail(mailing, client):
    for number in range(6):
        await ask(client, comment=f"{number}", thread=f"/{number}/", subscribe="thread")

    @write
    async def take(unit):
        return await events.take(unit, 100)

    @write
    async def add(unit, event):
        await add_subscriptions(unit, [event])

    await asyncio.gather(*(add(mailing, event) for event in await take(mailing)))
    assert len(await everything_in(mailing, "subscription")) == 6
    assert len(await everything_in(mailing, "address")) == 1
    assert len(await confirmation_parcels(mailing)) == 1
