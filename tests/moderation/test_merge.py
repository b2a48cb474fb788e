"""A moderator merges two threads and undoes the merge."""

import asyncio
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commentsvc.comments import edit, erase, post, read, reports
from commentsvc.comments.schemas import CommentEdit, NewReport, ThreadQuery
from commentsvc.domain.errors import Conflict, Invalid, NotFound
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, Scope
from commentsvc.moderation import actions, merge, threads
from commentsvc.moderation.merge import merge_threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.moderation.undo import _start_undo, undo_action
from commentsvc.service import write
from commentsvc.storage import thread_merge
from commentsvc.storage import threads as storage_threads
from tests.audit.test_log import Scenario, ScenarioRunner, check_log_replay, list_entries, runner_fixtures
from tests.comments.test_post import everything_in, shown
from tests.comments.test_read import outline
from tests.conftest import EVERYTHING, a_moderators_key, a_service, draft, visit
from tests.moderation.test_actions import act, queue
from tests.moderation.test_properties import often
from tests.moderation.test_queue import check_counts, check_trees
from tests.moderation.test_replies import send_reply

OLD, NEW = "/old-name/", "/new-name/"
VIEWS = list(itertools.product(("tree", "flat"), ("oldest", "newest")))


@pytest.fixture
async def service(database_url, clock):
    """Return a service that holds no comment."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


class Commenter:
    """Posts comments on two pages, one a minute."""

    def __init__(self, service, clock):
        self.service, self.clock, self.receipts = service, clock, {}

    async def post(self, text, thread, parent=None, **more):
        self.clock.move(minutes=1)
        above = self.receipts[parent].id if parent else None
        new_comment = draft(comment=text, thread=thread, parent=above, **more)
        self.receipts[text] = await post.post_comment(self.service, new_comment, visit())
        return self.receipts[text]

    async def post_all(self):
        """Post a(c(e)) on the old page and b(d) f on the new one, in alphabetical order."""
        for text, thread, parent in (
            ("a", OLD, None), ("b", NEW, None), ("c", OLD, "a"), ("d", NEW, "b"), ("e", OLD, "c"), ("f", NEW, None),
        ):  # fmt: skip
            await self.post(text, thread, parent)


@pytest.fixture
async def commenter(service, clock):
    return Commenter(service, clock)


async def find_thread_id(service, name):
    rows = await everything_in(service, "thread_name")
    return next(row["thread_id"] for row in rows if row["name"] == name.rstrip("/"))


async def merge_into(service, name, into, who=EVERYTHING):
    return await threads.change_thread(service, who, await find_thread_id(service, name), ThreadChange(merge_into=into))


async def undo(service, action):
    return await undo_action(service, EVERYTHING, action)


async def check_consistency(service):
    await check_counts(service)
    await check_trees(service)


async def draw_thread(service, name, order="oldest"):
    """Return the thread as one line, such as a(b)c."""
    listing = await shown(service, thread=name, view="tree", order=order, limit=1000)
    return outline(msgspec.to_builtins(listing.comments))


async def list_by_time(service, name, order="oldest"):
    listing = await shown(service, thread=name, view="flat", order=order, limit=1000)
    return "".join(comment.html[3:-4] for comment in listing.comments)


async def test_both_addresses_list_all_comments_in_the_order_they_were_posted(service, commenter):
    await commenter.post_all()
    await merge_into(service, OLD, NEW)

    for name in (OLD, NEW):
        assert await draw_thread(service, name) == "a(c(e))b(d)f"
        assert await draw_thread(service, name, "newest") == "fb(d)a(c(e))"
        assert await list_by_time(service, name) == "abcdef"
        assert await list_by_time(service, name, "newest") == "fedcba"
        assert (await shown(service, thread=name)).thread.key == "/new-name"
    await check_consistency(service)


@pytest.mark.parametrize(("view", "order"), VIEWS)
async def test_a_merged_thread_is_paginated(service, commenter, view, order):
    await commenter.post_all()
    await merge_into(service, OLD, NEW)
    whole = (await shown(service, NEW, view="flat")).comments if view == "flat" else None
    seen, cursor = [], None
    while True:
        part = await shown(service, OLD, view=view, order=order, limit=1, cursor=cursor)
        seen += [comment.id for comment in _lowest(part.comments)]
        cursor = part.next_cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 6
    if whole:
        assert seen == [comment.id for comment in (whole if order == "oldest" else whole[::-1])]


def _lowest(nodes):
    """Return the lowest comments. On a page of one comment, all above it are stubs."""
    return [found for node in nodes for found in (_lowest(getattr(node, "replies", [])) or [node])]


@pytest.mark.parametrize(("view", "order"), VIEWS)
async def test_a_cursor_from_before_a_merge_or_its_undo_still_works(service, commenter, view, order):
    await commenter.post_all()
    query = {"view": view, "order": order, "limit": 1}
    cursors = [(await shown(service, name, **query)).next_cursor for name in (OLD, NEW)]
    merged = await merge_into(service, OLD, NEW)
    after = [await shown(service, name, **query, cursor=one) for name in (OLD, NEW) for one in cursors]
    await undo(service, merged.action)
    after += [await shown(service, name, **query, cursor=one) for name in (OLD, NEW) for one in cursors]

    assert len(after) == 8


async def test_counts_listings_and_feeds_are_the_same_at_both_addresses(service, commenter, client):
    await approve(service, await commenter.post("a", "http://localhost/old-name/", title="The old page"))
    await approve(service, await commenter.post("b", "http://localhost/new-name/", title="The new page"))
    await merge_into(service, OLD, NEW)

    counts = await (await client.get(f"/v1/counts?thread={OLD}&thread={NEW}")).json()
    assert counts["counts"] == {OLD: 2, NEW: 2}
    for name in (OLD, NEW):
        listing = await (await client.get(f"/v1/comments?thread={name}")).json()
        assert listing["thread"] == {
            "key": "/new-name", "url": "http://localhost/new-name/", "title": "The new page",
            "closed": False, "count": 2
        }  # fmt: skip
        html = await (await client.get(f"/t?thread={name}")).text()
        assert ">a<" in html.replace("</p>", "<")
        assert ">b<" in html.replace("</p>", "<")
        feed = await (await client.get(f"/v1/comments.atom?thread={name}")).text()
        assert feed.count("<entry>") == 2
        assert "http://localhost/new-name/#comment-" in feed
        assert (await client.get(f"/v1/comments.html?thread={name}")).status == 200
    latest = await (await client.get("/v1/latest")).json()
    assert {one["thread"]["key"] for one in latest["comments"]} == {"/new-name"}


async def test_a_merge_and_its_undo_change_the_etag(service, commenter, client):
    await commenter.post_all()
    seen: dict[tuple[str, str], bytes] = {}

    async def fetch():
        for name in (OLD, NEW):
            response = await client.get(f"/v1/comments?thread={name}", headers={"Accept-Encoding": "identity"})
            body = await response.read()
            assert seen.setdefault((name, response.headers["ETag"]), body) == body

    await fetch()
    merged = await merge_into(service, OLD, NEW)
    await fetch()
    undone = await undo(service, merged.action)
    await fetch()
    await undo(service, undone.id)
    await fetch()
    assert len(seen) == 4, "an undone merge has the bytes of before, and their ETag"


async def test_a_reader_replies_to_a_moved_comment_at_both_addresses_and_new_comments_are_last(service, commenter):
    await commenter.post_all()
    await merge_into(service, OLD, NEW)
    await commenter.post("g", OLD, "b")
    await commenter.post("h", NEW, "a")
    await commenter.post("i", OLD)

    assert await draw_thread(service, NEW) == "a(c(e)h)b(dg)fi"
    await check_consistency(service)


async def test_a_commenter_can_edit_and_withdraw_a_moved_comment(service, commenter):
    await commenter.post_all()
    await merge_into(service, OLD, NEW)
    receipt = await edit.edit_comment(
        service, commenter.receipts["e"].id, commenter.receipts["e"].edit_token, CommentEdit(comment="E"), visit()
    )
    await erase.withdraw_comment(service, commenter.receipts["f"].id, commenter.receipts["f"].edit_token)

    assert receipt.thread == "/new-name"
    assert await draw_thread(service, OLD) == "a(c(E))b(d)"
    await check_consistency(service)


async def test_a_repeated_submission_returns_the_same_comment_after_a_merge(service, commenter):
    sent = {"text": "a", "thread": OLD, "submission": "submission-1"}
    first = await commenter.post(**sent)
    await commenter.post("b", NEW)
    await merge_into(service, OLD, NEW)
    again = await commenter.post(**sent)

    assert (again.id, again.thread) == (first.id, "/new-name")


async def test_a_commenter_sees_their_pending_comment_at_both_addresses(database_url, clock):
    async with a_service(database_url, clock) as service:
        commenter = Commenter(service, clock)
        await commenter.post("a", OLD)
        await commenter.post("b", NEW)
        await merge_into(service, OLD, NEW)
        for name in (OLD, NEW):
            query = ThreadQuery(thread=name)
            mine = await read.list_thread(service, query, visit(), own=commenter.receipts["a"].id)
            assert [comment.html for comment in mine.listing.comments] == ["<p>a</p>"]


async def test_a_merge_returns_the_merged_thread(service, commenter, client, key):
    await commenter.post_all()
    old, new = await find_thread_id(service, OLD), await find_thread_id(service, NEW)
    await client.patch(f"/v1/threads/{old}", json={"alias": "/older-still/"}, headers=key)
    await act(client, key, "hold", commenter.receipts["e"].id, commenter.receipts["f"].id)
    response = await client.patch(f"/v1/threads/{old}", json={"merge_into": NEW}, headers=key)
    merged = await response.json()

    assert response.status == 200
    assert (merged["id"], merged["key"]) == (new, "/new-name")
    assert (merged["aliases"], merged["count"], merged["pending"]) == (["/old-name", "/older-still"], 4, 2)
    assert merged["action"]
    (listed,) = (await (await client.get("/v1/threads", headers=key)).json())["threads"]
    assert listed == merged | {"action": None}
    for change in ({"closed": True}, {"merge_into": NEW}):
        assert (await client.patch(f"/v1/threads/{old}", json=change, headers=key)).status == 404
    for name in (OLD, NEW, "/older-still/"):
        found = await queue(client, key, thread=name, status="any")
        assert len(found["comments"]) == 6
    assert found["totals"] == {"pending": 2, "approved": 4, "spam": 0, "trash": 0, "reported": 0}


@pytest.mark.parametrize(("body", "code"), [
    ({"merge_into": "/nowhere/"}, "unknown_thread"),
    ({"merge_into": "https://elsewhere.example/new-name/"}, "unknown_thread"),
    ({"merge_into": "http://["}, "unknown_thread"),
    ({"merge_into": OLD}, "invalid"),
    ({"merge_into": "/older-still/"}, "invalid"),
    ({"merge_into": NEW, "closed": False}, "invalid"),
    ({"merge_into": NEW, "title": None}, "invalid"),
    ({"merge_into": NEW, "mode": "all"}, "invalid"),
    ({"merge_into": NEW, "thread": "/other/"}, "invalid"),
    ({"merge_into": NEW, "alias": "/other/"}, "invalid"),
])  # fmt: skip
async def test_an_invalid_merge_is_rejected_and_changes_nothing(service, commenter, client, key, body, code):
    await commenter.post_all()
    old = await find_thread_id(service, OLD)
    await client.patch(f"/v1/threads/{old}", json={"alias": "/older-still/"}, headers=key)
    before = await everything_in(service, "comment"), await everything_in(service, "thread")
    refused = await client.patch(f"/v1/threads/{old}", json=body, headers=key)

    assert refused.status == 422
    assert [(one["field"], one["code"]) for one in (await refused.json())["errors"]] == [("merge_into", code)]
    assert (await everything_in(service, "comment"), await everything_in(service, "thread")) == before


async def test_threads_with_too_many_comments_cannot_be_merged(service, commenter, client, key, monkeypatch):
    monkeypatch.setattr(merge, "MAX_COMMENTS", 6)
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    await commenter.post("g", NEW)
    undone = await undo(service, merged.action)
    assert await draw_thread(service, OLD) == "a(c(e))", "a merge can be undone at any length"

    refused = await client.patch(
        f"/v1/threads/{await find_thread_id(service, OLD)}", json={"merge_into": NEW}, headers=key
    )
    assert refused.status == 409
    assert "more than 6 comments" in (await refused.json())["detail"]
    with pytest.raises(Conflict, match="more than 6 comments"):
        await undo(service, undone.id)
    await check_consistency(service)


async def test_a_merge_moves_many_comments_in_batches(service, commenter, monkeypatch):
    monkeypatch.setattr(thread_merge, "BATCH_SIZE", 2)
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    assert await draw_thread(service, OLD) == "a(c(e))b(d)f"
    await undo(service, merged.action)
    assert [await draw_thread(service, name) for name in (OLD, NEW)] == ["a(c(e))", "b(d)f"]


async def test_a_key_for_one_site_cannot_merge_threads_of_another_site(database_url, clock):
    async with a_service(
        database_url, clock, moderation=Mode.NONE, sites="https://one.example https://two.example"
    ) as service:
        commenter = Commenter(service, clock)
        await commenter.post("a", "https://one.example/a/")
        await commenter.post("b", "https://two.example/b/")
        await commenter.post("c", "https://two.example/c/")
        with pytest.raises(Invalid, match="No thread on this site"):
            await merge_into(service, "/a", "https://two.example/b/")
        (one,) = [row["id"] for row in await everything_in(service, "site") if row["name"] == "one.example"]
        noa = Principal(Actor(ActorKind.PERSON, None, "noa"), frozenset(Scope), (one,))
        with pytest.raises(NotFound):
            await merge_into(service, "/b", "/c", who=noa)
        merged = await merge_into(service, "/b", "https://two.example/c/")
        with pytest.raises(NotFound):
            await undo_action(service, noa, merged.action)
        assert (await threads.list_threads(service, noa, ThreadListQuery())).threads[0].key == "/a"


async def test_an_action_before_a_merge_can_be_undone_after_it(service, commenter, client, key):
    await commenter.post_all()
    done = await act(client, key, "spam", commenter.receipts["c"].id)
    await merge_into(service, OLD, NEW)
    await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)

    assert await draw_thread(service, NEW) == "a(c(e))b(d)f"
    await check_consistency(service)


async def test_a_moderator_replies_to_a_moved_comment(service, commenter, client):
    noa = await a_moderators_key(service)
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    made = await send_reply(client, noa, commenter.receipts["e"].id, "x")
    assert (made["thread"]["key"], made["depth"]) == ("/new-name", 3)
    await undo(service, merged.action)
    assert await draw_thread(service, OLD) == "a(c(e(x)))"
    await undo(service, made["action"])
    assert await draw_thread(service, OLD) == "a(c(e))"
    await check_consistency(service)


async def test_the_audit_log_records_a_merge_with_ids_only(service, commenter):
    await commenter.post_all()
    old, new = await find_thread_id(service, OLD), await find_thread_id(service, NEW)
    merged = await merge_into(service, OLD, NEW)
    undone = await undo(service, merged.action)
    logged = [(one.verb, msgspec.json.decode(one.body)) for one in (await list_entries(service))[-2:]]

    changed = ["merged_into", "names", "target", "tops"]
    assert logged == [
        ("thread_merge", {"action": merged.action, "thread": old, "changed": changed, "merged_into": new}),
        ("undo", {"action": undone.id, "thread": old, "changed": ["merged_into"], "merged_into": None}),
    ]


async def test_undoing_a_merge_moves_new_replies_with_their_parents(service, commenter):
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    await commenter.post("g", NEW, "e")
    await commenter.post("h", OLD, "d")
    await commenter.post("i", OLD)
    await undo(service, merged.action)

    assert await draw_thread(service, OLD) == "a(c(e(g)))"
    assert await draw_thread(service, NEW) == "b(d(h))fi"
    assert len((await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads) == 2
    await commenter.post("j", OLD, "g")
    await commenter.post("k", NEW, "h")
    assert [await draw_thread(service, name) for name in (OLD, NEW)] == ["a(c(e(g(j))))", "b(d(h(k)))fi"]
    await check_consistency(service)


async def test_a_merge_can_be_undone_redone_and_undone_again(service, commenter):
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    undone = await undo(service, merged.action)
    await commenter.post("g", OLD)
    again = await undo(service, undone.id)
    assert await draw_thread(service, OLD) == "a(c(e))b(d)fg"
    for late in (merged.action, undone.id):
        with pytest.raises(Conflict, match="undone already"):
            await undo(service, late)
    await undo(service, again.id)
    assert [await draw_thread(service, name) for name in (OLD, NEW)] == ["a(c(e))g", "b(d)f"]
    with pytest.raises(Conflict, match="undone already"):
        await undo(service, again.id)
    await check_consistency(service)


async def test_chained_merges_are_undone_newest_first(service, commenter):
    await commenter.post_all()
    await commenter.post("g", "/third/")
    first = await merge_into(service, OLD, NEW)
    second = await merge_into(service, NEW, "/third/")
    for name in (OLD, NEW, "/third/"):
        assert await draw_thread(service, name) == "a(c(e))b(d)fg"
    assert second.aliases == ["/new-name", "/old-name"]
    with pytest.raises(Conflict, match="Undo that first"):
        await undo(service, first.action)
    await commenter.post("h", OLD, "a")
    await undo(service, second.action)
    assert [await draw_thread(service, name) for name in (OLD, NEW, "/third/")] == [*["a(c(e)h)b(d)f"] * 2, "g"]
    await undo(service, first.action)
    assert [await draw_thread(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e)h)", "b(d)f", "g"]
    await check_consistency(service)


async def test_two_merges_into_one_thread_can_be_undone_in_any_order(service, commenter):
    await commenter.post_all()
    await commenter.post("g", "/third/")
    first, second = await merge_into(service, OLD, NEW), await merge_into(service, "/third/", NEW)
    await undo(service, first.action)
    assert [await draw_thread(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e))", *["b(d)fg"] * 2]
    await undo(service, second.action)
    assert [await draw_thread(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e))", "b(d)f", "g"]


async def test_a_merge_can_be_undone_after_a_rename_only_if_the_old_address_is_free(service, commenter):
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    new = await find_thread_id(service, NEW)
    renamed = await threads.change_thread(service, EVERYTHING, new, ThreadChange(thread=OLD))
    with pytest.raises(Conflict, match="Give it another address first"):
        await undo(service, merged.action)
    back = await undo(service, renamed.action)
    await undo(service, merged.action)
    with pytest.raises(Conflict, match="Another thread now has the earlier address"):
        await undo(service, back.id)
    assert [await draw_thread(service, name) for name in (OLD, NEW)] == ["a(c(e))", "b(d)f"]


async def test_the_address_of_another_thread_is_rejected_with_a_hint_to_merge(service, commenter):
    await commenter.post_all()
    with pytest.raises(Invalid, match="Merge the two with merge_into"):
        await threads.change_thread(service, EVERYTHING, await find_thread_id(service, OLD), ThreadChange(alias=NEW))


async def test_an_earlier_thread_change_can_be_undone_only_after_the_merge_is_undone(service, commenter):
    await commenter.post_all()
    old = await find_thread_id(service, OLD)
    closed = await threads.change_thread(service, EVERYTHING, old, ThreadChange(closed=True))
    merged = await merge_into(service, OLD, NEW)
    with pytest.raises(Conflict, match="This thread was merged since"):
        await undo(service, closed.action)
    await commenter.post("g", OLD)  # the merged thread is open
    await undo(service, merged.action)
    assert (await shown(service, OLD)).thread.closed is True
    await undo(service, closed.action)
    assert (await shown(service, OLD)).thread.closed is False


async def test_a_thread_without_comments_can_be_merged(service, commenter):
    await commenter.post_all()
    new = await find_thread_id(service, NEW)
    await threads.change_thread(service, EVERYTHING, new, ThreadChange(title="It stays without comments"))
    for receipt in commenter.receipts.values():
        await erase.withdraw_comment(service, receipt.id, receipt.edit_token)
    await commenter.post("g", "/third/")
    second = await threads.change_thread(service, EVERYTHING, new, ThreadChange(merge_into="/third/"))
    assert await draw_thread(service, NEW) == "g"
    await undo(service, second.action)
    assert [await draw_thread(service, name) for name in (NEW, "/third/")] == ["", "g"]
    await check_consistency(service)


async def test_a_merge_cannot_be_undone_after_30_days(service, commenter, clock):
    await commenter.post_all()
    merged = await merge_into(service, OLD, NEW)
    clock.move(days=31)
    with pytest.raises(Conflict, match="30 days"):
        await undo(service, merged.action)


async def approve(service, receipt):
    """Approve a comment as a person, who vouches for the title of its page."""
    await actions.apply_action(service, EVERYTHING, actions.Action(action=ActionVerb.APPROVE, ids=[receipt.id]))


async def describe_thread(service, name):
    thread = (await shown(service, thread=name)).thread
    return thread.url, thread.title, thread.count


async def test_a_thread_without_url_and_title_shows_those_of_the_merged_thread(database_url, clock):
    async with a_service(database_url, clock) as service:
        commenter = Commenter(service, clock)
        public = await commenter.post("a", "http://localhost/old-name/", title="The old page")
        await approve(service, public)
        pending = await commenter.post("b", "http://localhost/new-name/", title="Nobody has checked this")
        merged = await merge_into(service, OLD, NEW)

        assert await describe_thread(service, NEW) == ("http://localhost/old-name/", "The old page", 1)
        await undo(service, merged.action)
        assert await describe_thread(service, OLD) == ("http://localhost/old-name/", "The old page", 1)
        assert await describe_thread(service, NEW) == (None, None, 0)
        assert (await shown(service, NEW)).thread.key == "/new-name"
        await approve(service, pending)
        assert await describe_thread(service, NEW) == ("http://localhost/new-name/", "Nobody has checked this", 1)


async def test_a_comment_published_during_a_merge_stays_public_after_the_undo(database_url, clock):
    async with a_service(database_url, clock) as service:
        commenter = Commenter(service, clock)
        late = await commenter.post("a", "http://localhost/old-name/", title="The old page")
        public = await commenter.post("b", "http://localhost/new-name/", title="The new page")
        await approve(service, public)
        merged = await merge_into(service, OLD, NEW)
        await approve(service, late)
        await undo(service, merged.action)

        assert await describe_thread(service, OLD) == ("http://localhost/old-name/", "The old page", 1)
        assert await describe_thread(service, NEW) == ("http://localhost/new-name/", "The new page", 1)
        await check_consistency(service)


async def test_a_title_set_during_a_merge_stays_with_the_target_thread(service, commenter):
    await approve(service, await commenter.post("a", "http://localhost/old-name/", title="The old page"))
    await commenter.post("b", NEW)
    merged = await merge_into(service, OLD, NEW)
    change = ThreadChange(title="Both")
    await threads.change_thread(service, EVERYTHING, await find_thread_id(service, NEW), change)
    await undo(service, merged.action)

    assert await describe_thread(service, NEW) == (None, "Both", 1)
    assert await describe_thread(service, OLD) == ("http://localhost/old-name/", "The old page", 1)


async def test_a_merged_thread_has_the_earlier_publication_date(service, commenter, clock):
    async def publication_dates():
        rows = {row["id"]: row["published_at"] for row in await everything_in(service, "thread")}
        return [rows[await find_thread_id(service, name)] for name in (OLD, NEW)]

    await commenter.post_all()
    early, late = await publication_dates()
    merged = await merge_into(service, OLD, NEW)
    assert await publication_dates() == [early, early]
    await undo(service, merged.action)
    assert await publication_dates() == [early, late]


async def test_reports_are_counted_in_the_thread_of_their_comment(service, commenter):
    await commenter.post_all()
    for text in ("a", "b"):
        await reports.report_comment(service, commenter.receipts[text].id, NewReport(), visit())
    merged = await merge_into(service, OLD, NEW)
    await check_consistency(service)
    await undo(service, merged.action)
    await check_consistency(service)
    assert sorted(row["reported"] for row in await everything_in(service, "thread")) == [1, 1]


async def test_comments_and_decisions_succeed_during_merges_and_undos(service, commenter, client, key):
    await commenter.post_all()
    old = await find_thread_id(service, OLD)
    ids = [receipt.id for receipt in commenter.receipts.values()]

    async def write(number):
        new_comment = draft(comment=f"number {number}", thread=(OLD, NEW)[number % 2])
        return await post.post_comment(service, new_comment, visit())

    async def decide(number):
        await act(client, key, ("hold", "approve", "spam", "approve")[number % 4], *ids)

    async def rearrange():
        for _ in range(4):
            merged = await threads.change_thread(service, EVERYTHING, old, ThreadChange(merge_into=NEW))
            await undo(service, merged.action)
        await threads.change_thread(service, EVERYTHING, old, ThreadChange(merge_into=NEW))

    await asyncio.gather(
        rearrange(), *(write(number) for number in range(16)), *(decide(number) for number in range(8))
    )

    comments = await everything_in(service, "comment")
    assert len(comments) == 6 + 16
    assert {row["thread_id"] for row in comments} == {await find_thread_id(service, NEW)}
    await check_consistency(service)
    await check_log_replay(service)


async def wait_for_lock(database):
    """Return once a transaction waits for another one to commit."""

    async def look(tx):
        return await tx.one("SELECT 1 AS one FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")

    while not await database.read_private(look):
        pass


async def run_during(service, merging, other):
    """Run `other` during a merge or its undo: it reads the old state, then waits for the commit."""
    started, resume = asyncio.Event(), asyncio.Event()

    async def slowly(tx):
        result = await merging(tx)
        started.set()
        await resume.wait()
        return result

    first = asyncio.ensure_future(write(slowly)(service))
    await started.wait()
    second = asyncio.ensure_future(other)
    await wait_for_lock(service.db)
    resume.set()
    return await first, await second


@pytest.fixture
async def commenter_on_postgres(postgres_url, clock):
    async with a_service(postgres_url, clock, moderation=Mode.NONE) as service:
        yield Commenter(service, clock)


async def test_a_comment_posted_during_a_merge_or_its_undo_goes_to_the_right_thread(commenter_on_postgres):
    commenter, service = commenter_on_postgres, commenter_on_postgres.service
    await commenter.post_all()
    old, new = await find_thread_id(service, OLD), await find_thread_id(service, NEW)

    def merge_old(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    (_, action), receipt = await run_during(service, merge_old, commenter.post("g", OLD, "e"))
    assert receipt.thread == "/new-name"
    assert {row["thread_id"] for row in await everything_in(service, "comment")} == {new}

    def undo_merge(tx):
        return _start_undo.within(tx, EVERYTHING, action)

    _, receipt = await run_during(service, undo_merge, commenter.post("h", OLD, "g"))
    assert receipt.thread == "/old-name"
    assert [await draw_thread(service, name) for name in (OLD, NEW)] == ["a(c(e(g(h))))", "b(d)f"]
    await check_consistency(service)


async def test_a_decision_during_a_merge_waits_for_the_merge(commenter_on_postgres):
    commenter, service = commenter_on_postgres, commenter_on_postgres.service
    await commenter.post_all()
    old = await find_thread_id(service, OLD)
    action = actions.Action(action=ActionVerb.SPAM, ids=[commenter.receipts[text].id for text in "ae"])

    def merge_old(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    _, done = await run_during(service, merge_old, actions.apply_action(service, EVERYTHING, action))
    assert done.changed == 2
    assert (await shown(service, OLD)).thread.count == 4
    await check_consistency(service)


async def test_locking_a_moved_comment_locks_its_new_thread(commenter_on_postgres):
    commenter, service = commenter_on_postgres, commenter_on_postgres.service
    await commenter.post_all()
    old, new = await find_thread_id(service, OLD), await find_thread_id(service, NEW)

    async def list_unlocked(tx):
        rows = await tx.all("SELECT id FROM thread FOR UPDATE SKIP LOCKED")
        return {row["id"] for row in rows}

    async def lock(tx):
        await storage_threads.lock_of_comments(tx, [commenter.receipts["e"].id])
        return await write(list_unlocked)(service)

    def merge_old(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    _, unlocked = await run_during(service, merge_old, write(lock)(service))
    assert new not in unlocked


async def test_concurrent_merges_in_opposite_directions_create_one_thread(service, commenter):
    await commenter.post_all()
    both = await asyncio.gather(merge_into(service, OLD, NEW), merge_into(service, NEW, OLD), return_exceptions=True)

    (refused,) = [one for one in both if isinstance(one, Exception)]
    assert isinstance(refused, NotFound | Invalid | Conflict)
    assert await draw_thread(service, OLD) == await draw_thread(service, NEW) == "a(c(e))b(d)f"
    await check_consistency(service)


class CacheRunner(ScenarioRunner):
    """Checks all counts and trees after every move, and that an equal basis means equal bytes."""

    async def _run(self, moves: list[Any]) -> None:
        scenario = Scenario(self.service, self.clock, self.noa, next(self.numbers))
        await scenario.post()
        await scenario.post("/second")
        seen: dict[Any, bytes] = {}
        for move in moves:
            await scenario.perform(*move)
            await check_consistency(self.service)
            for name, view in itertools.product(("", "/second", "/third"), ("tree", "flat")):
                query = ThreadQuery(thread=f"{scenario.thread}{name}", view=view, limit=1000)
                part = await read.list_thread(self.service, query, visit())
                body = msgspec.json.encode(part.listing)
                assert seen.setdefault((query, part.basis.state), body) == body, "a kept answer stays right"
        await check_log_replay(self.service)


cache_runner, cache_runner_on_postgres = runner_fixtures(CacheRunner)


STEPS = ["write", "decide", "undo", "undo", "undo", "reply", "merge", "merge", "change_mode", "withdraw"]
MOVES = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(0, 9)), min_size=3, max_size=20)
# Publish, merge, reply, undo the merge, redo it, undo it again.
MERGE_CYCLE = [
    ("change_mode", 0, 0), ("write", 0, 0), ("decide", 0, 0), ("merge", 0, 1), ("reply", 2, 1), ("undo", 0, 1),
    ("undo", 0, 3), ("undo", 0, 4),
]  # fmt: skip


@pytest.mark.slow
@given(moves=MOVES)
@example(moves=MERGE_CYCLE)
@often(30)
def test_trees_counts_and_etags_are_right_after_random_merges_and_undos(cache_runner, moves):
    cache_runner.run(moves)


@given(moves=MOVES)
@example(moves=MERGE_CYCLE)
@often(7)
def test_trees_counts_and_etags_are_right_after_random_merges_and_undos_on_postgresql(cache_runner_on_postgres, moves):
    cache_runner_on_postgres.run(moves)
