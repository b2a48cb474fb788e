"""Undo actions."""

from collections.abc import Mapping, Sequence

from commentsvc.audit import undoable_changes
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Conflict, NotFound
from commentsvc.domain.models import Comment, Decision, Principal, Status
from commentsvc.moderation import bulk, merge
from commentsvc.moderation.bulk import group_by, mark_skipped
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.service import write
from commentsvc.storage import actions, comments, reports, revisions, threads
from commentsvc.storage.database import Environment, Row, Write


@write
async def undo_action(unit: Write, who: Principal, action_id: str) -> ActionResult:
    """Take an action back: each comment that still stands as the action left it gets what it had before.

    Undoing is an action too, and can be undone.

    Raises:
        NotFound: there is no such action, or none on this key's sites.
        Conflict: it was undone already, is too old, or erased something.
    """
    action = await actions.get_action(unit, action_id)
    if action is not None and action["subject"]:
        _refuse_late(unit, action)
        undoing = merge.undo_merge if merge.is_merge(action) else undoable_changes.undo_change
        return await undoing(unit, who, action)
    items = {row["comment_id"]: row for row in await actions.list_items(unit, action_id)}
    action = _require_undoable(unit, who, action, list(items.values()))

    passed: set[str] = set()

    async def revert(unit: Write, found: Sequence[Comment], undo_id: str) -> dict[str, Comment]:
        after = {comment.id: comment for comment in found}
        standing = [comment for comment in found if comment.version == items[comment.id]["to_version"]]
        passed.update(after.keys() - {comment.id for comment in standing})
        restored = await _restore(unit, who, standing, items)
        same = {comment.id for comment in restored if comment.version == items[comment.id]["to_version"]}
        if action["verb"] == "undo":
            for comment in restored:
                await reports.settle(unit, comment, unit.now())
        else:
            restored = await reports.reopen(unit, restored, action["created_at"])
        for status, these in group_by(restored, lambda comment: Status(items[comment.id]["from_status"])).items():
            decision = Decision(status, "Undone.", who.name)
            after |= await bulk.record_undo(unit, these, decision, undo_id, same=same)
        for before, these in group_by(restored, lambda comment: items[comment.id]["from_before"]).items():
            await comments.set_status_before(unit, [comment.id for comment in these], before)
        return after

    await threads.lock_of_comments(unit, sorted(items))
    result = await bulk.apply_to_comments(unit, who, "undo", None, sorted(items), revert)
    if not await actions.mark_undone(unit, action_id, result.id):
        raise Conflict("This was undone already.")
    return mark_skipped(result, passed)


@write
async def undo_last_action(unit: Write, who: Principal) -> tuple[str, ActionResult]:
    """Take back the last action of this session that still stands; said again, the one before.

    Returns what it was that was taken back, by its id, and the result.

    Raises:
        NotFound: there is none.
        Conflict: see ``undo``.
    """
    action_id = await actions.find_last_action(unit, who.session_id) if who.session_id else None
    if action_id is None:
        raise NotFound("There is nothing to take back.")
    return action_id, await undo_action.within(unit, who, action_id)


def _require_undoable(env: Environment, who: Principal, action: Row | None, items: Sequence[Row]) -> Row:
    """The action, if this principal may take it back and it can be.

    Raises:
        NotFound, Conflict: see ``undo``.
    """
    if action is None or not all(who.reaches(row["site_id"]) for row in items):
        raise NotFound
    if not items and action["made_by"] != who.name:
        raise NotFound
    if action["verb"] == "erase":
        raise Conflict("What was erased for good cannot be brought back.")
    _refuse_late(env, action)
    return action


def _refuse_late(env: Environment, action: Row) -> None:
    if action["created_at"] < env.ago(days=bulk.UNDO_DAYS):
        raise Conflict(f"Actions can be undone for {bulk.UNDO_DAYS} days.")


async def _restore(unit: Write, who: Principal, found: Sequence[Comment], items: Mapping[str, Row]) -> list[Comment]:
    """Give comments the note they had, and the words, if they changed right after."""
    words = await revisions.get_many(unit, [comment.id for comment in found])
    restored = []
    for comment in found:
        item = items[comment.id]
        earlier = words.get((comment.id, item["from_version"]))
        again = comment
        if earlier:
            text = CommentText(earlier["text"], earlier["html"], earlier["text_digest"])
            again = await change_text(unit, who, comment, earlier["name"], text)
        restored.append(await change_note(unit, again, item["from_note"]))
    return restored
