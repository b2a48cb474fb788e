"""A moderator decides, amends, undoes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain import comment_text, validation
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Conflict, ExpectationFailed, FieldError, Invalid, VersionConflict, VersionRequired
from commentsvc.domain.models import Comment, Decision, Principal
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import decide_by_verb, record_decision
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.service import Service, private_read, write
from commentsvc.storage import queue as storage_queue
from commentsvc.storage import threads
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.storage.database import Environment, PrivateRead, Write

MAX_COMMENTS: Final = 5000


async def apply_action(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments in one go; undone whole by the id of the result.

    Raises:
        Invalid: neither or both of ``ids`` and ``where``, or a condition that cannot be read.
        ExpectationFailed: another number of comments matches than was expected.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(FieldError("ids", "required", "Send either ids, or where and expect."))
    if action.where is None:
        return await bulk.finish(service, await _start_with_ids(service, who, action))
    if action.expect is None:
        raise Invalid(FieldError("expect", "required", "Send the number of comments that you expect to match."))
    where = _conditions(service, action.where)
    return await bulk.finish(service, await _start_with_filter(service, who, action, where))


def _conditions(env: Environment, where: Mapping[str, Any]) -> PrivateCommentFilter:
    read = validation.validate(PrivateCommentFilter, where, env.config.limits)
    if read == PrivateCommentFilter(status=read.status):
        raise Invalid(FieldError("where", "required", "Send at least one condition besides status."))
    return read


async def count_matching(service: Service, who: Principal, where: Mapping[str, Any]) -> int:
    """How many comments match at this moment; one more than can be decided at once stands for more.

    Raises:
        Invalid: a condition that cannot be read.
    """
    return await _count_matching(service, who, _conditions(service, where))


@private_read
async def _count_matching(unit: PrivateRead, who: Principal, where: PrivateCommentFilter) -> int:
    conditions = await queue.build_search(unit, who, where)
    return len(await storage_queue.list_ids(unit, conditions, MAX_COMMENTS + 1))


@write
async def _start_with_ids(unit: Write, who: Principal, action: Action) -> StartedAction:
    seen = action.seen or {}
    return await _start(unit, who, action, {id_: seen.get(id_) for id_ in action.ids or []})


@write
async def _start_with_filter(unit: Write, who: Principal, action: Action, where: PrivateCommentFilter) -> StartedAction:
    conditions = await queue.build_search(unit, who, where)
    matching = await storage_queue.list_versions(unit, conditions, MAX_COMMENTS + 1)
    if len(matching) != action.expect:
        found = f"more than {MAX_COMMENTS:,}" if len(matching) > MAX_COMMENTS else f"{len(matching):,}"
        raise ExpectationFailed(f"{found} match now, not {action.expect:,}. Check them, then send the new number.")
    return await _start(unit, who, action, matching)


async def _start(unit: Write, who: Principal, action: Action, targets: Mapping[str, int | None]) -> StartedAction:
    decide = decide_by_verb(action.action, who.actor, action.note)
    return await bulk.start(unit, who, action.action, action.note, targets, decide)


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
    text = await comment_text.render(change.comment) if change.comment else None
    return await _update_comment(service, who, comment_id, seen, change, text)


@write
async def _update_comment(
    unit: Write, who: Principal, comment_id: str, seen: int, change: CommentUpdate, text: CommentText | None
) -> ActionResult:
    await threads.lock_of_comments(unit, [comment_id])
    present = await permissions.load_comment(unit, who, comment_id)
    if present.erased_at:
        raise Conflict("This comment was permanently deleted.")
    if present.version != seen:
        raise VersionConflict(f"The comment is now at version {present.version}. Read it again, then decide.")

    async def change_it(unit: Write, found: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        (comment,) = found
        present = CommentText(comment.text, comment.html, comment.text_digest)
        after = await change_text(unit, who.actor, comment, change.name or comment.name, text or present)
        after = await change_note(unit, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return {after.id: after}
        decision = Decision(change.status, who.actor, note=change.note or None)
        return await record_decision(unit, [after], decision, action_id)

    started = await bulk.start(unit, who, "amend", change.note or None, {present.id: seen}, change_it)
    return bulk.action_result(unit, started.id, started.verb, started.items)
