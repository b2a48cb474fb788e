"""Commenters and moderators of one site have no effect on another site, and see nothing of it."""

import pytest

from commentsvc.domain.models import Mode, RuleKind, Scope
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, a_key, a_service, fields_of

TEXT = "The same text on each of the pages of these blogs."


@pytest.fixture
async def opened(database_url, clock, aiohttp_client):
    """Return a function that opens a service with two sites; return the service and its client."""
    services = []

    async def opened(mode):
        opening = a_service(database_url, clock, sites="https://one.example https://two.example", moderation=mode)
        services.append(opening)
        service = await opening.__aenter__()
        return service, await aiohttp_client(application(service))

    yield opened
    for service in services:
        await service.__aexit__(None, None, None)


async def post(client, host, comment, thread="a", **more):
    sent = fields_of(thread=f"https://{host}.example/{thread}/", comment=comment, **more)
    return await (await client.post("/v1/comments", json=sent)).json()


async def test_an_author_token_is_worth_nothing_on_another_site(opened):
    service, client = await opened(Mode.TRUSTED)
    key = await a_key(service)
    receipts = {host: await post(client, host, "First.") for host in ("one", "two")}
    action = {"action": "approve", "ids": [receipt["id"] for receipt in receipts.values()]}
    await client.post("/v1/moderation/actions", json=action, headers=key)
    for host, other in (("one", "two"), ("two", "one")):
        token = receipts[host]["author_token"]
        assert (await post(client, host, "Mine.", author_token=token))["status"] == "approved"
        foreign = await post(client, other, "Not mine.", author_token=token)
        assert foreign["status"] == "pending"
        again = await post(client, other, "Nor this.", author_token=foreign["author_token"])
        assert again["author_token"] == foreign["author_token"] != token, "a new author there"


async def test_a_ban_of_a_browser_on_one_site_does_not_reach_it_on_another(opened):
    service, client = await opened(Mode.NONE)
    receipt = await post(client, "one", "First.")
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.AUTHOR, match=receipt["id"]))
    sent = {host: await post(client, host, "Second.", author_token=receipt["author_token"]) for host in ("one", "two")}
    assert [one["status"] for one in sent.values()] == ["pending", "approved"]


@pytest.mark.parametrize(("kind", "match"), [(RuleKind.TOO_FAST, "60"), (RuleKind.TOO_MANY, "1")])
async def test_the_pace_of_a_network_is_that_on_one_site(opened, kind, match):
    service, client = await opened(Mode.NONE)
    await manage.add_rule(service, EVERYTHING, NewRule(kind=kind, match=match))
    sent = [await post(client, host, f"Comment {number}.") for number, host in enumerate(("one", "two", "two"))]
    assert [one["status"] for one in sent] == ["approved", "approved", "pending"]


async def test_equal_texts_on_another_site_are_not_counted_or_shown(opened):
    service, client = await opened(Mode.ALL)
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.SAME_TEXT, match="2"))
    for number in range(3):
        await post(client, "two", TEXT, f"page-{number}")
    first = await post(client, "one", TEXT)
    one = await a_key(service, Scope.MODERATE, name="one", site="one.example")
    card = await (await client.get(f"/v1/moderation/comments/{first['id']}", headers=one)).json()
    assert ([reason["code"] for reason in card["reasons"]], card["similar_text"]) == (["mode_all"], 0)
    trial = {"kind": "same_text", "match": "1"}
    await client.post("/v1/moderation/actions", json={"action": "spam", "ids": [first["id"]]}, headers=one)
    tested = await (await client.post("/v1/rules/test", json=trial, headers=one)).json()
    assert (tested["tried"], tested["hit"]) == (1, 0)
    found = await client.get("/v1/moderation/comments", params={"same_text": first["id"], "status": "any"}, headers=one)
    assert len((await found.json())["comments"]) == 1
