"""A decision falls on many comments at once, and is kept as one action."""

from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from commentsvc.audit import log
from commentsvc.audit.schemas import ActionItem, ActionResult
from commentsvc.domain.models import Comment, Decision, Principal, Status
from commentsvc.storage import actions, comments, decisions, reports, threads
from commentsvc.storage.database import Environment, Write

UNDO_DAYS: Final = 30
PIECE_SIZE: Final = 500  # in one statement

# Does one thing to comments, as part of an action; returns those it was handed, as they are now, by id.
Decide = Callable[[Write, Sequence[Comment], str], Coroutine[Any, Any, Mapping[str, Comment]]]


async def apply_to_comments(
    unit: Write,
    who: Principal,
    verb: str,
    note: str | None,
    ids: Sequence[str],
    decide: Decide,
) -> ActionResult:
    """Do one thing to comments and keep it as one action. What cannot be done is named, not fatal.

    Their threads must be held.
    """
    action_id, now = unit.new_id(), unit.now()
    await actions.add_action(unit, action_id, verb, who, note, now)
    results: list[ActionItem] = []
    changes: list[tuple[Comment, Comment]] = []
    for some in _pieces(ids):
        found = await comments.get_many(unit, some)
        known = {one.id: one for one in found.values() if who.reaches(one.site_id)}
        after = await decide(unit, [known[one] for one in some if one in known and not known[one].erased_at], action_id)
        changed = [(known[one], after[one]) for one in after if after[one].version != known[one].version]
        if changed:
            await actions.add_items(unit, action_id, changed)
        changes += changed
        results += [_item(one, known.get(one), after.get(one)) for one in some]
    await log.add_status_changes(unit, who=who.name, verb=verb, changes=changes, action_id=action_id, why=note)
    return _result(unit, action_id, verb, results)


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PIECE_SIZE] for start in range(0, len(ids), PIECE_SIZE))


def _item(comment_id: str, before: Comment | None, after: Comment | None) -> ActionItem:
    if before is None:
        return ActionItem(comment=comment_id, ok=False, code="not_found")
    if after is None:
        return ActionItem(comment=comment_id, ok=False, code="erased")
    code: Any = None if after.version != before.version else "unchanged"
    return ActionItem(comment=comment_id, from_=before.status, to=after.status, ok=True, code=code)


def _result(env: Environment, action_id: str, verb: str, results: list[ActionItem]) -> ActionResult:
    return ActionResult(
        id=action_id,
        action=verb,
        changed=sum(item.ok and item.code is None for item in results),
        undo_until=env.ahead(days=UNDO_DAYS),
        results=results,
    )


async def record_decision(
    unit: Write, found: Sequence[Comment], decision: Decision, action_id: str
) -> dict[str, Comment]:
    """Decide on comments; whatever readers reported of them is settled by that.

    The status one has already is given again if no person had given it: now somebody has looked.
    """
    after = {comment.id: comment for comment in found}
    same = [comment.id for comment in found if comment.status is decision.status and not comment.reports]
    stand = await decisions.list_decided_by_person(unit, same)
    after |= await _decide(unit, [one for one in found if one.id not in stand], decision, action_id)
    for comment in found:
        if comment.reports:
            await reports.settle(unit, comment, unit.now())
    return after


async def record_undo(
    unit: Write, found: Sequence[Comment], decision: Decision, action_id: str, *, same: set[str]
) -> dict[str, Comment]:
    """Give comments the status they had. Those in ``same`` are otherwise as they were: undoing them shows too."""
    after = {comment.id: comment for comment in found}
    moving = [one for one in found if one.status is not decision.status or one.reports or one.id in same]
    return after | await _decide(unit, moving, decision, action_id)


async def _decide(unit: Write, found: Sequence[Comment], decision: Decision, action_id: str) -> dict[str, Comment]:
    if not found:
        return {}
    now = unit.now()
    after = await comments.set_statuses(unit, found, decision.status, now)
    await decisions.add_decisions(unit, {unit.new_id(): one.id for one in found}, decision, now, action_id)
    await _update_visibility(unit, found, decision.status, now)
    return dict(after)


async def _update_visibility(unit: Write, moved: Sequence[Comment], status: Status, now: str) -> None:
    """Let threads follow where comments came into sight, or went out of it."""
    turned: defaultdict[str, list[Comment]] = defaultdict(list)
    for comment in moved:
        if (comment.status is Status.APPROVED) != (status is Status.APPROVED):
            turned[comment.thread_id].append(comment)
    await threads.record_changes(unit, turned, 1 if status is Status.APPROVED else -1, now)


T = TypeVar("T")


def mark_skipped(result: ActionResult, passed: Collection[str]) -> ActionResult:
    """The result, with those named that somebody had changed meanwhile."""
    named = [
        msgspec.structs.replace(item, ok=False, code="changed_since") if item.comment in passed else item
        for item in result.results
    ]
    return msgspec.structs.replace(result, results=named)


def group_by(found: Sequence[Comment], key: Callable[[Comment], T]) -> dict[T, list[Comment]]:
    """Comments apart by what is said of each."""
    parts: dict[T, list[Comment]] = {}
    for comment in found:
        parts.setdefault(key(comment), []).append(comment)
    return parts
