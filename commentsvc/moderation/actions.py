"""A moderator decides, amends, undoes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, ExpectationFailed, Fault, Invalid, VersionNeeded, VersionPassed
from commentsvc.domain.models import Comment, Decision, Principal, Status, Verb
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.bulk import by, left
from commentsvc.moderation.rewrite import renote, rewrite
from commentsvc.moderation.schemas import Action, Amendment, Where
from commentsvc.service import Service
from commentsvc.storage import queue as storage_queue
from commentsvc.storage import threads
from commentsvc.storage.database import Transaction

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
    read = validation.read(Where, where, service.config.limits)
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
    conditions = await queue.conditions(tx, service, who, where)
    return len(await storage_queue.matching(tx, conditions, MOST_AT_ONCE + 1))


async def _act_ids(
    tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str]
) -> ActionResult:
    await threads.hold(tx, ids)
    return await _act(tx, service, who, action, ids)


async def _act_where(tx: Transaction, service: Service, who: Principal, action: Action, where: Where) -> ActionResult:
    conditions = await queue.conditions(tx, service, who, where)
    await threads.hold(tx, await storage_queue.matching(tx, conditions, MOST_AT_ONCE + 1))
    matching = await storage_queue.matching(tx, conditions, MOST_AT_ONCE + 1)
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
        for status, these in by(found, lambda comment: _wanted(action.action, comment)).items():
            decision = Decision(status, action.note or "", who.name)
            after |= await bulk.look(tx, service, these, decision, action_id)
        return after

    result = await bulk.together(tx, service, who, action.action, action.note, ids, decide)
    return left(result, passed)


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
    present = await permissions.reachable(tx, who, comment_id)
    if present.erased_at:
        raise Conflict("This comment was erased.")
    if present.version != seen:
        raise VersionPassed(f"The comment is at version {present.version} now. Look at it again, then decide.")

    async def change_it(tx: Transaction, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        (comment,) = found
        after = await rewrite(tx, service, who, comment, change.name or comment.name, change.comment or comment.text)
        after = await renote(tx, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return {after.id: after}
        decision = Decision(change.status, change.note or "", who.name)
        return await bulk.look(tx, service, [after], decision, action_id)

    return await bulk.together(tx, service, who, "amend", change.note or None, [present.id], change_it)
