"""A moderator answers a comment, in their own name."""

import asyncio

import pytest

from commentsvc.access import moderators
from commentsvc.domain.errors import Conflict
from commentsvc.domain.models import ActionVerb, Scope, StatusFilter
from commentsvc.moderation import actions
from commentsvc.moderation.queue import search_comments
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.moderation.undo import undo_action
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in, shown
from tests.conftest import EVERYTHING, a_key, a_moderators_key, a_service, fields_of, post
from tests.moderation.test_actions import QUEUE, act, detail, queue, statuses
from tests.moderation.test_queue import everything_agrees


@pytest.fixture
async def noa(service):
    """The headers of Noa, who moderates."""
    return await a_moderators_key(service)


async def answer(client, key, comment, text="Thank you, Mia.", status=201, **more):
    response = await client.post(f"{QUEUE}/{comment}/replies", json={"comment": text, **more}, headers=key)
    assert response.status == status, await response.text()
    return await response.json()


async def undo(client, key, action, status=200):
    response = await client.post(f"/v1/moderation/actions/{action}/undo", headers=key)
    assert response.status == status, await response.text()
    return await response.json()


def texts(listing):
    return [comment.html for comment in listing.comments]


async def test_a_moderators_reply_is_shown_at_once_and_says_whose_it_is(client, service, noa):
    asked = await post(service, "Is this still so?", thread="http://localhost/a-page/", title="The page")
    await act(client, noa, "approve", asked)
    made = await answer(client, noa, asked, "It **is**.")

    assert {name: made[name] for name in ("parent", "depth", "name", "by_moderator", "status", "comment", "html")} == {
        "parent": asked, "depth": 1, "name": "Noa", "by_moderator": True, "status": "approved",
        "comment": "It **is**.", "html": "<p>It <strong>is</strong>.</p>",
    }  # fmt: skip
    assert made["thread"] == {
        "key": "/a-page", "url": "http://localhost/a-page", "title": "The page", "closed": False, "count": 2
    }  # fmt: skip
    public = await (await client.get(f"/v1/comments/{made['id']}")).json()
    assert (public["name"], public["by_moderator"]) == ("Noa", True)
    assert texts(await shown(service, view="flat")) == ["<p>Is this still so?</p>", "<p>It <strong>is</strong>.</p>"]
    assert "Moderator" in await (await client.get("/t?thread=/a-page/")).text()


async def test_what_a_moderator_writes_has_nothing_private_and_stands_in_the_queue_all_the_same(client, service, noa):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)

    (card, other) = (await queue(client, noa, status="approved", order="newest"))["comments"]
    assert (card["id"], other["id"]) == (made["id"], asked)
    assert (card["email"], card["network"], card["author"]) == (None, None, {"approved": 0, "spam": 0})
    (moderator,) = await everything_in(service, "moderator")
    by_noa = {"kind": "person", "id": moderator["id"], "name": "Noa"}
    assert card["reasons"] == [{"actor": by_noa, "code": None, "args": {}, "text": ""}]
    assert card["parent_excerpt"] == "Is this still so?"
    assert (await detail(client, noa, made["id"]))["agent"] is None
    found = await client.post("/v1/moderation/search", json={"email": "mia@example.com", "status": "any"}, headers=noa)
    assert [one["id"] for one in (await found.json())["comments"]] == [asked]
    await everything_agrees(service)


async def test_a_reply_to_what_waits_needs_its_approval_and_both_are_undone_together(client, service, noa):
    asked = await post(service, "Is this still so?")
    refused = await answer(client, noa, asked, status=409)
    assert refused["detail"].endswith("Approve it first, or send approve: true.")
    assert await statuses(service) == {asked: "pending"}

    made = await answer(client, noa, asked, approve=True)
    assert await statuses(service) == {asked: "approved", made["id"]: "approved"}
    undone = await undo(client, noa, made["action"])
    assert undone["changed"] == 2
    assert await statuses(service) == {asked: "pending", made["id"]: "trash"}
    assert (await shown(service)).comments == []
    await everything_agrees(service)
    await undo(client, noa, undone["id"])
    assert await statuses(service) == {asked: "approved", made["id"]: "approved"}
    assert (await shown(service)).thread.count == 2
    await undo(client, noa, made["action"], status=409)
    await everything_agrees(service)


async def test_a_reply_taken_back_can_be_restored(client, service, noa):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    await undo(client, noa, made["action"])
    await act(client, noa, "restore", made["id"])

    assert (await statuses(service))[made["id"]] == "approved"


