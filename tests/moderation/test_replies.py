"""A moderator replies to a comment in their own name."""

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
from tests.moderation.test_queue import check_counts


@pytest.fixture
async def noa(service):
    """Return the request headers of the moderator Noa."""
    return await a_moderators_key(service)


async def send_reply(client, key, comment, text="Thank you, Mia.", status=201, **more):
    response = await client.post(f"{QUEUE}/{comment}/replies", json={"comment": text, **more}, headers=key)
    assert response.status == status, await response.text()
    return await response.json()


async def undo(client, key, action, status=200):
    response = await client.post(f"/v1/moderation/actions/{action}/undo", headers=key)
    assert response.status == status, await response.text()
    return await response.json()


def list_html(listing):
    return [comment.html for comment in listing.comments]


async def test_a_moderators_reply_is_shown_immediately_with_their_name(client, service, noa):
    question = await post(service, "Is this still so?", thread="http://localhost/a-page/", title="The page")
    await act(client, noa, "approve", question)
    made = await send_reply(client, noa, question, "It **is**.")

    assert {name: made[name] for name in ("parent", "depth", "name", "by_moderator", "status", "comment", "html")} == {
        "parent": question, "depth": 1, "name": "Noa", "by_moderator": True, "status": "approved",
        "comment": "It **is**.", "html": "<p>It <strong>is</strong>.</p>",
    }  # fmt: skip
    assert made["thread"] == {
        "key": "/a-page", "url": "http://localhost/a-page/", "title": "The page", "closed": False, "count": 2
    }  # fmt: skip
    public = await (await client.get(f"/v1/comments/{made['id']}")).json()
    assert (public["name"], public["by_moderator"]) == ("Noa", True)
    assert list_html(await shown(service, view="flat")) == [
        "<p>Is this still so?</p>",
        "<p>It <strong>is</strong>.</p>",
    ]
    assert "Moderator" in await (await client.get("/t?thread=/a-page/")).text()


async def test_a_moderators_reply_is_in_the_queue_without_private_data(client, service, noa):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)

    (card, other) = (await queue(client, noa, status="approved", order="newest"))["comments"]
    assert (card["id"], other["id"]) == (made["id"], question)
    assert (card["email"], card["network"], card["author"]) == (None, None, {"approved": 0, "spam": 0})
    (moderator,) = await everything_in(service, "moderator")
    by_noa = {"kind": "person", "id": moderator["id"], "name": "Noa"}
    assert card["reasons"] == [{"actor": by_noa, "code": None, "args": {}, "text": ""}]
    assert card["parent_excerpt"] == "Is this still so?"
    assert (await detail(client, noa, made["id"]))["agent"] is None
    found = await client.post("/v1/moderation/search", json={"email": "mia@example.com", "status": "any"}, headers=noa)
    assert [one["id"] for one in (await found.json())["comments"]] == [question]
    await check_counts(service)


async def test_a_reply_to_a_pending_comment_must_approve_it_and_undo_reverts_both(client, service, noa):
    question = await post(service, "Is this still so?")
    refused = await send_reply(client, noa, question, status=409)
    assert refused["detail"].endswith("Approve it first, or send approve: true.")
    assert await statuses(service) == {question: "pending"}

    made = await send_reply(client, noa, question, approve=True)
    assert await statuses(service) == {question: "approved", made["id"]: "approved"}
    undone = await undo(client, noa, made["action"])
    assert undone["changed"] == 2
    assert await statuses(service) == {question: "pending", made["id"]: "trash"}
    assert (await shown(service)).comments == []
    await check_counts(service)
    await undo(client, noa, undone["id"])
    assert await statuses(service) == {question: "approved", made["id"]: "approved"}
    assert (await shown(service)).thread.count == 2
    await undo(client, noa, made["action"], status=409)
    await check_counts(service)


async def test_an_undone_reply_can_be_restored(client, service, noa):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    await undo(client, noa, made["action"])
    await act(client, noa, "restore", made["id"])

    assert (await statuses(service))[made["id"]] == "approved"


