"""A link in each mail ends a subscription at once, and shows all others of the address."""

import re

import pytest

from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.service import private_read, write
from commentsvc.storage import addresses, subscriptions
from commentsvc.storage.subscriptions import NewSubscription
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import a_key, a_moderators_key, a_service, post
from tests.delivery.test_outbox import MAIL

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, sites="https://blog.example", **MAIL) as service:
        yield service


@pytest.fixture
async def client(mailing, aiohttp_client):
    return await aiohttp_client(application(mailing))


@write
async def subscribe(unit, scope, *, email="mia@example.com", thread=None, comment_id=None):
    row = await unit.one("SELECT id AS thread_id, site_id FROM thread WHERE key = :key", key=thread or "/a-page")
    address = await addresses.find_or_add(unit, Email(email))
    new = NewSubscription(
        address_id=address.id,
        site_id=row["site_id"],
        scope=SubscriptionScope(scope),
        thread_id=None if scope == "site" else row["thread_id"],
        comment_id=comment_id,
        language="en",
    )
    added = await subscriptions.add(unit, new)
    await subscriptions.confirm(unit, added.id, unit.now())
    return added.id


@pytest.fixture
async def subscribed(mailing):
    """Mia has three subscriptions, Noa has one; return their ids."""
    comment_id = await post(mailing, "Hello.")
    ids = [await subscribe(mailing, "replies", comment_id=comment_id)]
    ids += [await subscribe(mailing, scope) for scope in ("thread", "site")]
    return [*ids, await subscribe(mailing, "site", email="noa@example.com")]


def link(service, subscription_id):
    return f"/u/{service.keyring.token('unsubscribe', subscription_id)}"


async def kept(service):
    return {row["id"] for row in await everything_in(service, "subscription")}


@private_read
async def address_of(unit, email):
    return await addresses.find(unit, unit.keyring.digests(Email(email)))


async def test_a_mail_program_ends_a_subscription_with_one_click(mailing, client, subscribed):
    first = subscribed[0]
    for _ in range(2):  # also if it was ended already
        response = await client.post(link(mailing, first), data=ONE_CLICK, allow_redirects=False)
        assert response.status == 200
        assert "Set-Cookie" not in response.headers
        assert await kept(mailing) == set(subscribed[1:])
    body = 'x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post(link(mailing, subscribed[1]), data=f"--{body}", headers=headers)
    assert response.status == 200
    assert await kept(mailing) == set(subscribed[2:])


async def test_a_link_of_an_address_stops_all_mail_with_one_click(mailing, client, subscribed):
    address = await address_of(mailing, "mia@example.com")
    response = await client.post(link(mailing, address.id), data=ONE_CLICK)
    assert response.status == 200
    assert (await address_of(mailing, "mia@example.com")).suppressed_for == "request"
    assert (await address_of(mailing, "noa@example.com")).suppressed_for is None


async def test_opening_the_page_changes_nothing_and_reveals_no_address(mailing, client, subscribed):
    response = await client.get(link(mailing, subscribed[0]))
    page = await response.text()
    assert response.status == 200
    assert page.count('name="stop"') == 3
    for text in ("m…@example.com", "Replies to your comment on", "blog.example/a-page", "Nothing has changed yet."):
        assert text in page
    assert "mia@example.com" not in page
    assert subscribed[3] not in page
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert await kept(mailing) == set(subscribed)


