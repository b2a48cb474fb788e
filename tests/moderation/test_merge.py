"""A moderator makes two threads one, and parts them again."""

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
from tests.audit.test_log import Desk, Office, log_of, on_both_engines, replays
from tests.comments.test_post import everything_in, shown
from tests.comments.test_read import outline
from tests.conftest import EVERYTHING, a_moderators_key, a_service, draft, visit
from tests.moderation.test_actions import act, queue
from tests.moderation.test_properties import often
from tests.moderation.test_queue import everything_agrees, trees_are_whole
from tests.moderation.test_replies import answer

OLD, NEW = "/old-name/", "/new-name/"
VIEWS = list(itertools.product(("tree", "flat"), ("oldest", "newest")))


@pytest.fixture
async def service(database_url, clock):
    """A site where nothing is held."""
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        yield service


class Page:
    """Somebody who writes on two pages, a minute after the other."""

    def __init__(self, service, clock):
        self.service, self.clock, self.receipts = service, clock, {}

    async def says(self, text, thread, parent=None, **more):
        self.clock.move(minutes=1)
        above = self.receipts[parent].id if parent else None
        said = draft(comment=text, thread=thread, parent=above, **more)
        self.receipts[text] = await post.post_comment(self.service, said, visit())
        return self.receipts[text]

    async def fills(self):
        """a(c(e)) on the old page, b(d) f on the new one, written in the order of the alphabet."""
        for text, thread, parent in (
            ("a", OLD, None), ("b", NEW, None), ("c", OLD, "a"), ("d", NEW, "b"), ("e", OLD, "c"), ("f", NEW, None),
        ):  # fmt: skip
            await self.says(text, thread, parent)


@pytest.fixture
async def page(service, clock):
    return Page(service, clock)


async def id_of(service, name):
    rows = await everything_in(service, "thread_name")
    return next(row["thread_id"] for row in rows if row["name"] == name.rstrip("/"))


async def merge_into(service, name, into, who=EVERYTHING):
    return await threads.change_thread(service, who, await id_of(service, name), ThreadChange(merge_into=into))


async def undo(service, action):
    return await undo_action(service, EVERYTHING, action)


async def all_is_well(service):
    await everything_agrees(service)
    await trees_are_whole(service)


async def drawn(service, name, order="oldest"):
    """A thread in a line: a(b)c."""
    listing = await shown(service, thread=name, view="tree", order=order, limit=1000)
    return outline(msgspec.to_builtins(listing.comments))


async def by_time(service, name, order="oldest"):
    listing = await shown(service, thread=name, view="flat", order=order, limit=1000)
    return "".join(comment.html[3:-4] for comment in listing.comments)


async def test_both_names_lead_to_everything_in_the_order_in_which_it_was_written(service, page):
    await page.fills()
    await merge_into(service, OLD, NEW)

    for name in (OLD, NEW):
        assert await drawn(service, name) == "a(c(e))b(d)f"
        assert await drawn(service, name, "newest") == "fb(d)a(c(e))"
        assert await by_time(service, name) == "abcdef"
        assert await by_time(service, name, "newest") == "fedcba"
        assert (await shown(service, thread=name)).thread.key == "/new-name"
    await all_is_well(service)


@pytest.mark.parametrize(("view", "order"), VIEWS)
async def test_a_merged_thread_is_read_a_page_at_a_time(service, page, view, order):
    await page.fills()
    await merge_into(service, OLD, NEW)
    whole = (await shown(service, NEW, view="flat")).comments if view == "flat" else None
    seen, cursor = [], None
    while True:
        part = await shown(service, OLD, view=view, order=order, limit=1, cursor=cursor)
        seen += [comment.id for comment in _bottom(part.comments)]
        cursor = part.next_cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 6
    if whole:
        assert seen == [comment.id for comment in (whole if order == "oldest" else whole[::-1])]


def _bottom(nodes):
    """What a page of one comment shows: all above it are stubs."""
    return [found for node in nodes for found in (_bottom(getattr(node, "replies", [])) or [node])]


@pytest.mark.parametrize(("view", "order"), VIEWS)
async def test_a_cursor_from_before_still_leads_somewhere(service, page, view, order):
    await page.fills()
    query = {"view": view, "order": order, "limit": 1}
    cursors = [(await shown(service, name, **query)).next_cursor for name in (OLD, NEW)]
    merged = await merge_into(service, OLD, NEW)
    after = [await shown(service, name, **query, cursor=one) for name in (OLD, NEW) for one in cursors]
    await undo(service, merged.action)
    after += [await shown(service, name, **query, cursor=one) for name in (OLD, NEW) for one in cursors]

    assert len(after) == 8


