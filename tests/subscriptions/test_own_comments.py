"""People see, change, export and erase their own comments by a link that is mailed to their address."""

import json
import re

import pytest

from commentsvc.app import join_outlets
from commentsvc.comments.post import post_comment
from commentsvc.delivery import outbox
from commentsvc.delivery.worker import Worker
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.service import private_read
from commentsvc.storage import parcels
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, a_service, draft, visit
from tests.delivery.smtp_server import mail_server
from tests.delivery.test_outbox import MAIL
from tests.subscriptions.test_confirm import approve, ask_to_confirm, prove, suppress

MIA = "mia@example.com"
FORM = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, sites="https://blog.example", **MAIL) as service:
        yield service


@pytest.fixture
async def client(mailing, aiohttp_client):
    return await aiohttp_client(application(mailing))


async def request(client, email=MIA):
    response = await client.post("/mine", data={"email": email}, headers=FORM)
    return response.status, await response.text()


async def mails(service):
    """Do what the worker does with events; return the mails that wait."""
    await outbox.expand_events(service, join_outlets(service.config).fan_outs)
    return await _rendered(service)


async def _rendered(service):
    return [await RENDERERS[one.kind](service, one) for one in await _waiting(service) if one.kind == "own_comments"]


@private_read
async def _waiting(unit):
    return [await parcels.get(unit, row["id"]) for row in await unit.all("SELECT id FROM parcel ORDER BY id")]


def link_of(mail):
    return re.search(r"/mine/co_[\w-]+", mail.text)[0]


async def link_for(service, client, email=MIA):
    await request(client, email)
    return link_of((await mails(service))[-1])


async def open_page(client, path, status=200):
    response = await client.get(path, headers=FORM)
    text = await response.text()
    assert response.status == status, text
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex"
    return text


async def send(client, link, **fields):
    return await client.post(link, data=fields, headers=FORM, allow_redirects=False)


async def comment_by(service, text, **more):
    return await post_comment(
        service, draft(comment=text, **more), visit(agent=f"{more.get('name', 'Canary')}-Browser/7")
    )


async def decide(service, verb, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids), note="canary note"))


async def test_everybody_gets_the_same_answer_and_only_a_commenter_gets_a_mail(mailing, client):
    await comment_by(mailing, "By Mia.")
    known, unknown = await request(client), await request(client, "nobody@example.com")
    assert known == unknown
    assert known[0] == 200
    (mail,) = await mails(mailing)
    assert (mail.to, mail.subject, mail.language) == (Email(MIA), "Your comments", "en")
    assert MIA not in mail.text + mail.html
    assert await everything_in(mailing, "address") != []
    assert all(MIA not in str(rows) for rows in [await everything_in(mailing, "parcel")])


async def test_an_address_that_is_not_confirmed_gets_one_mail_a_day(mailing, client, clock):
    await comment_by(mailing, "By Mia.")
    for _ in range(3):
        await request(client)
    assert len(await mails(mailing)) == 1
    asking = {"thread": "/a-page/", "email": MIA, "scope": "thread"}
    assert (await client.post("/v1/subscriptions", json=asking)).status == 202
    await mails(mailing)
    assert [one["kind"] for one in await everything_in(mailing, "parcel")] == ["own_comments"]
    clock.move(days=1, seconds=1)
    await request(client)
    assert len(await mails(mailing)) == 2


async def test_a_confirmed_address_gets_five_mails_a_day(mailing, client):
    await comment_by(mailing, "By Mia.")
    token, _ = await ask_to_confirm(mailing)
    await prove(mailing, token)
    for _ in range(7):
        await request(client)
    assert len(await mails(mailing)) == 5


async def test_a_link_that_would_be_too_old_when_it_arrives_is_not_sent(mailing, client, clock):
    await comment_by(mailing, "By Mia.")
    await request(client)
    assert len(await mails(mailing)) == 1
    clock.move(days=1)
    assert await mails(mailing) == [None]


async def test_an_address_that_wants_no_mail_gets_none(mailing, client):
    await comment_by(mailing, "By Mia.")
    await suppress(mailing, MIA)
    await request(client)
    assert await mails(mailing) == []