async def test_undo_skips_a_reply_that_was_changed_since(client, service, noa, key):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    await act(client, key, "hold", made["id"])
    undone = await undo(client, noa, made["action"])

    assert await statuses(service) == {question: "pending", made["id"]: "pending"}
    assert {item["comment"]: item["code"] for item in undone["results"]} == {
        question: None,
        made["id"]: "changed_since",
    }


async def test_a_reply_is_recorded_in_the_history_the_decisions_and_the_audit_log(client, service, noa):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    plain = await send_reply(client, noa, question, "And so it stays.", approve=False)

    parent, reply = await detail(client, noa, question), await detail(client, noa, made["id"])
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
        ("reply", {"action": made["action"], "items": [[question, "pending", "approved", 2]], "reply": made["id"]}),
    ]


async def test_a_reply_with_approval_settles_reports_and_undo_reopens_them(client, service, noa):
    question = await post(service, "Is this still so?")
    await act(client, noa, "approve", question)
    await client.post(f"/v1/comments/{question}/reports", json={})
    made = await send_reply(client, noa, question, approve=True)
    assert (await detail(client, noa, question))["reports"] == 0
    await undo(client, noa, made["action"])
    assert (await detail(client, noa, question))["reports"] == 1
    await check_counts(service)


async def test_a_moderator_can_reply_in_a_closed_thread(client, service, noa):
    question = await post(service, "Is this still so?")
    (thread,) = (await (await client.get("/v1/threads", headers=noa)).json())["threads"]
    await client.patch(f"/v1/threads/{thread['id']}", json={"closed": True}, headers=noa)
    made = await send_reply(client, noa, question, approve=True)

    assert made["thread"]["closed"] is True
    assert (await client.post("/v1/comments", json=fields_of(parent=question))).status == 403


async def test_a_moderator_has_no_rate_limit_duplicate_check_or_word_rule(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, rate_limit="1/300") as service:
        client, noa = await aiohttp_client(application(service)), await a_moderators_key(service)
        rule = {"kind": "words", "match": "thank"}
        assert (await client.post("/v1/rules", json=rule, headers=noa)).status == 201
        question = await post(service, "Is this still so?")
        both = [await send_reply(client, noa, question, approve=True) for _ in range(2)]
        assert [one["status"] for one in both] == ["approved", "approved"]


async def test_a_reply_that_is_too_deep_is_placed_at_the_maximum_depth(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, nesting=1) as service:
        client, noa = await aiohttp_client(application(service)), await a_moderators_key(service)
        question = await post(service, "Is this still so?")
        first = await send_reply(client, noa, question, approve=True)
        second = await send_reply(client, noa, first["id"], "Moreover.")
        third = await send_reply(client, noa, second["id"], "At last.")

        assert [(one["parent"], one["depth"]) for one in (first, second, third)] == [
            (question, 1), (question, 1), (question, 1),
        ]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), [
    ({}, "comment"),
    ({"comment": "  "}, "comment"),
    ({"comment": "x" * 10_001}, "comment"),
    ({"comment": "x", "approve": "yes"}, "approve"),
    ({"comment": "x", "name": "Mia"}, "name"),
])  # fmt: skip
async def test_an_invalid_reply_is_rejected(client, service, noa, body, field):
    question = await post(service, "Is this still so?")
    refused = await client.post(f"{QUEUE}/{question}/replies", json=body, headers=noa)
    assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, field)


async def test_only_a_moderators_own_key_can_reply(client, service, key):
    question = await post(service, "Is this still so?")
    refused = await send_reply(client, key, question, approve=True, status=403)

    assert refused["code"] == "forbidden"
    assert "commentsvc moderator invite" in refused["detail"]
    assert await statuses(service) == {question: "pending"}


async def test_a_moderator_cannot_reply_to_comments_on_other_sites_or_erased_comments(
    database_url, clock, aiohttp_client
):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        noa, ada = await a_moderators_key(service, sites=["one.example"]), await a_key(service)
        ours = await post(service, "ours", thread="https://one.example/a/")
        theirs = await post(service, "theirs", thread="https://two.example/a/")
        await act(client, ada, "trash", ours)
        await client.delete(f"{QUEUE}/{ours}", headers=ada)

        await send_reply(client, noa, theirs, approve=True, status=404)
        await send_reply(client, noa, "01990000-0000-7000-8000-000000000000", approve=True, status=404)
        assert (await send_reply(client, noa, ours, approve=True, status=409))[
            "detail"
        ] == "This comment was permanently deleted."
        assert len(await everything_in(service, "comment")) == 2
        assert await everything_in(service, "action_item") != []