async def test_a_reply_that_was_decided_on_since_is_left_alone_by_undoing(client, service, noa, key):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    await act(client, key, "hold", made["id"])
    undone = await undo(client, noa, made["action"])

    assert await statuses(service) == {asked: "pending", made["id"]: "pending"}
    assert {item["comment"]: item["code"] for item in undone["results"]} == {asked: None, made["id"]: "changed_since"}


async def test_what_was_done_is_told_by_the_comment_by_the_log_and_by_the_decisions(client, service, noa):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    plain = await answer(client, noa, asked, "And so it stays.", approve=False)

    parent, reply = await detail(client, noa, asked), await detail(client, noa, made["id"])
    assert [(one["action"], one["id"]) for one in parent["actions"]] == [("reply", made["action"])]
    assert [(one["action"], one["actor"]["kind"], one["actor"]["name"]) for one in reply["actions"]] == [
        ("reply", "person", "Noa")
    ]
    assert [(one["status"], one["actor"]["kind"], one["actor"]["name"]) for one in reply["decisions"]] == [
        ("approved", "person", "Noa")
    ]
    entries = (await (await client.get("/v1/audit", headers=noa)).json())["entries"]
    assert [(one["verb"], one["body"]) for one in entries if one["verb"] == "reply"] == [
        ("reply", {"action": plain["action"], "items": [], "reply": plain["id"]}),
        ("reply", {"action": made["action"], "items": [[asked, "pending", "approved", 2]], "reply": made["id"]}),
    ]


async def test_approving_along_with_a_reply_settles_what_readers_reported_and_undoing_opens_it_again(
    client, service, noa
):
    asked = await post(service, "Is this still so?")
    await act(client, noa, "approve", asked)
    await client.post(f"/v1/comments/{asked}/reports", json={})
    made = await answer(client, noa, asked, approve=True)
    assert (await detail(client, noa, asked))["reports"] == 0
    await undo(client, noa, made["action"])
    assert (await detail(client, noa, asked))["reports"] == 1
    await everything_agrees(service)


async def test_a_closed_thread_still_takes_a_moderators_answer(client, service, noa):
    asked = await post(service, "Is this still so?")
    (thread,) = (await (await client.get("/v1/threads", headers=noa)).json())["threads"]
    await client.patch(f"/v1/threads/{thread['id']}", json={"closed": True}, headers=noa)
    made = await answer(client, noa, asked, approve=True)

    assert made["thread"]["closed"] is True
    assert (await client.post("/v1/comments", json=fields_of(parent=asked))).status == 403


async def test_a_moderator_may_say_the_same_twice_and_as_fast_as_they_like(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, rate_limit="1/300") as service:
        client, noa = await aiohttp_client(application(service)), await a_moderators_key(service)
        rule = {"kind": "words", "match": "thank"}
        assert (await client.post("/v1/rules", json=rule, headers=noa)).status == 201
        asked = await post(service, "Is this still so?")
        both = [await answer(client, noa, asked, approve=True) for _ in range(2)]
        assert [one["status"] for one in both] == ["approved", "approved"]


async def test_a_reply_too_deep_joins_the_deepest_level(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, nesting=1) as service:
        client, noa = await aiohttp_client(application(service)), await a_moderators_key(service)
        asked = await post(service, "Is this still so?")
        first = await answer(client, noa, asked, approve=True)
        second = await answer(client, noa, first["id"], "Moreover.")
        third = await answer(client, noa, second["id"], "At last.")

        assert [(one["parent"], one["depth"]) for one in (first, second, third)] == [
            (asked, 1), (asked, 1), (asked, 1),
        ]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), [
    ({}, "comment"),
    ({"comment": "  "}, "comment"),
    ({"comment": "x" * 10_001}, "comment"),
    ({"comment": "x", "approve": "yes"}, "approve"),
    ({"comment": "x", "name": "Mia"}, "name"),
])  # fmt: skip
async def test_a_moderators_words_are_checked_like_anybodys(client, service, noa, body, field):
    asked = await post(service, "Is this still so?")
    refused = await client.post(f"{QUEUE}/{asked}/replies", json=body, headers=noa)
    assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, field)


async def test_only_a_moderators_own_key_replies(client, service, key):
    asked = await post(service, "Is this still so?")
    refused = await answer(client, key, asked, approve=True, status=403)

    assert refused["code"] == "forbidden"
    assert "commentsvc moderator invite" in refused["detail"]
    assert await statuses(service) == {asked: "pending"}