async def test_the_page_shows_each_comment_as_its_commenter_may_know_it(mailing, client, clock):
    texts = ["Waits.", "Is public.", "Was judged.", "Was refused long ago.", "By somebody else."]
    posted = [await comment_by(mailing, text) for text in texts[:4]]
    await comment_by(mailing, texts[4], email="bo@example.com")
    await approve(mailing, posted[1].id)
    await decide(mailing, ActionVerb.SPAM, posted[2].id)
    await decide(mailing, ActionVerb.TRASH, posted[3].id)
    clock.move(days=15)
    page = await open_page(client, await link_for(mailing, client))
    states = re.findall(r"<b>([\w ]+)</b> · <bdi><time", page)
    assert states == ["Not published", "Waiting for moderation", "Published", "Waiting for moderation"]
    assert [text in page for text in texts] == [True, True, True, True, False]
    for hidden in ("canary", "Canary", "198.51.100", "spam"):
        assert hidden not in page


async def test_opening_pages_and_a_wrong_link_changes_nothing(mailing, client, clock):
    posted = await comment_by(mailing, "By Mia.")
    other = await comment_by(mailing, "By Bo.", email="bo@example.com")
    link = await link_for(mailing, client)
    before = {table: await everything_in(mailing, table) for table in ("comment", "contact", "address", "event")}
    for query in ("", f"?erase={posted.id}", f"?edit={posted.id}", "?erase=all", "/export"):
        await open_page(client, link + query)
    await open_page(client, f"{link}?erase={other.id}", 404)
    assert (await send(client, link, act="erase", id=other.id)).status == 404
    assert (await send(client, link, act="edit", id=other.id, comment="Changed.")).status == 404
    assert (await send(client, link, act="prove", id=other.id)).status == 404
    wrong = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert "This link does not work" in await open_page(client, wrong, 404)
    for act in ("erase", "erase_all", "edit", "prove"):
        assert (await send(client, wrong, act=act, id=posted.id, comment="Changed.")).status == 404
    clock.move(days=1, seconds=1)
    assert "This link does not work" in await open_page(client, link, 404)
    assert (await send(client, link, act="erase_all")).status == 404
    assert before == {table: await everything_in(mailing, table) for table in before}


async def test_only_a_comment_of_a_verified_browser_can_be_changed_and_only_for_some_minutes(mailing, client, clock):
    typed = await comment_by(mailing, "Anybody could have typed this address.")
    token, _ = await ask_to_confirm(mailing)
    own = await comment_by(mailing, "By the owner.", author_token=await prove(mailing, token))
    link = await link_for(mailing, client)
    refused = await send(client, link, act="edit", id=typed.id, comment="Changed.")
    assert (refused.status, "You can delete it." in await refused.text()) == (403, True)
    empty = await send(client, link, act="edit", id=own.id, comment=" ")
    assert (empty.status, "Please write a comment." in await empty.text()) == (422, True)
    done = await send(client, link, act="edit", id=own.id, comment="Changed.")
    assert (done.status, done.headers["Location"]) == (303, f"{link}?done=edited")
    clock.move(hours=1)
    page = await open_page(client, link)
    assert ("Changed." in page, "edited" in page, f"edit={own.id}" in page) == (True, True, False)
    assert (await send(client, link, act="edit", id=own.id, comment="Too late.")).status == 403


async def test_deleting_one_comment_erases_it_also_long_after_it_was_posted(mailing, client, clock):
    first, second = await comment_by(mailing, "The canary."), await comment_by(mailing, "Stays.")
    await approve(mailing, first.id, second.id)
    clock.move(days=300)
    link = await link_for(mailing, client)
    assert (await send(client, link, act="erase", id=first.id)).headers["Location"] == f"{link}?done=erased"
    for table in ("comment", "contact", "comment_search", "revision", "parcel"):
        assert "The canary." not in str(await everything_in(mailing, table)), table
    page = await open_page(client, link)
    assert ("The canary." in page, "Stays." in page) == (False, True)
    assert (await send(client, link, act="erase", id=first.id)).status == 404