async def test_a_removed_moderator_cannot_reply(service, noa, client):
    question = await post(service, "Is this still so?")
    await send_reply(client, noa, question, approve=True)
    await moderators.remove_moderator(service, "Noa")

    await send_reply(client, noa, question, status=401)
    assert len((await shown(service, view="flat")).comments) == 2, "their earlier reply is kept"


async def test_a_moderators_reply_can_be_amended_reported_moderated_and_erased(client, service, noa, key, clock):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    amended = {"comment": "Thank you, dear Mia."}
    version = {"If-Match": f'"{made["version"]}"'}
    assert (await client.patch(f"{QUEUE}/{made['id']}", json=amended, headers=key | version)).status == 200
    for network in range(3):
        reader = {"X-Forwarded-For": f"203.0.{network}.1"}
        await client.post(f"/v1/comments/{made['id']}/reports", json={}, headers=reader)
    assert (await statuses(service))[made["id"]] == "approved"
    await act(client, key, "trash", made["id"])
    tried = await client.post("/v1/rules/test", json={"kind": "links", "match": "2"}, headers=key)
    assert (await tried.json())["tried"] == 1, "a moderator's reply is not a decided comment"
    assert (await client.delete(f"{QUEUE}/{made['id']}", headers=key)).status == 200
    assert "Noa" not in str(await everything_in(service, "comment"))
    await undo(client, noa, made["action"])
    assert await statuses(service) == {question: "pending", made["id"]: "trash"}
    await check_counts(service)


async def test_a_commenter_replies_to_a_moderator(client, service, noa):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    thanks = await post(service, "I see.", parent=made["id"])
    await act(client, noa, "approve", thanks)

    (top,) = (await shown(service)).comments
    assert top.replies[0].replies[0].id == thanks


async def test_concurrent_replies_of_two_moderators_are_all_published(client, service, noa):
    question = await post(service, "Is this still so?")
    bo = await a_moderators_key(service, name="Bo")
    jobs = [
        send_reply(client, who, question, f"Number {number}.", approve=True) for number in range(4) for who in (noa, bo)
    ]
    await asyncio.gather(*jobs)

    assert len((await shown(service, view="flat")).comments) == 9
    await check_counts(service)


async def test_a_reply_cannot_be_undone_after_30_days(client, service, noa, clock):
    question = await post(service, "Is this still so?")
    made = await send_reply(client, noa, question, approve=True)
    clock.move(days=31)

    with pytest.raises(Conflict):
        await undo_action(service, EVERYTHING, made["action"])
    both = await search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.APPROVED))
    assert len(both.comments) == 2


async def test_the_first_reply_publishes_the_thread_with_its_url_and_title(client, service, noa):
    question = await post(service, "Is this still so?", thread="http://localhost/a-page/", title="The page")
    await send_reply(client, noa, question, approve=True)
    listing = await shown(service)

    assert (listing.thread.url, listing.thread.title) == ("http://localhost/a-page/", "The page")
    assert (
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.HOLD, ids=[question]))
    ).changed == 1
    assert [one.deleted for one in (await shown(service, view="flat")).comments] == [True, False]


async def test_a_read_key_cannot_reply(client, service):
    question = await post(service, "Is this still so?")
    await send_reply(client, await a_key(service, Scope.READ, name="reader"), question, approve=True, status=403)


async def test_a_reply_to_a_comment_changed_since_it_was_read_is_rejected(client, service, noa):
    question = await post(service, "Is this so?")
    await act(client, noa, "spam", question)
    await send_reply(client, noa, question, status=412, approve=True, seen=1)
    assert await statuses(service) == {question: "spam"}
    await send_reply(client, noa, question, approve=True, seen=2)
    assert (await statuses(service))[question] == "approved"