async def test_a_person_stops_one_mail_and_then_all_others(mailing, client, subscribed):
    page = await (await client.post(link(mailing, subscribed[0]), data={"stop": subscribed[0]})).text()
    assert "You get no more mail about this." in page
    assert await kept(mailing) == set(subscribed[1:])
    assert re.findall(r'name="stop" value="([^"]*)"', page) == [subscribed[2], subscribed[1]]
    page = await (await client.get(link(mailing, subscribed[0]))).text()
    assert "This mail was stopped already." in page
    assert "example.com" not in page
    response = await client.post(link(mailing, subscribed[1]), data={"change": "stop_all"})
    assert "You get no more mail from us." in await response.text()
    assert (await address_of(mailing, "mia@example.com")).suppressed_for == "request"
    response = await client.post(link(mailing, subscribed[1]), data={"change": "allow"})
    assert "You get mail again." in await response.text()
    assert (await address_of(mailing, "mia@example.com")).suppressed_at is None
    assert await kept(mailing) == set(subscribed[1:])


async def test_nobody_stops_the_mail_of_others(mailing, client, subscribed):
    await client.post(link(mailing, subscribed[0]), data={"stop": subscribed[3]})
    assert await kept(mailing) == set(subscribed)
    for token in ("cu_nonsense", mailing.keyring.token("confirm", subscribed[0]), "x"):
        assert (await client.get(f"/u/{token}")).status == 404
        assert (await client.post(f"/u/{token}", data={"change": "stop_all"})).status == 404
    assert (await client.post("/u/cu_nonsense", data=ONE_CLICK)).status == 404


async def test_a_person_chooses_one_mail_a_day(mailing, client, subscribed):
    assert "Get one mail a day" in await (await client.get(link(mailing, subscribed[0]))).text()
    page = await (await client.post(link(mailing, subscribed[0]), data={"change": "daily"})).text()
    assert "You get at most one mail a day." in page
    daily = {row["id"]: row["daily"] for row in await everything_in(mailing, "subscription")}
    assert daily == dict.fromkeys(subscribed[:3], 1) | {subscribed[3]: 0}
    await client.post(link(mailing, subscribed[0]), data={"change": "at_once"})
    assert {row["daily"] for row in await everything_in(mailing, "subscription")} == {0}


async def test_the_page_after_the_last_one_can_be_opened_for_a_day(mailing, client, subscribed, clock):
    response = await client.post(link(mailing, subscribed[3]), data={"stop": subscribed[3]}, allow_redirects=False)
    assert response.status == 303
    shown = response.headers["Location"]
    assert "Nothing is left to stop." in await (await client.get(shown)).text()
    clock.move(hours=25)
    assert (await client.get(shown)).status == 404


async def test_mail_that_came_back_is_allowed_by_the_operator_only(mailing, client, subscribed):
    key = await a_key(mailing)
    bounce = {"email": "MIA@example.com", "reason": "bounce"}
    response = await client.post("/v1/suppressions", json=bounce, headers=key)
    assert await response.json() == {"suppressed": True, "changed": True}
    page = await (await client.post(link(mailing, subscribed[0]), data={"change": "allow"})).text()
    assert "it came back" in page
    assert 'value="allow"' not in page
    response = await client.post("/v1/suppressions", json=bounce | {"reason": "request"}, headers=key)
    assert await response.json() == {"suppressed": True, "changed": False}
    assert (await address_of(mailing, "mia@example.com")).suppressed_for == "bounce"
    for changed in (True, False):
        response = await client.post("/v1/suppressions/lift", json={"email": "mia@example.com"}, headers=key)
        assert await response.json() == {"suppressed": False, "changed": changed}
    response = await client.post("/v1/suppressions/lift", json={"email": "nobody@example.com"}, headers=key)
    assert await response.json() == {"suppressed": False, "changed": False}
    log = [row for row in await everything_in(mailing, "audit") if row["verb"].startswith("mail_")]
    assert [row["verb"] for row in sorted(log, key=lambda row: row["seq"])] == ["mail_stop", "mail_allow"]
    assert "example.com" not in str([dict(row) for row in log])


