"""A moderator decides, amends, undoes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from commentsvc import deciding, forms, inspecting, judging, markup, merging, recording
from commentsvc.errors import Conflict, ExpectationFailed, Fault, Invalid, NotFound, VersionNeeded, VersionPassed
from commentsvc.model import Comment, Decision, Principal, Status, Verb
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Action, ActionResult, Amendment, Where
from commentsvc.store import Row, Transaction, actions, comments, queue, reports, revisions, threads

T = TypeVar("T")

MOST_AT_ONCE: Final = 5000
HIDDEN: Final = frozenset({Status.SPAM, Status.TRASH})


async def act(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments in one go; undone whole by the id of the result.

    Raises:
        Invalid: neither or both of ``ids`` and ``where``, or a condition that cannot be read.
        ExpectationFailed: another number of comments matches than was expected.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(Fault("ids", "required", "Name the comments either by ids or by where and expect."))
    if action.where is None:
        return await service.db.write(_act_ids, service, who, action, list(dict.fromkeys(action.ids or [])))
    if action.expect is None:
        raise Invalid(Fault("expect", "required", "Say how many comments you expect to match."))
    return await service.db.write(_act_where, service, who, action, _conditions(service, action.where))


def _conditions(service: Service, where: Mapping[str, Any]) -> Where:
    read = forms.read(Where, where, service.config.limits)
    if read == Where(status=read.status):
        raise Invalid(Fault("where", "required", "Name at least one condition beside the status."))
    return read


async def count(service: Service, who: Principal, where: Mapping[str, Any]) -> int:
    """How many comments match at this moment; one more than can be decided at once stands for more.

    Raises:
        Invalid: a condition that cannot be read.
    """
    return await service.db.read_private(_count, service, who, _conditions(service, where))


async def _count(tx: Transaction, service: Service, who: Principal, where: Where) -> int:
    conditions = await inspecting.conditions(tx, service, who, where)
    return len(await queue.matching(tx, conditions, MOST_AT_ONCE + 1))


async def _act_ids(
    tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str]
) -> ActionResult:
    await threads.hold(tx, ids)
    return await _act(tx, service, who, action, ids)


async def _act_where(tx: Transaction, service: Service, who: Principal, action: Action, where: Where) -> ActionResult:
    conditions = await inspecting.conditions(tx, service, who, where)
    await threads.hold(tx, await queue.matching(tx, conditions, MOST_AT_ONCE + 1))
    matching = await queue.matching(tx, conditions, MOST_AT_ONCE + 1)
    if len(matching) != action.expect:
        found = f"more than {MOST_AT_ONCE:,}" if len(matching) > MOST_AT_ONCE else f"{len(matching):,}"
        raise ExpectationFailed(f"{found} match now, not {action.expect:,}. Look again, then send the new number.")
    return await _act(tx, service, who, action, matching)


async def _act(tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str]) -> ActionResult:
    seen, passed = action.seen or {}, set[str]()

    async def decide(tx: Transaction, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        after = {comment.id: comment for comment in found}
        passed.update(comment.id for comment in found if seen.get(comment.id, comment.version) != comment.version)
        found = [comment for comment in found if comment.id not in passed]
        if action.action is Verb.RESTORE:  # of what is not hidden there is nothing to restore
            found = [comment for comment in found if comment.status in HIDDEN]
        for status, these in _by(found, lambda comment: _wanted(action.action, comment)).items():
            decision = Decision(status, action.note or "", who.name)
            after |= await deciding.look(tx, service, these, decision, action_id)
        return after

    result = await deciding.together(tx, service, who, action.action, action.note, ids, decide)
    return _left(result, passed)


def _left(result: ActionResult, passed: Collection[str]) -> ActionResult:
    """The result, with those named that somebody had changed meanwhile."""
    named = [
        msgspec.structs.replace(item, ok=False, code="changed_since") if item.comment in passed else item
        for item in result.results
    ]
    return msgspec.structs.replace(result, results=named)


def _by(found: Sequence[Comment], key: Callable[[Comment], T]) -> dict[T, list[Comment]]:
    """Comments apart by what is said of each."""
    parts: dict[T, list[Comment]] = {}
    for comment in found:
        parts.setdefault(key(comment), []).append(comment)
    return parts


def _wanted(verb: Verb, comment: Comment) -> Status:
    """The status a verb leads to. ``restore`` takes back spam and trash."""
    match verb:
        case Verb.APPROVE:
            return Status.APPROVED
        case Verb.HOLD:
            return Status.PENDING
        case Verb.SPAM:
            return Status.SPAM
        case Verb.TRASH:
            return Status.TRASH
        case Verb.RESTORE:
            hidden = comment.status in HIDDEN
            return (comment.status_before or Status.PENDING) if hidden else comment.status


async def undo(service: Service, who: Principal, action_id: str) -> ActionResult:
    """Take an action back: each comment that still stands as the action left it gets what it had before.

    Undoing is an action too, and can be undone.

    Raises:
        NotFound: there is no such action, or none on this key's sites.
        Conflict: it was undone already, is too old, or erased something.
    """
    return await service.db.write(_undo, service, who, action_id)


async def _undo(tx: Transaction, service: Service, who: Principal, action_id: str) -> ActionResult:
    action = await actions.action(tx, action_id)
    if action is not None and action["subject"]:
        _refuse_late(service, action)
        undoing = merging.undo if merging.did(action) else recording.undo
        return await undoing(tx, service, who, action)
    items = {row["comment_id"]: row for row in await actions.items(tx, action_id)}
    action = _undoable(service, who, action, list(items.values()))

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
            restored = await reports.reopen_together(tx, restored, action["created_at"])
        for status, these in _by(restored, lambda comment: Status(items[comment.id]["from_status"])).items():
            decision = Decision(status, "Undone.", who.name)
            after |= await deciding.put_back(tx, service, these, decision, undo_id, same=same)
        for before, these in _by(restored, lambda comment: items[comment.id]["from_before"]).items():
            await comments.remember(tx, [comment.id for comment in these], before)
        return after

    await threads.hold(tx, sorted(items))
    result = await deciding.together(tx, service, who, "undo", None, sorted(items), revert)
    if not await actions.mark_undone(tx, action_id, result.id):
        raise Conflict("This was undone already.")
    return _left(result, passed)


async def undo_last(service: Service, who: Principal) -> tuple[str, ActionResult]:
    """Take back the last action of this session that still stands; said again, the one before.

    Returns what it was that was taken back, by its id, and the result.

    Raises:
        NotFound: there is none.
        Conflict: see ``undo``.
    """
    return await service.db.write(_undo_last, service, who)


async def _undo_last(tx: Transaction, service: Service, who: Principal) -> tuple[str, ActionResult]:
    action_id = await actions.last_action(tx, who.session_id) if who.session_id else None
    if action_id is None:
        raise NotFound("There is nothing to take back.")
    return action_id, await _undo(tx, service, who, action_id)


def _undoable(service: Service, who: Principal, action: Row | None, items: Sequence[Row]) -> Row:
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
    _refuse_late(service, action)
    return action


def _refuse_late(service: Service, action: Row) -> None:
    if action["created_at"] < service.ago(days=deciding.UNDO_DAYS):
        raise Conflict(f"Actions can be undone for {deciding.UNDO_DAYS} days.")


async def _restore(
    tx: Transaction, service: Service, who: Principal, found: Sequence[Comment], items: Mapping[str, Row]
) -> list[Comment]:
    """Give comments the note they had, and the words, if they changed right after."""
    words = await revisions.several(tx, [comment.id for comment in found])
    restored = []
    for comment in found:
        item = items[comment.id]
        earlier = words.get((comment.id, item["from_version"]))
        again = await _rewrite(tx, service, who, comment, earlier["name"], earlier["text"]) if earlier else comment
        restored.append(await _renote(tx, again, item["from_note"]))
    return restored


async def _rewrite(
    tx: Transaction, service: Service, who: Principal, comment: Comment, name: str, text: str
) -> Comment:
    """Give a comment other words; the old ones stay as a revision."""
    if (name, text) == (comment.name, comment.text):
        return comment
    now = service.now()
    await revisions.add(tx, comment, who.name, now)
    words = msgspec.structs.replace(
        comment,
        name=name,
        text=text,
        html=markup.render(text),
        text_digest=text_digest(judging.gist(text)),
    )
    after = await comments.set_text(tx, comment, words, now)
    if comment.status is Status.APPROVED:
        await threads.changed(tx, comment, 0, now)
    return after


async def amend(service: Service, who: Principal, comment_id: str, seen: int | None, change: Amendment) -> ActionResult:
    """Change one comment's status, words or note, if nobody did since the version that was ``seen``.

    Raises:
        VersionNeeded: it was not said which version was seen.
        VersionPassed: somebody decided meanwhile.
        NotFound: there is no such comment on this key's sites.
        Conflict: it was erased.
    """
    if seen is None:
        raise VersionNeeded('Send the comment\'s version: If-Match: "3"')
    return await service.db.write(_amend, service, who, comment_id, seen, change)


async def _amend(
    tx: Transaction, service: Service, who: Principal, comment_id: str, seen: int, change: Amendment
) -> ActionResult:
    await threads.hold(tx, [comment_id])
    present = await inspecting.reachable(tx, who, comment_id)
    if present.erased_at:
        raise Conflict("This comment was erased.")
    if present.version != seen:
        raise VersionPassed(f"The comment is at version {present.version} now. Look at it again, then decide.")

    async def change_it(tx: Transaction, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        (comment,) = found
        after = await _rewrite(tx, service, who, comment, change.name or comment.name, change.comment or comment.text)
        after = await _renote(tx, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return {after.id: after}
        decision = Decision(change.status, change.note or "", who.name)
        return await deciding.look(tx, service, [after], decision, action_id)

    return await deciding.together(tx, service, who, "amend", change.note or None, [present.id], change_it)


async def _renote(tx: Transaction, comment: Comment, note: str | None) -> Comment:
    """Give a comment another note, if it has another."""
    return comment if note == comment.note else await comments.set_note(tx, comment, note)