async def test_deleting_everything_leaves_nothing_of_the_person(mailing, client):
    for number in range(3):
        await comment_by(mailing, f"The canary {number}.", name="Canary")
    await comment_by(mailing, "Another person stays.", email="bo@example.com", name="Bo")
    token, _ = await ask_to_confirm(mailing)
    await prove(mailing, token)
    link = await link_for(mailing, client)
    done = await send(client, link, act="erase_all")
    assert (done.status, "3 comments were deleted." in await done.text()) == (200, True)
    digest = mailing.keyring.digest(Email(MIA))
    for table in (
        "comment",
        "contact",
        "comment_search",
        "address",
        "confirmation",
        "subscription",
        "parcel",
        "verified_author",
        "event",
        "decision",
    ):
        rows = str(await everything_in(mailing, table))
        assert "anary" not in rows, table
        assert digest not in rows, table
    assert "Another person stays." in str(await everything_in(mailing, "comment"))
    assert "This link does not work" in await open_page(client, link, 404)


async def test_the_export_has_the_comments_and_mails_but_nothing_of_network_or_moderators(mailing, client):
    posted = await comment_by(mailing, "By Mia.")
    await decide(mailing, ActionVerb.SPAM, posted.id)
    await ask_to_confirm(mailing)
    link = await link_for(mailing, client)
    response = await client.get(f"{link}/export")
    assert response.headers["Content-Disposition"] == 'attachment; filename="comments.json"'
    assert response.headers["Cache-Control"] == "no-store"
    text = await response.text()
    found = json.loads(text)
    assert [one["comment"] for one in found["comments"]] == ["By Mia."]
    assert [one["scope"] for one in found["subscriptions"]] == ["thread"]
    for hidden in ("canary", "Canary", "198.51.100", "spam"):
        assert hidden not in text


async def test_a_link_proves_the_browser_that_opens_it_on_the_page_of_the_comment(mailing, client):
    posted = await comment_by(mailing, "By Mia.", thread="https://blog.example/a-page/")
    link = await link_for(mailing, client)
    done = await send(client, link, act="prove", id=posted.id)
    address, _, code = done.headers["Location"].partition("#confirmed=")
    assert (done.status, address) == (303, "https://blog.example/a-page/")
    answer = await client.post("/v1/proofs", data={"code": code}, headers={"Origin": "https://blog.example"})
    token = (await answer.json())["author_token"]
    await comment_by(mailing, "Verified.", author_token=token, thread="https://blog.example/a-page/")
    rows = await everything_in(mailing, "contact")
    assert [row["verified"] for row in rows] == [0, 1]


async def test_who_stopped_all_mail_gets_none_after_proving_a_browser(mailing, client):
    posted = await comment_by(mailing, "By Mia.", thread="https://blog.example/a-page/")
    link = await link_for(mailing, client)
    await suppress(mailing, MIA)
    assert "#confirmed=cp_" in (await send(client, link, act="prove", id=posted.id)).headers["Location"]
    (address,) = await everything_in(mailing, "address")
    assert (address["suppressed_for"], address["confirmed_at"] is None) == ("request", False)


async def test_without_a_mail_server_the_page_says_so(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    assert "sends no mail" in await (await client.get("/mine")).text()
    assert (await request(client))[0] == 404


async def test_a_wrong_address_is_shown_again_with_the_reason(client):
    status, text = await request(client, "mia@")
    assert status == 422
    assert 'value="mia@"' in text
    assert "Enter a valid email address" in text


async def test_the_mail_arrives_in_the_language_of_the_page(database_url, clock, aiohttp_client):
    async with mail_server() as server, a_service(database_url, clock, **MAIL | {"smtp_url": server.url}) as service:
        client = await aiohttp_client(application(service))
        await comment_by(service, "By Mia.")
        await client.post("/mine?lang=de", data={"email": MIA}, headers=FORM)
        worker = Worker(service, join_outlets(service.config))
        await worker.work_once()
        await server.arrived(1)
        await worker._drain()
        (mail,) = server.mails
        link = re.search(r"/mine/co_[\w-]+\?lang=de", mail.text)[0]
        assert "By Mia." in await open_page(client, link)