async def test_there_is_no_replying_to_what_one_cannot_reach_or_what_was_erased(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        noa, ada = await a_moderators_key(service, sites=["one.example"]), await a_key(service)
        ours = await post(service, "ours", thread="https://one.example/a/")
        theirs = await post(service, "theirs", thread="https://two.example/a/")
        await act(client, ada, "trash", ours)
        await client.delete(f"{QUEUE}/{ours}", headers=ada)

        await answer(client, noa, theirs, approve=True, status=404)
        await answer(client, noa, "01990000-0000-7000-8000-000000000000", approve=True, status=404)
        assert (await answer(client, noa, ours, approve=True, status=409))[
            "detail"
        ] == "This comment was permanently deleted."
        assert len(await everything_in(service, "comment")) == 2
        assert await everything_in(service, "action_item") != []


async def test_once_a_moderator_was_removed_nothing_more_is_said_in_their_name(service, noa, client):
    asked = await post(service, "Is this still so?")
    await answer(client, noa, asked, approve=True)
    await moderators.remove_moderator(service, "Noa")

    await answer(client, noa, asked, status=401)
    assert len((await shown(service, view="flat")).comments) == 2, "what they said stays"


async def test_a_moderators_reply_can_be_decided_on_amended_reported_and_erased_like_any_other(
    client, service, noa, key, clock
):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    mended = {"comment": "Thank you, dear Mia."}
    version = {"If-Match": f'"{made["version"]}"'}
    assert (await client.patch(f"{QUEUE}/{made['id']}", json=mended, headers=key | version)).status == 200
    for network in range(3):
        reader = {"X-Forwarded-For": f"203.0.{network}.1"}
        await client.post(f"/v1/comments/{made['id']}/reports", json={}, headers=reader)
    assert (await statuses(service))[made["id"]] == "approved"
    await act(client, key, "trash", made["id"])
    tried = await client.post("/v1/rules/test", json={"kind": "links", "match": "2"}, headers=key)
    assert (await tried.json())["tried"] == 1, "a moderator's own is no comment that people decided"
    assert (await client.delete(f"{QUEUE}/{made['id']}", headers=key)).status == 200
    assert "Noa" not in str(await everything_in(service, "comment"))
    await undo(client, noa, made["action"])
    assert await statuses(service) == {asked: "pending", made["id"]: "trash"}
    await everything_agrees(service)


async def test_a_writer_answers_a_moderator(client, service, noa):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    thanks = await post(service, "I see.", parent=made["id"])
    await act(client, noa, "approve", thanks)

    (top,) = (await shown(service)).comments
    assert top.replies[0].replies[0].id == thanks


async def test_two_moderators_who_answer_at_once_are_both_heard(client, service, noa):
    asked = await post(service, "Is this still so?")
    bo = await a_moderators_key(service, name="Bo")
    jobs = [answer(client, who, asked, f"Number {number}.", approve=True) for number in range(4) for who in (noa, bo)]
    await asyncio.gather(*jobs)

    assert len((await shown(service, view="flat")).comments) == 9
    await everything_agrees(service)


async def test_what_a_reply_began_cannot_be_undone_after_a_month(client, service, noa, clock):
    asked = await post(service, "Is this still so?")
    made = await answer(client, noa, asked, approve=True)
    clock.move(days=31)

    with pytest.raises(Conflict):
        await undo_action(service, EVERYTHING, made["action"])
    both = await search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.APPROVED))
    assert len(both.comments) == 2


async def test_the_first_reply_makes_a_thread_public_under_the_address_of_the_page_it_was_asked_on(
    client, service, noa
):
    asked = await post(service, "Is this still so?", thread="http://localhost/a-page/", title="The page")
    await answer(client, noa, asked, approve=True)
    listing = await shown(service)

    assert (listing.thread.url, listing.thread.title) == ("http://localhost/a-page", "The page")
    assert (await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.HOLD, ids=[asked]))).changed == 1
    assert [one.deleted for one in (await shown(service, view="flat")).comments] == [True, False]


async def test_a_reading_key_does_not_reply(client, service):
    asked = await post(service, "Is this still so?")
    await answer(client, await a_key(service, Scope.READ, name="reader"), asked, approve=True, status=403)


async def test_what_was_changed_since_it_was_read_is_not_answered(client, service, noa):
    asked = await post(service, "Is this so?")
    await act(client, noa, "spam", asked)
    await answer(client, noa, asked, status=412, approve=True, seen=1)
    assert await statuses(service) == {asked: "spam"}
    await answer(client, noa, asked, approve=True, seen=2)
    assert (await statuses(service))[asked] == "approved"
