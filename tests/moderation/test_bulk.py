"""A large action is done in pieces, continues after a crash, and is undone as a whole."""

import asyncio
import itertools

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import Conflict, Unavailable
from commentsvc.domain.models import ActionVerb, Status, StatusFilter
from commentsvc.moderation import bulk
from commentsvc.moderation.actions import apply_action, update_comment
from commentsvc.moderation.queue import search_comments
from commentsvc.moderation.schemas import Action, CommentUpdate, QueueQuery
from commentsvc.moderation.undo import undo_action
from commentsvc.operations import maintenance
from tests.comments.test_post import everything_in, standing
from tests.conftest import EVERYTHING, draft, post, visit


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(bulk, "PIECE_SIZE", 3)


async def post_many(service, number):
    return [await post(service, f"Comment {one}.") for one in range(number)]


def approve(ids=None, expect=None, **more):
    if ids is None:
        return Action(
            action=ActionVerb.APPROVE, where={"status": "pending", "since": "2020-01-01T00:00:00Z"}, expect=expect
        )
    return Action(action=ActionVerb.APPROVE, ids=ids, **more)


async def states(service):
    return [row["state"] for row in await everything_in(service, "action")]


async def test_a_large_action_is_one_action_and_reports_every_comment_in_order(service, small_pieces):
    ids = await post_many(service, 8)

    result = await apply_action(service, EVERYTHING, approve(ids))

    assert [item.comment for item in result.results] == ids
    assert result.changed == 8
    assert set((await standing(service)).values()) == {"approved"}
    assert await states(service) == ["done"]
    assert await everything_in(service, "action_target") == []


async def test_a_large_action_with_a_filter_changes_all_matching_comments(service, small_pieces):
    await post_many(service, 7)

    result = await apply_action(service, EVERYTHING, approve(expect=7))

    assert result.changed == 7


async def test_a_large_action_is_undone_as_a_whole(service, small_pieces):
    ids = await post_many(service, 8)
    done = await apply_action(service, EVERYTHING, approve(ids))

    undone = await undo_action(service, EVERYTHING, done.id)

    assert undone.changed == 8
    assert set((await standing(service)).values()) == {"pending"}
    with pytest.raises(Conflict):
        await undo_action(service, EVERYTHING, done.id)
    redone = await undo_action(service, EVERYTHING, undone.id)
    assert redone.changed == 8
    assert set((await standing(service)).values()) == {"approved"}


async def test_an_unknown_comment_in_a_large_action_is_reported_as_not_found(service, small_pieces):
    ids = await post_many(service, 5)

    result = await apply_action(service, EVERYTHING, approve([*ids, "0" * 36]))

    assert {item.comment: item.code for item in result.results}["0" * 36] == "not_found"
    assert result.changed == 5


async def test_a_comment_changed_between_two_pieces_is_skipped_and_reported(service, small_pieces, monkeypatch):
    ids = await post_many(service, 7)
    work, calls = bulk._work_on_next_piece, itertools.count()

    async def with_a_change(service, action_id):
        if next(calls) == 1:
            await update_comment(service, EVERYTHING, ids[-1], 1, CommentUpdate(status=Status.SPAM))
        return await work(service, action_id)

    monkeypatch.setattr(bulk, "_work_on_next_piece", with_a_change)

    result = await apply_action(service, EVERYTHING, approve(ids))

    assert [item.code for item in result.results] == [None] * 6 + ["changed_since"]
    assert (await standing(service))["Comment 6."] == "spam"


async def test_an_interrupted_action_continues_after_a_restart(service, small_pieces, monkeypatch):
    ids = await post_many(service, 8)
    work, calls = bulk._work_on_next_piece, itertools.count()

    async def killed(service, action_id):
        if next(calls) == 1:
            raise Unavailable("The machine is gone.")
        return await work(service, action_id)

    with monkeypatch.context() as patch:
        patch.setattr(bulk, "_work_on_next_piece", killed)
        with pytest.raises(Unavailable):
            await apply_action(service, EVERYTHING, approve(ids))
    assert await states(service) == ["running"]
    (action,) = await everything_in(service, "action")
    with pytest.raises(Conflict, match="still running"):
        await undo_action(service, EVERYTHING, action["id"])

    done = asyncio.Event()
    monkeypatch.setattr(maintenance, "delete_expired", lambda _service: done.set() or asyncio.sleep(0))
    task = asyncio.create_task(maintenance.run_forever(service))
    await asyncio.wait_for(done.wait(), 20)
    task.cancel()

    assert set((await standing(service)).values()) == {"approved"}
    assert (await undo_action(service, EVERYTHING, action["id"])).changed == 8


async def test_servers_that_resume_the_same_action_change_each_comment_once(service, small_pieces, monkeypatch):
    ids = await post_many(service, 9)

    async def killed(_service, _action_id):
        raise Unavailable("The machine is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(bulk, "_work_on_next_piece", killed)
        with pytest.raises(Unavailable):
            await apply_action(service, EVERYTHING, approve(ids))

    await asyncio.gather(*(bulk.resume(service, service.now()) for _ in range(3)))

    items = await everything_in(service, "action_item")
    assert sorted(item["comment_id"] for item in items) == sorted(ids)
    assert {item["to_version"] for item in items} == {2}
    assert await states(service) == ["done"]


async def test_the_audit_log_lists_every_comment_of_a_large_action_under_one_id(service, small_pieces):
    ids = await post_many(service, 8)
    done = await apply_action(service, EVERYTHING, approve(ids))

    entries = [row for row in await everything_in(service, "audit") if row["verb"] == "approve"]

    assert len(entries) == 3
    assert all(done.id in entry["body"] for entry in entries)
    assert all(sum(one in entry["body"] for entry in entries) == 1 for one in ids)


async def test_a_reader_can_comment_between_two_pieces_of_a_large_action(service, small_pieces, monkeypatch):
    ids = await post_many(service, 7)
    work, approved = bulk._work_on_next_piece, []

    async def after_a_comment(service, action_id):
        await post_comment(service, draft(comment=f"In between, {len(approved)}."), visit())
        approved.append(list((await standing(service)).values()).count("approved"))
        return await work(service, action_id)

    monkeypatch.setattr(bulk, "_work_on_next_piece", after_a_comment)

    assert (await apply_action(service, EVERYTHING, approve(ids))).changed == len(ids)
    assert approved == [0, 3, 6, 7]


async def test_the_queue_shows_the_actor_of_a_large_action(service, small_pieces):
    ids = await post_many(service, 5)
    await apply_action(service, EVERYTHING, approve(ids, note="All of them are fine."))

    page = await search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.APPROVED))

    assert {(card.reasons[0].actor.name, card.reasons[0].text) for card in page.comments} == {
        ("ada", "All of them are fine.")
    }
