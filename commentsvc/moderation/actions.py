"""Decide on comments: many at once, or one with changes to its text or note."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from msgspec import UNSET

from commentsvc.access import permissions
from commentsvc.audit.schemas import ActionResult
from commentsvc.domain import comment_text, validation
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Conflict, ExpectationFailed, FieldError, Invalid, VersionConflict, VersionRequired
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import ActionVerb, Comment, Decision, Principal
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.decide import decide_by_verb, record_decision
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.moderation.wording import describe_mismatch
from commentsvc.service import Service, search_read, write
from commentsvc.storage import threads
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.queue import list_ids, list_versions

MAX_COMMENTS: Final = 5000
ANY_VERSION: Final = range(1, 2**63)


@dataclass(frozen=True)
class Step:
    """A part of the comments that match a filter, in the order of their ids."""

    where: PrivateCommentFilter
    expect: int  # how many matched when somebody looked; ``MAX_COMMENTS`` + 1 stands for any larger number
    after: str | None = None  # the last comment of the step before


async def apply_action(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments. The id in the result undoes the decision on all of them.

    Raises:
        Invalid: neither or both of ``ids`` and ``where`` are given, or a filter is not valid.
        ExpectationFailed: the number of matching comments is not the expected one.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(FieldError("ids", "required", "Send either ids, or where and expect."))
    if action.where is None:
        seen = action.seen or {}
        targets = {id_: seen.get(id_) for id_ in action.ids or []}
        return await bulk.finish(service, await _start(service, who, action, targets))
    if action.expect is None:
        raise Invalid(FieldError("expect", "required", "Send the number of comments that you expect to match."))
    where = _parse_filter(service, action.where)
    matching = await _list_matching(service, who, where, action.expect)
    return await bulk.finish(service, await _start(service, who, action, matching))


def _parse_filter(env: Environment, where: Mapping[str, Any]) -> PrivateCommentFilter:
    parsed = validation.validate(PrivateCommentFilter, where, env.config.limits)
    if parsed == PrivateCommentFilter(status=parsed.status):
        raise Invalid(FieldError("where", "required", "Send at least one condition besides status."))
    return parsed


async def count_matching(service: Service, who: Principal, where: Mapping[str, Any]) -> int:
    """Return the number of matching comments, up to ``MAX_COMMENTS`` + 1.

    Raises:
        Invalid: a filter is not valid.
        Unavailable: the search took too long.
    """
    return await count_step(service, who, _parse_filter(service, where))


@search_read
async def count_step(unit: PrivateRead, who: Principal, where: PrivateCommentFilter, after: str | None = None) -> int:
    """Return the number of matching comments after an id, up to ``MAX_COMMENTS`` + 1.

    Raises:
        Invalid: a filter names something unknown.
        Unavailable: the search took too long.
    """
    search = await queue.build_search(unit, who, where)
    return len(await list_ids(unit, search, MAX_COMMENTS + 1, after))


async def apply_step(service: Service, who: Principal, verb: ActionVerb, step: Step) -> tuple[ActionResult, str | None]:
    """Decide on the first ``MAX_COMMENTS`` comments of a step: one action, with its own undo.

    Return its result, and the comment after which the next step begins; None after the last step.

    Raises:
        ExpectationFailed: another number matches, up to ``MAX_COMMENTS`` + 1.
    """
    matching = await _list_matching(service, who, step.where, step.expect, step.after)
    first = dict(islice(matching.items(), MAX_COMMENTS))
    result = await bulk.finish(service, await _start(service, who, Action(action=verb), first))
    return result, next(reversed(first)) if len(matching) > MAX_COMMENTS else None


@search_read
async def _list_matching(
    unit: PrivateRead, who: Principal, where: PrivateCommentFilter, expect: int, after: str | None = None
) -> dict[str, int | None]:
    """Return the matching comments with their versions. Comments that change after this will be skipped."""
    matching = await list_versions(unit, await queue.build_search(unit, who, where), MAX_COMMENTS + 1, after)
    if len(matching) != expect:
        raise ExpectationFailed(describe_mismatch(len(matching), MAX_COMMENTS, expect))
    return matching


@write
async def _start(unit: Write, who: Principal, action: Action, targets: Mapping[str, int | None]) -> StartedAction:
    decide = decide_by_verb(action.action, who.actor, action.note)
    return await bulk.start(unit, who, action.action, action.note, targets, decide)


async def update_comment(
    service: Service, who: Principal, comment_id: str, seen: int | Container[int] | None, change: CommentUpdate
) -> ActionResult:
    """Change the status, text, name or note of a comment, if its current version is ``seen``, or one of them.

    Raises:
        VersionRequired: ``seen`` is missing.
        VersionConflict: the comment was changed since.
        NotFound: no comment has this id, or it is on another site.
        Conflict: the comment was erased.
    """
    if seen is None:
        raise VersionRequired('Send the version that you saw, for example If-Match: "3".')
    text = await comment_text.render(change.comment) if change.comment else None
    return await _update_comment(service, who, comment_id, (seen,) if isinstance(seen, int) else seen, change, text)


@write
async def _update_comment(
    unit: Write,
    who: Principal,
    comment_id: str,
    seen: Container[int],
    change: CommentUpdate,
    text: CommentText | None,
) -> ActionResult:
    await threads.lock_of_comments(unit, [comment_id])
    current = await permissions.load_comment(unit, who, comment_id)
    if current.erased_at:
        raise Conflict(translatable("This comment was permanently deleted."))
    if current.version not in seen:
        raise VersionConflict(
            translatable_format(
                "The comment is now at version %(version)s. Read it again, then decide.", version=current.version
            )
        )

    async def apply_change(unit: Write, batch: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        (comment,) = batch
        same_text = CommentText(comment.text, comment.html, comment.text_digest)
        after = await change_text(unit, who.actor, comment, change.name or comment.name, text or same_text)
        after = await change_note(unit, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return {after.id: after}
        decision = Decision(change.status, who.actor, note=change.note or None)
        return await record_decision(unit, [after], decision, action_id)

    started = await bulk.start(unit, who, "amend", change.note or None, {current.id: current.version}, apply_change)
    return bulk.action_result(unit, started.id, started.verb, started.items)
