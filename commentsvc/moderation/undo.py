"""Undo actions."""

from collections.abc import Mapping, Sequence

from commentsvc.audit import undoable_changes
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.errors import Conflict, NotFound
from commentsvc.domain.models import Comment, Decision, Principal, Status
from commentsvc.moderation import bulk, merge
from commentsvc.moderation.bulk import group_by, mark_skipped
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.service import Service
from commentsvc.storage import actions, comments, reports, revisions, threads
from commentsvc.storage.database import Row, Transaction


async def undo_action(service: Service, who: Principal, action_id: str) -> ActionResult:
    """Take an action back: each comment that still stands as the action left it gets what it had before.

    Undoing is an action too, and can be undone.

    Raises:
        NotFound: there is no such action, or none on this key's sites.
        Conflict: it was undone already, is too old, or erased something.
    """
    return await service.db.write(_undo_action, service, who, action_id)


async def _undo_action(tx: Transaction, service: Service, who: Principal, action_id: str) -> ActionResult:
    action = await actions.get_action(tx, action_id)
    if action is not None and action["subject"]:
        _refuse_late(service, action)
        undoing = merge.undo_merge if merge.is_merge(action) else undoable_changes.undo_change
        return await undoing(tx, service, who, action)
    items = {row["comment_id"]: row for row in await actions.list_items(tx, action_id)}
    action = _require_undoable(service, who, action, list(items.values()))

    passed: set[str] = set()

    async def revert(tx: Transaction, found: Sequence[Comment], undo_id: str) -> dict[str, Comment]:
        after = {comment.id: comment for comment in found}
        standing = [comment for comment in found if comment.version == items[comment.id]["to_version"]]
        passed.update(after.keys() - {comment.id for comment in standing})
        restored = await _restore(tx, service, who, standing, items)
        same = {comment.id for comment in restored if comment.version == items[comment.id]["to_version"]}
        if action["verb"] == "undo":
            for comment in restored:
                await reports.settle(tx, comment, service.now())
        else:
            restored = await reports.reopen(tx, restored, action["created_at"])
        for status, these in group_by(restored, lambda comment: Status(items[comment.id]["from_status"])).items():
            decision = Decision(status, "Undone.", who.name)
            after |= await bulk.record_undo(tx, service, these, decision, undo_id, same=same)
        for before, these in group_by(restored, lambda comment: items[comment.id]["from_before"]).items():
            await comments.set_status_before(tx, [comment.id for comment in these], before)
        return after

    await threads.lock_of_comments(tx, sorted(items))
    result = await bulk.apply_to_comments(tx, service, who, "undo", None, sorted(items), revert)
    if not await actions.mark_undone(tx, action_id, result.id):
        raise Conflict("This was undone already.")
    return mark_skipped(result, passed)


async def undo_last_action(service: Service, who: Principal) -> tuple[str, ActionResult]:
    """Take back the last action of this session that still stands; said again, the one before.

    Returns what it was that was taken back, by its id, and the result.

    Raises:
        NotFound: there is none.
        Conflict: see ``undo``.
    """
    return await service.db.write(_undo_last_action, service, who)


async def _undo_last_action(tx: Transaction, service: Service, who: Principal) -> tuple[str, ActionResult]:
    action_id = await actions.find_last_action(tx, who.session_id) if who.session_id else None
    if action_id is None:
        raise NotFound("Nothing to undo.")
    return action_id, await _undo_action(tx, service, who, action_id)


def _require_undoable(service: Service, who: Principal, action: Row | None, items: Sequence[Row]) -> Row:
    """The action, if this principal may take it back and it can be.

    Raises:
        NotFound, Conflict: see ``undo``.
    """
    if action is None or not all(who.reaches(row["site_id"]) for row in items):
        raise NotFound
    if not items and action["made_by"] != who.name:
        raise NotFound
    if action["verb"] == "erase":
        raise Conflict("Permanently deleted comments cannot be restored.")
    _refuse_late(service, action)
    return action


def _refuse_late(service: Service, action: Row) -> None:
    if action["created_at"] < service.ago(days=bulk.UNDO_DAYS):
        raise Conflict(f"Actions can be undone for {bulk.UNDO_DAYS} days.")


async def _restore(
    tx: Transaction, service: Service, who: Principal, found: Sequence[Comment], items: Mapping[str, Row]
) -> list[Comment]:
    """Give comments the note they had, and the words, if they changed right after."""
    words = await revisions.get_many(tx, [comment.id for comment in found])
    restored = []
    for comment in found:
        item = items[comment.id]
        earlier = words.get((comment.id, item["from_version"]))
        again = await change_text(tx, service, who, comment, earlier["name"], earlier["text"]) if earlier else comment
        restored.append(await change_note(tx, again, item["from_note"]))
    return restored