async def test_whoever_asks_by_either_name_is_told_the_same_everywhere(service, page, client):
    await page.says("a", "http://localhost/old-name/", title="The old page")
    await page.says("b", "http://localhost/new-name/", title="The new page")
    await merge_into(service, OLD, NEW)

    counts = await (await client.get(f"/v1/counts?thread={OLD}&thread={NEW}")).json()
    assert counts["counts"] == {OLD: 2, NEW: 2}
    for name in (OLD, NEW):
        listing = await (await client.get(f"/v1/comments?thread={name}")).json()
        assert listing["thread"] == {
            "key": "/new-name", "url": "http://localhost/new-name", "title": "The new page", "closed": False, "count": 2
        }  # fmt: skip
        html = await (await client.get(f"/t?thread={name}")).text()
        assert ">a<" in html.replace("</p>", "<")
        assert ">b<" in html.replace("</p>", "<")
        feed = await (await client.get(f"/v1/comments.atom?thread={name}")).text()
        assert feed.count("<entry>") == 2
        assert "http://localhost/new-name#comment-" in feed
        assert (await client.get(f"/v1/comments.html?thread={name}")).status == 200
    latest = await (await client.get("/v1/latest")).json()
    assert {one["thread"]["key"] for one in latest["comments"]} == {"/new-name"}


async def test_what_caches_keep_is_renewed_by_merging_and_by_parting(service, page, client):
    await page.fills()
    seen: dict[tuple[str, str], bytes] = {}

    async def look():
        for name in (OLD, NEW):
            response = await client.get(f"/v1/comments?thread={name}", headers={"Accept-Encoding": "identity"})
            body = await response.read()
            assert seen.setdefault((name, response.headers["ETag"]), body) == body

    await look()
    merged = await merge_into(service, OLD, NEW)
    await look()
    parted = await undo(service, merged.action)
    await look()
    await undo(service, parted.id)
    await look()
    assert len(seen) == 8


async def test_a_moved_comment_is_answered_by_either_name_and_new_ones_come_last(service, page):
    await page.fills()
    await merge_into(service, OLD, NEW)
    await page.says("g", OLD, "b")
    await page.says("h", NEW, "a")
    await page.says("i", OLD)

    assert await drawn(service, NEW) == "a(c(e)h)b(dg)fi"
    await all_is_well(service)


async def test_a_writer_still_edits_and_withdraws_what_was_moved(service, page):
    await page.fills()
    await merge_into(service, OLD, NEW)
    receipt = await edit.edit_comment(
        service, page.receipts["e"].id, page.receipts["e"].edit_token, CommentEdit(comment="E"), visit()
    )
    await erase.withdraw_comment(service, page.receipts["f"].id, page.receipts["f"].edit_token)

    assert receipt.thread == "/new-name"
    assert await drawn(service, OLD) == "a(c(E))b(d)"
    await all_is_well(service)


async def test_the_same_submission_again_gets_the_same_answer_after_merging(service, page):
    sent = {"text": "a", "thread": OLD, "submission": "submission-1"}
    first = await page.says(**sent)
    await page.says("b", NEW)
    await merge_into(service, OLD, NEW)
    again = await page.says(**sent)

    assert (again.id, again.thread) == (first.id, "/new-name")


async def test_ones_own_waiting_comment_is_seen_by_either_name(database_url, clock):
    async with a_service(database_url, clock) as service:
        page = Page(service, clock)
        await page.says("a", OLD)
        await page.says("b", NEW)
        await merge_into(service, OLD, NEW)
        for name in (OLD, NEW):
            query = ThreadQuery(thread=name)
            mine = await read.list_thread(service, query, visit(), own=page.receipts["a"].id)
            assert [comment.html for comment in mine.listing.comments] == ["<p>a</p>"]


async def test_the_answer_is_the_thread_that_both_are_now(service, page, client, key):
    await page.fills()
    old, new = await id_of(service, OLD), await id_of(service, NEW)
    await client.patch(f"/v1/threads/{old}", json={"alias": "/older-still/"}, headers=key)
    await act(client, key, "hold", page.receipts["e"].id, page.receipts["f"].id)
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
async def test_what_cannot_be_merged_is_refused_and_nothing_is_changed(service, page, client, key, body, code):
    await page.fills()
    old = await id_of(service, OLD)
    await client.patch(f"/v1/threads/{old}", json={"alias": "/older-still/"}, headers=key)
    before = await everything_in(service, "comment"), await everything_in(service, "thread")
    refused = await client.patch(f"/v1/threads/{old}", json=body, headers=key)

    assert refused.status == 422
    assert [(one["field"], one["code"]) for one in (await refused.json())["errors"]] == [("merge_into", code)]
    assert (await everything_in(service, "comment"), await everything_in(service, "thread")) == before


