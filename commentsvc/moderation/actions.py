"""A moderator decides, amends, undoes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, ExpectationFailed, FieldError, Invalid, VersionConflict, VersionRequired
from commentsvc.domain.models import ActionVerb, Comment, Decision, Principal, Status
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.bulk import group_by, mark_skipped
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.moderation.schemas import Action, CommentUpdate, Where
from commentsvc.service import Service
from commentsvc.storage import queue as storage_queue
from commentsvc.storage import threads
from commentsvc.storage.database import Transaction

MAX_COMMENTS: Final = 5000
HIDDEN: Final = frozenset({Status.SPAM, Status.TRASH})


async def apply_action(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments in one go; undone whole by the id of the result.

    Raises:
        Invalid: neither or both of ``ids`` and ``where``, or a condition that cannot be read.
        ExpectationFailed: another number of comments matches than was expected.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(FieldError("ids", "required", "Send either ids, or where and expect."))
    if action.where is None:
        return await service.db.write(_act_ids, service, who, action, list(dict.fromkeys(action.ids or [])))
    if action.expect is None:
        raise Invalid(FieldError("expect", "required", "Send the number of comments that you expect to match."))
    return await service.db.write(_act_where, service, who, action, _conditions(service, action.where))


def _conditions(service: Service, where: Mapping[str, Any]) -> Where:
    read = validation.validate(Where, where, service.config.limits)
    if read == Where(status=read.status):
        raise Invalid(FieldError("where", "required", "Send at least one condition besides status."))
    return read


async def count_matching(service: Service, who: Principal, where: Mapping[str, Any]) -> int:
    """How many comments match at this moment; one more than can be decided at once stands for more.

    Raises:
        Invalid: a condition that cannot be read.
    """
    return await service.db.read_private(_count_matching, service, who, _conditions(service, where))


async def _count_matching(tx: Transaction, service: Service, who: Principal, where: Where) -> int:
    conditions = await queue.build_search(tx, service, who, where)
    return len(await storage_queue.list_ids(tx, conditions, MAX_COMMENTS + 1))


async def _act_ids(
    tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str]
) -> ActionResult:
    await threads.lock_of_comments(tx, ids)
    return await _act(tx, service, who, action, ids)


async def _act_where(tx: Transaction, service: Service, who: Principal, action: Action, where: Where) -> ActionResult:
    conditions = await queue.build_search(tx, service, who, where)
    await threads.lock_of_comments(tx, await storage_queue.list_ids(tx, conditions, MAX_COMMENTS + 1))
    matching = await storage_queue.list_ids(tx, conditions, MAX_COMMENTS + 1)
    if len(matching) != action.expect:
        found = f"more than {MAX_COMMENTS:,}" if len(matching) > MAX_COMMENTS else f"{len(matching):,}"
        raise ExpectationFailed(f"{found} match now, not {action.expect:,}. Check them, then send the new number.")
    return await _act(tx, service, who, action, matching)


async def _act(tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str]) -> ActionResult:
    seen, passed = action.seen or {}, set[str]()

    async def decide(tx: Transaction, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        after = {comment.id: comment for comment in found}
        passed.update(comment.id for comment in found if seen.get(comment.id, comment.version) != comment.version)
        found = [comment for comment in found if comment.id not in passed]
        if action.action is ActionVerb.RESTORE:  # of what is not hidden there is nothing to restore
            found = [comment for comment in found if comment.status in HIDDEN]
        for status, these in group_by(found, lambda comment: _target_status(action.action, comment)).items():
            decision = Decision(status, action.note or "", who.name)
            after |= await bulk.record_decision(tx, service, these, decision, action_id)
        return after

    result = await bulk.apply_to_comments(tx, service, who, action.action, action.note, ids, decide)
    return mark_skipped(result, passed)


def _target_status(verb: ActionVerb, comment: Comment) -> Status:
    """The status a verb leads to. ``restore`` takes back spam and trash."""
    match verb:
        case ActionVerb.APPROVE:
            return Status.APPROVED
        case ActionVerb.HOLD:
            return Status.PENDING
        case ActionVerb.SPAM:
            return Status.SPAM
        case ActionVerb.TRASH:
            return Status.TRASH
        case ActionVerb.RESTORE:
            hidden = comment.status in HIDDEN
            return (comment.status_before or Status.PENDING) if hidden else comment.status


async def update_comment(
    service: Service, who: Principal, comment_id: str, seen: int | None, change: CommentUpdate
) -> ActionResult:
    """Change one comment's status, words or note, if nobody did since the version that was ``seen``.

    Raises:
        VersionNeeded: it was not said which version was seen.
        VersionPassed: somebody decided meanwhile.
        NotFound: there is no such comment on this key's sites.
        Conflict: it was erased.
    """
    if seen is None:
        raise VersionRequired('Send the version that you saw, for example If-Match: "3".')
    return await service.db.write(_update_comment, service, who, comment_id, seen, change)


async def _update_comment(
    tx: Transaction, service: Service, who: Principal, comment_id: str, seen: int, change: CommentUpdate
) -> ActionResult:
    await threads.lock_of_comments(tx, [comment_id])
    present = await permissions.load_comment(tx, who, comment_id)
    if present.erased_at:
        raise Conflict("This comment was permanently deleted.")
    if present.version != seen:
        raise VersionConflict(f"The comment is now at version {present.version}. Read it again, then decide.")

    async def change_it(tx: Transaction, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        (comment,) = found
        after = await change_text(
            tx, service, who, comment, change.name or comment.name, change.comment or comment.text
        )
        after = await change_note(tx, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return {after.id: after}
        decision = Decision(change.status, change.note or "", who.name)
        return await bulk.record_decision(tx, service, [after], decision, action_id)

    return await bulk.apply_to_comments(tx, service, who, "amend", change.note or None, [present.id], change_it)