async def test_a_moderator_of_some_sites_cannot_stop_mail_of_all(mailing, client):
    key = await a_moderators_key(mailing, sites=["blog.example"])
    for path, body in (("", {"email": "a@example.com", "reason": "bounce"}), ("/lift", {"email": "a@example.com"})):
        assert (await client.post(f"/v1/suppressions{path}", json=body, headers=key)).status == 403
    path = "/v1/suppressions/feedback?email=/a&event=/b"
    assert (await client.post(path, json={}, headers=key)).status == 403


PROVIDERS = {
    "flat object": (
        "email=/Email&event=/Type&bounce=HardBounce&complaint=SpamComplaint",
        {"Type": "HardBounce", "Email": "mia@example.com", "Tag": ["x"]},
        "bounce",
    ),
    "list": (
        "email=/email&event=/event&bounce=bounce&bounce=dropped&complaint=spamreport",
        [{"event": "open", "email": "noa@example.com"}, {"event": "spamreport", "email": "mia@example.com"}, 7],
        "complaint",
    ),
    "deep": (
        "email=/event-data/recipient&event=/event-data/severity&bounce=permanent",
        {"event-data": {"severity": "permanent", "recipient": "mia@example.com"}},
        "bounce",
    ),
    "a boolean": (
        "email=/email&event=/hard_bounce&bounce=true",
        [{"hard_bounce": False, "email": "noa@example.com"}, {"hard_bounce": True, "email": "mia@example.com"}],
        "bounce",
    ),
    "JSON in a text": (
        "email=/Message/mail/destination/0&event=/Message/bounce/bounceType&bounce=Permanent",
        {
            "Type": "Notification",
            "Message": '{"bounce": {"bounceType": "Permanent"}, "mail": {"destination": ["mia@example.com"]}}',
        },
        "bounce",
    ),
    "pointer into a list": (
        "email=/mail~1to/0/a&event=/is~0bounce&bounce=True",
        {"mail/to": [{"a": "mia@example.com"}], "is~bounce": True},
        "bounce",
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_webhook_of_a_mail_provider_stops_mail(mailing, client, provider):
    mapping, body, reason = PROVIDERS[provider]
    path = f"/v1/suppressions/feedback?{mapping}"
    response = await client.post(path, json=body, headers=await a_key(mailing))
    assert response.status == 200
    ignored = len(body) - 1 if isinstance(body, list) else 0
    assert await response.json() == {"suppressed": 1, "ignored": ignored}
    assert (await address_of(mailing, "mia@example.com")).suppressed_for == reason
    assert len(await everything_in(mailing, "address")) == 1


@pytest.mark.parametrize(
    "body",
    [{}, [], "text", 7, False, {"e": "b"}, {"e": "b", "a": "nonsense"}, {"e": ["b"], "a": {}}, {"e": "[b", "a": "{"}],
)
async def test_events_without_an_address_are_counted_only(mailing, client, body):
    path = "/v1/suppressions/feedback?email=/a&event=/e&bounce=b"
    response = await client.post(path, json=body, headers=await a_key(mailing))
    assert response.status == 200
    assert await response.json() == {"suppressed": 0, "ignored": len(body) if isinstance(body, list) else 1}
    assert await everything_in(mailing, "address") == []


async def test_a_place_that_is_no_pointer_is_refused_and_loses_no_bounce(mailing, client):
    response = await client.post(
        "/v1/suppressions/feedback?email=a&event=/e&bounce=b",
        json={"a": "mia@example.com", "e": "b"},
        headers=await a_key(mailing),
    )
    assert response.status == 422
    (fault,) = (await response.json())["errors"]
    assert (fault["field"], "/recipient" in fault["detail"]) == ("email", True)


async def test_feedback_that_is_no_json_or_too_long_is_refused(mailing, client):
    key = await a_key(mailing)
    path = "/v1/suppressions/feedback?email=/a&event=/e"
    for body in (b"", b"{", b"\xff", b'{"a":1,"a":2}'):
        assert (await client.post(path, data=body, headers=key)).status == 400
    assert (await client.post(path, json=[{}] * 1001, headers=key)).status == 400