async def test_threads_that_are_too_long_stay_apart(service, page, client, key, monkeypatch):
    monkeypatch.setattr(merge, "MAX_COMMENTS", 6)
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    await page.says("g", NEW)
    parted = await undo(service, merged.action)
    assert await drawn(service, OLD) == "a(c(e))", "what was made one is parted, however long"

    refused = await client.patch(f"/v1/threads/{await id_of(service, OLD)}", json={"merge_into": NEW}, headers=key)
    assert refused.status == 409
    assert "more than 6 comments" in (await refused.json())["detail"]
    with pytest.raises(Conflict, match="more than 6 comments"):
        await undo(service, parted.id)
    await all_is_well(service)


async def test_many_comments_are_moved_in_parts(service, page, monkeypatch):
    monkeypatch.setattr(thread_merge, "BATCH_SIZE", 2)
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    assert await drawn(service, OLD) == "a(c(e))b(d)f"
    await undo(service, merged.action)
    assert [await drawn(service, name) for name in (OLD, NEW)] == ["a(c(e))", "b(d)f"]


async def test_a_key_of_one_site_merges_nothing_on_another(database_url, clock):
    async with a_service(
        database_url, clock, moderation=Mode.NONE, sites="https://one.example https://two.example"
    ) as service:
        page = Page(service, clock)
        await page.says("a", "https://one.example/a/")
        await page.says("b", "https://two.example/b/")
        await page.says("c", "https://two.example/c/")
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


async def test_what_was_done_to_comments_before_is_undone_after(service, page, client, key):
    await page.fills()
    done = await act(client, key, "spam", page.receipts["c"].id)
    await merge_into(service, OLD, NEW)
    await client.post(f"/v1/moderation/actions/{done['id']}/undo", headers=key)

    assert await drawn(service, NEW) == "a(c(e))b(d)f"
    await all_is_well(service)


async def test_a_moderator_answers_what_was_moved(service, page, client):
    noa = await a_moderators_key(service)
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    made = await answer(client, noa, page.receipts["e"].id, "x")
    assert (made["thread"]["key"], made["depth"]) == ("/new-name", 3)
    await undo(service, merged.action)
    assert await drawn(service, OLD) == "a(c(e(x)))"
    await undo(service, made["action"])
    assert await drawn(service, OLD) == "a(c(e))"
    await all_is_well(service)


async def test_the_log_tells_what_was_merged_in_ids_alone(service, page):
    await page.fills()
    old, new = await id_of(service, OLD), await id_of(service, NEW)
    merged = await merge_into(service, OLD, NEW)
    parted = await undo(service, merged.action)
    told = [(one.verb, msgspec.json.decode(one.body)) for one in (await log_of(service))[-2:]]

    changed = ["merged_into", "names", "target", "tops"]
    assert told == [
        ("thread_merge", {"action": merged.action, "thread": old, "changed": changed, "merged_into": new}),
        ("undo", {"action": parted.id, "thread": old, "changed": ["merged_into"], "merged_into": None}),
    ]


