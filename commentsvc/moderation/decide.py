"""The effect of an action on comments: give them a status, or undo an earlier action."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Comment, Decision, Status
from commentsvc.domain.reasons import Reason
from commentsvc.moderation.rewrite import change_note, change_text
from commentsvc.spam import memory
from commentsvc.storage import comments, decisions, reports, revisions, threads
from commentsvc.storage.database import Row, Write

T = TypeVar("T")

HIDDEN: Final = frozenset({Status.SPAM, Status.TRASH})

# Changes comments as part of an action (its id is the last argument); returns all of them, changed or not, by id.
Decide = Callable[[Write, Sequence[Comment], str], Coroutine[Any, Any, Mapping[str, Comment]]]


def decide_by_verb(verb: ActionVerb, actor: Actor, note: str | None) -> Decide:
    """Return the function that applies a verb to comments."""

    async def decide(unit: Write, batch: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        after = {comment.id: comment for comment in batch}
        if verb is ActionVerb.RESTORE:  # a comment that is not hidden has nothing to restore
            batch = [comment for comment in batch if comment.status in HIDDEN]
        for status, group in _group_by(batch, lambda comment: _target_status(verb, comment)).items():
            after |= await record_decision(unit, group, Decision(status, actor, note=note), action_id)
        return after

    return decide


def _target_status(verb: ActionVerb, comment: Comment) -> Status:
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
            return comment.status_before or Status.PENDING


def take_back(undone: Row, items: Mapping[str, Row], actor: Actor) -> Decide:
    """Return the function that undoes an action. ``items`` is the action's change of each comment, by id."""

    async def decide(unit: Write, batch: Sequence[Comment], undo_id: str) -> dict[str, Comment]:
        restored = await _restore(unit, actor, batch, items)
        same = {comment.id for comment in restored if comment.version == items[comment.id]["to_version"]}
        if undone["verb"] == "undo":
            for comment in restored:
                await reports.settle(unit, comment, undo_id)
        else:
            restored = await reports.reopen(unit, restored, undone["id"])
        after = {comment.id: comment for comment in restored}
        for status, group in _group_by(restored, lambda comment: Status(items[comment.id]["from_status"])).items():
            decision = Decision(status, actor, Reason("undone"))
            moving = [one for one in group if one.status is not status or one.reports or one.id in same]
            after |= await _decide(unit, moving, decision, undo_id, undoes=undone["id"])
        for before, group in _group_by(restored, lambda comment: items[comment.id]["from_before"]).items():
            await comments.set_status_before(unit, [comment.id for comment in group], before)
        return after

    return decide


async def _restore(unit: Write, actor: Actor, batch: Sequence[Comment], items: Mapping[str, Row]) -> list[Comment]:
    """Restore the note of comments, and the text if the action changed it."""
    earlier_texts = await revisions.get_many(unit, [comment.id for comment in batch])
    restored = []
    for comment in batch:
        item = items[comment.id]
        earlier = earlier_texts.get((comment.id, item["from_version"]))
        after = comment
        if earlier:
            text = CommentText(earlier["text"], earlier["html"], earlier["text_digest"])
            after = await change_text(unit, actor, comment, earlier["name"], text)
        restored.append(await change_note(unit, after, item["from_note"]))
    return restored


async def record_decision(
    unit: Write, batch: Sequence[Comment], decision: Decision, action_id: str
) -> dict[str, Comment]:
    """Give comments a status. A person's decision settles their reports too, and their approval the title of the page.

    A comment that has the status already gets the decision too, unless a person made its latest one; a program does
    not repeat what a program decided.
    """
    after = {comment.id: comment for comment in batch}
    is_person = decision.actor.kind is ActorKind.PERSON
    same = [
        comment.id for comment in batch if comment.status is decision.status and not (is_person and comment.reports)
    ]
    kinds = [ActorKind.PERSON] if is_person else [ActorKind.PERSON, ActorKind.PROGRAM]
    decided = await decisions.list_decided_by(unit, same, kinds)
    after |= await _decide(unit, [one for one in batch if one.id not in decided], decision, action_id)
    for comment in batch:
        if is_person and comment.reports:
            await reports.settle(unit, comment, action_id)
    if is_person and decision.status is Status.APPROVED:
        await threads.take_titles(unit, batch)
    return after


async def _decide(
    unit: Write, batch: Sequence[Comment], decision: Decision, action_id: str, undoes: str | None = None
) -> dict[str, Comment]:
    if not batch:
        return {}
    await decisions.add(unit, [one.id for one in batch], decision, action_id)
    return await save_statuses(unit, batch, decision.status, undoes)


async def save_statuses(
    unit: Write, batch: Sequence[Comment], status: Status, undoes: str | None = None
) -> dict[str, Comment]:
    """Give comments the status of their latest decision, in their threads and in the memory of the filter too."""
    now = unit.now()
    after = await comments.set_statuses(unit, batch, status, now)
    await _update_threads(unit, batch, status, now)
    await memory.remember_decisions(unit, [one.id for one in batch], undoes)
    return dict(after)


async def _update_threads(unit: Write, moved: Sequence[Comment], status: Status, now: str) -> None:
    """Update the threads whose comments became public or were hidden."""
    changed: defaultdict[str, list[Comment]] = defaultdict(list)
    for comment in moved:
        if (comment.status is Status.APPROVED) != (status is Status.APPROVED):
            changed[comment.thread_id].append(comment)
    await threads.record_changes(unit, changed, 1 if status is Status.APPROVED else -1, now)


def _group_by(batch: Sequence[Comment], key: Callable[[Comment], T]) -> dict[T, list[Comment]]:
    groups: dict[T, list[Comment]] = {}
    for comment in batch:
        groups.setdefault(key(comment), []).append(comment)
    return groups
