"""Undo actions."""

from collections.abc import Mapping, Sequence

from commentsvc.audit import undoable_changes
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain.errors import Conflict, NotFound
from commentsvc.domain.messages import translatable, translatable_plural
from commentsvc.domain.models import Principal
from commentsvc.moderation import bulk, merge
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import Decide, take_back
from commentsvc.service import Service, private_read, write
from commentsvc.storage import actions, threads
from commentsvc.storage.actors import actor_of
from commentsvc.storage.database import Environment, PrivateRead, Row, Write


async def undo_action(service: Service, who: Principal, action_id: str) -> ActionResult:
    """Undo an action: restore each comment to its state before the action.

    Comments that were changed since are skipped, and named in the result. An undo is an action too, and can be undone.
    The id may also be that of several changes of threads or rules, which are then undone one by one.

    Raises:
        NotFound: no action has this id, or it is on another site.
        Conflict: the action was already undone, is still running, is too old, or erased something.
    """
    parts = await _list_parts(service, who, action_id)
    if parts:
        return await _undo_parts(service, who, parts)
    return await _finish(service, await _start_undo(service, who, action_id))


@private_read
async def _list_parts(unit: PrivateRead, who: Principal, whole: str) -> list[str]:
    """Return the changes of threads or rules that are parts of a whole, latest first.

    Raises:
        NotFound: one of them is on another site. Then none is undone.
    """
    parts = await actions.list_parts(unit, whole)
    if await undoable_changes.hides_subjects(unit, who, [row["subject"] for row in parts]):
        raise NotFound
    return [row["id"] for row in parts]


async def _undo_parts(service: Service, who: Principal, parts: Sequence[str]) -> ActionResult:
    whole, skipped = service.new_id(), []
    for part in parts:
        try:
            await _undo_part(service, who, part, whole)
        except (Conflict, NotFound):  # changed since, or the thread is gone
            skipped.append(await _subject_of(service, part))
    if len(skipped) == len(parts):
        raise Conflict(translatable("It was changed since. Reload it and try again."))
    until, changed = service.ahead(days=bulk.UNDO_DAYS), len(parts) - len(skipped)
    return ActionResult(id=whole, action="undo", changed=changed, undo_until=until, results=[], skipped=skipped)


@write
async def _undo_part(unit: Write, who: Principal, part: str, whole: str) -> None:
    undone = await _start_undo.within(unit, who, part)
    await actions.set_part_of(unit, undone.id, whole)


@private_read
async def _subject_of(unit: PrivateRead, action_id: str) -> str:
    action = await actions.get_action(unit, action_id)
    return action["subject"].partition(":")[2] if action else ""


async def undo_last_action(service: Service, who: Principal) -> tuple[str, ActionResult]:
    """Undo the latest action of this session that is not undone yet; return its id and the result.

    Raises:
        NotFound: the session has no such action.
        Conflict: see ``undo_action``.
    """
    action_id, started = await _start_undo_last(service, who)
    return action_id, await _finish(service, started)


async def _finish(service: Service, started: StartedAction | ActionResult) -> ActionResult:
    return started if isinstance(started, ActionResult) else await bulk.finish(service, started)


@write
async def _start_undo_last(unit: Write, who: Principal) -> tuple[str, StartedAction | ActionResult]:
    action_id = await actions.find_last_action(unit, who.session_id) if who.session_id else None
    if action_id is None:
        raise NotFound(translatable("There is nothing to undo."))
    return action_id, await _start_undo.within(unit, who, action_id)


@write
async def _start_undo(unit: Write, who: Principal, action_id: str) -> StartedAction | ActionResult:
    action = await actions.get_action(unit, action_id)
    if action is not None and action["subject"]:
        _require_kept(unit, action)
        if merge.is_merge(action):
            return await merge.undo_merge(unit, who, action)
    items = {row["comment_id"]: row for row in await actions.list_items(unit, action_id)}
    if action is not None and action["subject"] and not items:
        return await undoable_changes.undo_change(unit, who, action)
    action = _require_undoable(unit, who, action, list(items.values()))
    targets = {id_: items[id_]["to_version"] for id_ in sorted(items)}
    decide = take_back(action, items, who.actor)
    if action["subject"] and not await undoable_changes.is_removed(unit, action):
        return await _undo_both(unit, who, action, targets, decide)
    started = await bulk.start(unit, who, "undo", None, targets, decide)
    if not await actions.mark_undone(unit, action_id, started.id):
        raise Conflict(translatable("This action was already undone."))
    return started


async def _undo_both(
    unit: Write, who: Principal, action: Row, targets: Mapping[str, int | None], decide: Decide
) -> StartedAction:
    """Undo a ban: remove its rule, and restore the comments that it marked as spam. Or redo it."""
    if len(targets) <= bulk.PIECE_SIZE:  # before the rule, as a ban does: see ``lock_of_comments``
        await threads.lock_of_comments(unit, sorted(targets))
    frozen, missing = await bulk.freeze(unit, who, targets)
    undone = await undoable_changes.undo_change(unit, who, action)
    return await bulk.extend(
        unit, who, bulk.Piece(undone.id, "undo", who.actor, None, targets), decide, frozen, missing
    )


def _require_undoable(env: Environment, who: Principal, action: Row | None, items: Sequence[Row]) -> Row:
    """Return the action, if this principal may undo it.

    Raises:
        NotFound, Conflict: see ``undo_action``.
    """
    if action is None or not all(who.reaches(row["site_id"]) for row in items):
        raise NotFound
    if not items and actor_of(action) != who.actor:
        raise NotFound
    if action["state"] == "running":
        raise Conflict(translatable("This action is still running. Try again in a moment."))
    if action["verb"] == "erase":
        raise Conflict(translatable("Permanently deleted comments cannot be restored."))
    _require_kept(env, action)
    return action


def _require_kept(env: Environment, action: Row) -> None:
    if action["subject"] and action["was"] is None and action["became"] is None:
        raise Conflict(translatable("This can no longer be undone: what it changed was erased."))
    if action["created_at"] < env.ago(days=bulk.UNDO_DAYS):
        raise Conflict(
            translatable_plural(
                "Actions can be undone for %(num)s day.", "Actions can be undone for %(num)s days.", bulk.UNDO_DAYS
            )
        )