async def test_parted_again_each_has_what_hangs_on_its_own(service, page):
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    await page.says("g", NEW, "e")
    await page.says("h", OLD, "d")
    await page.says("i", OLD)
    await undo(service, merged.action)

    assert await drawn(service, OLD) == "a(c(e(g)))"
    assert await drawn(service, NEW) == "b(d(h))fi"
    assert len((await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads) == 2
    await page.says("j", OLD, "g")
    await page.says("k", NEW, "h")
    assert [await drawn(service, name) for name in (OLD, NEW)] == ["a(c(e(g(j))))", "b(d(h(k)))fi"]
    await all_is_well(service)


async def test_what_was_parted_can_be_made_one_again_and_parted_again(service, page):
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    parted = await undo(service, merged.action)
    await page.says("g", OLD)
    again = await undo(service, parted.id)
    assert await drawn(service, OLD) == "a(c(e))b(d)fg"
    for late in (merged.action, parted.id):
        with pytest.raises(Conflict, match="undone already"):
            await undo(service, late)
    await undo(service, again.id)
    assert [await drawn(service, name) for name in (OLD, NEW)] == ["a(c(e))g", "b(d)f"]
    with pytest.raises(Conflict, match="undone already"):
        await undo(service, again.id)
    await all_is_well(service)


async def test_a_chain_of_threads_is_parted_in_the_order_from_its_end(service, page):
    await page.fills()
    await page.says("g", "/third/")
    first = await merge_into(service, OLD, NEW)
    second = await merge_into(service, NEW, "/third/")
    for name in (OLD, NEW, "/third/"):
        assert await drawn(service, name) == "a(c(e))b(d)fg"
    assert second.aliases == ["/new-name", "/old-name"]
    with pytest.raises(Conflict, match="Undo that first"):
        await undo(service, first.action)
    await page.says("h", OLD, "a")
    await undo(service, second.action)
    assert [await drawn(service, name) for name in (OLD, NEW, "/third/")] == [*["a(c(e)h)b(d)f"] * 2, "g"]
    await undo(service, first.action)
    assert [await drawn(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e)h)", "b(d)f", "g"]
    await all_is_well(service)


async def test_two_threads_merged_into_one_are_parted_in_any_order(service, page):
    await page.fills()
    await page.says("g", "/third/")
    first, second = await merge_into(service, OLD, NEW), await merge_into(service, "/third/", NEW)
    await undo(service, first.action)
    assert [await drawn(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e))", *["b(d)fg"] * 2]
    await undo(service, second.action)
    assert [await drawn(service, name) for name in (OLD, NEW, "/third/")] == ["a(c(e))", "b(d)f", "g"]


async def test_threads_that_were_renamed_meanwhile_are_parted_once_their_names_allow_it(service, page):
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    new = await id_of(service, NEW)
    renamed = await threads.change_thread(service, EVERYTHING, new, ThreadChange(thread=OLD))
    with pytest.raises(Conflict, match="Give it another address first"):
        await undo(service, merged.action)
    back = await undo(service, renamed.action)
    await undo(service, merged.action)
    with pytest.raises(Conflict, match="Another thread now has the earlier address"):
        await undo(service, back.id)
    assert [await drawn(service, name) for name in (OLD, NEW)] == ["a(c(e))", "b(d)f"]


async def test_a_name_that_another_thread_has_is_refused_with_the_cure(service, page):
    await page.fills()
    with pytest.raises(Invalid, match="Merge the two with merge_into"):
        await threads.change_thread(service, EVERYTHING, await id_of(service, OLD), ThreadChange(alias=NEW))


async def test_an_earlier_change_of_a_merged_thread_is_undone_once_it_is_parted(service, page):
    await page.fills()
    old = await id_of(service, OLD)
    closed = await threads.change_thread(service, EVERYTHING, old, ThreadChange(closed=True))
    merged = await merge_into(service, OLD, NEW)
    with pytest.raises(Conflict, match="This thread was merged since"):
        await undo(service, closed.action)
    await page.says("g", OLD)  # the thread it is part of is open
    await undo(service, merged.action)
    assert (await shown(service, OLD)).thread.closed is True
    await undo(service, closed.action)
    assert (await shown(service, OLD)).thread.closed is False


async def test_a_thread_without_comments_is_merged_too(service, page):
    await page.fills()
    first = await merge_into(service, OLD, NEW)
    new = await id_of(service, NEW)
    for receipt in page.receipts.values():
        await erase.withdraw_comment(service, receipt.id, receipt.edit_token)
    await page.says("g", "/third/")
    second = await threads.change_thread(service, EVERYTHING, new, ThreadChange(merge_into="/third/"))
    assert await drawn(service, OLD) == "g"
    await undo(service, second.action)
    await undo(service, first.action)
    assert [await drawn(service, name) for name in (OLD, NEW, "/third/")] == ["", "", "g"]
    await all_is_well(service)


async def test_after_a_month_threads_stay_as_they_are(service, page, clock):
    await page.fills()
    merged = await merge_into(service, OLD, NEW)
    clock.move(days=31)
    with pytest.raises(Conflict, match="30 days"):
        await undo(service, merged.action)


async def about(service, name):
    thread = (await shown(service, thread=name)).thread
    return thread.url, thread.title, thread.count


async def test_what_is_known_of_a_page_is_lent_to_a_thread_that_knows_nothing_of_its_own(database_url, clock):
    async with a_service(database_url, clock) as service:
        page = Page(service, clock)
        public = await page.says("a", "http://localhost/old-name/", title="The old page")
        await actions.apply_action(service, EVERYTHING, actions.Action(action=ActionVerb.APPROVE, ids=[public.id]))
        waiting = await page.says("b", "http://localhost/new-name/", title="Nobody has checked this")
        merged = await merge_into(service, OLD, NEW)

        assert await about(service, NEW) == ("http://localhost/old-name", "The old page", 1)
        await undo(service, merged.action)
        assert await about(service, OLD) == ("http://localhost/old-name", "The old page", 1)
        assert await about(service, NEW) == (None, None, 0)
        assert (await shown(service, NEW)).thread.key == "/new-name"
        await actions.apply_action(service, EVERYTHING, actions.Action(action=ActionVerb.APPROVE, ids=[waiting.id]))
        assert await about(service, NEW) == ("http://localhost/new-name", "Nobody has checked this", 1)


async def test_what_became_public_while_threads_were_one_stays_public_when_they_are_parted(database_url, clock):
    async with a_service(database_url, clock) as service:
        page = Page(service, clock)
        late = await page.says("a", "http://localhost/old-name/", title="The old page")
        public = await page.says("b", "http://localhost/new-name/", title="The new page")
        await actions.apply_action(service, EVERYTHING, actions.Action(action=ActionVerb.APPROVE, ids=[public.id]))
        merged = await merge_into(service, OLD, NEW)
        await actions.apply_action(service, EVERYTHING, actions.Action(action=ActionVerb.APPROVE, ids=[late.id]))
        await undo(service, merged.action)

        assert await about(service, OLD) == ("http://localhost/old-name", "The old page", 1)
        assert await about(service, NEW) == ("http://localhost/new-name", "The new page", 1)
        await all_is_well(service)


async def test_a_title_given_while_threads_were_one_stays_with_the_one_that_was_named(service, page):
    await page.says("a", "http://localhost/old-name/", title="The old page")
    await page.says("b", NEW)
    merged = await merge_into(service, OLD, NEW)
    change = ThreadChange(title="Both")
    await threads.change_thread(service, EVERYTHING, await id_of(service, NEW), change)
    await undo(service, merged.action)

    assert await about(service, NEW) == (None, "Both", 1)
    assert await about(service, OLD) == ("http://localhost/old-name", "The old page", 1)


async def test_the_earlier_of_two_first_days_is_the_first_day_of_both(service, page, clock):
    async def first_days():
        rows = {row["id"]: row["published_at"] for row in await everything_in(service, "thread")}
        return [rows[await id_of(service, name)] for name in (OLD, NEW)]

    await page.fills()
    early, late = await first_days()
    merged = await merge_into(service, OLD, NEW)
    assert await first_days() == [early, early]
    await undo(service, merged.action)
    assert await first_days() == [early, late]


async def test_what_readers_reported_is_counted_where_it_stands(service, page):
    await page.fills()
    for text in ("a", "b"):
        await reports.report_comment(service, page.receipts[text].id, NewReport(), visit())
    merged = await merge_into(service, OLD, NEW)
    await all_is_well(service)
    await undo(service, merged.action)
    await all_is_well(service)
    assert sorted(row["reported"] for row in await everything_in(service, "thread")) == [1, 1]


async def test_nobody_is_refused_because_threads_are_merged_and_parted_meanwhile(service, page, client, key):
    await page.fills()
    old = await id_of(service, OLD)
    ids = [receipt.id for receipt in page.receipts.values()]

    async def write(number):
        said = draft(comment=f"number {number}", thread=(OLD, NEW)[number % 2])
        return await post.post_comment(service, said, visit())

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
    assert {row["thread_id"] for row in comments} == {await id_of(service, NEW)}
    await all_is_well(service)
    await replays(service)


async def waiting(database):
    """Come back once somebody waits for what another has not kept yet."""

    async def look(tx):
        return await tx.one("SELECT 1 AS one FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")

    while not await database.read_private(look):
        pass


async def meanwhile(service, merging_too, doing):
    """Do something that waits until a merge, or its undoing, is kept: it has looked at how things were before."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx):
        result = await merging_too(tx)
        begun.set()
        await go_on.wait()
        return result

    first = asyncio.ensure_future(write(slowly)(service))
    await begun.wait()
    second = asyncio.ensure_future(doing)
    await waiting(service.db)
    go_on.set()
    return await first, await second


@pytest.fixture
async def on_postgres(postgres_url, clock):
    async with a_service(postgres_url, clock, moderation=Mode.NONE) as service:
        yield Page(service, clock)


async def test_a_writer_who_had_looked_the_old_thread_up_is_led_to_where_it_went_and_back(on_postgres):
    page, service = on_postgres, on_postgres.service
    await page.fills()
    old, new = await id_of(service, OLD), await id_of(service, NEW)

    def merge_it(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    (_, action), receipt = await meanwhile(service, merge_it, page.says("g", OLD, "e"))
    assert receipt.thread == "/new-name"
    assert {row["thread_id"] for row in await everything_in(service, "comment")} == {new}

    def part_it(tx):
        return _start_undo.within(tx, EVERYTHING, action)

    _, receipt = await meanwhile(service, part_it, page.says("h", OLD, "g"))
    assert receipt.thread == "/old-name"
    assert [await drawn(service, name) for name in (OLD, NEW)] == ["a(c(e(g(h))))", "b(d)f"]
    await all_is_well(service)


async def test_whoever_decides_on_what_is_being_moved_waits_for_where_it_goes(on_postgres):
    page, service = on_postgres, on_postgres.service
    await page.fills()
    old = await id_of(service, OLD)
    action = actions.Action(action=ActionVerb.SPAM, ids=[page.receipts[text].id for text in "ae"])

    def merge_it(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    _, done = await meanwhile(service, merge_it, actions.apply_action(service, EVERYTHING, action))
    assert done.changed == 2
    assert (await shown(service, OLD)).thread.count == 4
    await all_is_well(service)


async def test_whoever_holds_a_comments_thread_holds_the_one_it_went_to(on_postgres):
    page, service = on_postgres, on_postgres.service
    await page.fills()
    old, new = await id_of(service, OLD), await id_of(service, NEW)

    async def free(tx):
        rows = await tx.all("SELECT id FROM thread FOR UPDATE SKIP LOCKED")
        return {row["id"] for row in rows}

    async def hold(tx):
        await storage_threads.lock_of_comments(tx, [page.receipts["e"].id])
        return await write(free)(service)

    def merge_it(tx):
        return merge_threads(tx, EVERYTHING, old, NEW)

    _, left = await meanwhile(service, merge_it, write(hold)(service))
    assert new not in left


async def test_two_who_merge_crosswise_at_once_make_one_thread(service, page):
    await page.fills()
    both = await asyncio.gather(merge_into(service, OLD, NEW), merge_into(service, NEW, OLD), return_exceptions=True)

    (refused,) = [one for one in both if isinstance(one, Exception)]
    assert isinstance(refused, NotFound | Invalid | Conflict)
    assert await drawn(service, OLD) == await drawn(service, NEW) == "a(c(e))b(d)f"
    await all_is_well(service)


class Readers(Office):
    """After each thing that people do, everything is counted afresh, and what caches keep is compared."""

    async def _play(self, moves: list[Any]) -> None:
        desk = Desk(self.service, self.clock, self.noa, next(self.numbers))
        await desk.post()
        await desk.post("/second")
        seen: dict[Any, bytes] = {}
        for move in moves:
            await desk.take(*move)
            await all_is_well(self.service)
            for name, view in itertools.product(("", "/second", "/third"), ("tree", "flat")):
                query = ThreadQuery(thread=f"{desk.thread}{name}", view=view, limit=1000)
                part = await read.list_thread(self.service, query, visit())
                body = msgspec.json.encode(part.listing)
                assert seen.setdefault((query, part.tag), body) == body, "a tag stands for the same bytes for ever"
        await replays(self.service)


readers, readers_on_postgres = on_both_engines(Readers)


STEPS = ["write", "decide", "undo", "undo", "undo", "reply", "merge", "merge", "change_mode", "withdraw"]
MOVES = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(0, 9)), min_size=3, max_size=20)
# Shown, merged, answered, parted, merged again, parted once more.
AROUND = [
    ("change_mode", 0, 0), ("write", 0, 0), ("decide", 0, 0), ("merge", 0, 1), ("reply", 2, 1), ("undo", 0, 1),
    ("undo", 0, 3), ("undo", 0, 4),
]  # fmt: skip


@given(moves=MOVES)
@example(moves=AROUND)
@often(60)
def test_however_threads_are_merged_and_parted_every_tree_count_and_tag_is_right(readers, moves):
    readers.play(moves)


@given(moves=MOVES)
@example(moves=AROUND)
@often(15)
def test_the_same_on_postgresql(readers_on_postgres, moves):
    readers_on_postgres.play(moves)
