"""A moderator decides, amends, undoes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from commentsvc import auditing, forms, inspecting, judging, markup, recording
from commentsvc.errors import Conflict, ExpectationFailed, Fault, Invalid, NotFound, VersionNeeded, VersionPassed
from commentsvc.model import Comment, Decision, Principal, Status, Verb
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Action, ActionItem, ActionResult, Amendment, Where
from commentsvc.store import Row, Transaction, comments, history, queue, reports, threads

UNDO_DAYS: Final = 30
MOST_AT_ONCE: Final = 5000


async def act(service: Service, who: Principal, action: Action) -> ActionResult:
    """Decide on many comments in one go; undone whole by the id of the result.

    Raises:
        Invalid: neither or both of ``ids`` and ``where``, or a condition that cannot be read.
        ExpectationFailed: another number of comments matches than was expected.
    """
    if (action.ids is None) == (action.where is None):
        raise Invalid(Fault("ids", "required", "Name the comments either by ids or by where and expect."))
    if action.where is None:
        return await service.db.write(_act, service, who, action, action.ids)
    if action.expect is None:
        raise Invalid(Fault("expect", "required", "Say how many comments you expect to match."))
    where = forms.read(Where, action.where, service.config.limits)
    if where == Where(status=where.status):
        raise Invalid(Fault("where", "required", "Name at least one condition beside the status."))
    return await service.db.write(_act_where, service, who, action, where)


async def _act_where(tx: Transaction, service: Service, who: Principal, action: Action, where: Where) -> ActionResult:
    conditions = await inspecting.conditions(tx, service, who, where)
    await threads.hold(tx, await queue.matching(tx, conditions, MOST_AT_ONCE + 1))
    matching = await queue.matching(tx, conditions, MOST_AT_ONCE + 1)
    if len(matching) != action.expect:
        found = f"more than {MOST_AT_ONCE:,}" if len(matching) > MOST_AT_ONCE else f"{len(matching):,}"
        raise ExpectationFailed(f"{found} match now, not {action.expect:,}. Look again, then send the new number.")
    return await _act(tx, service, who, action, matching)


async def _act(
    tx: Transaction, service: Service, who: Principal, action: Action, ids: Sequence[str] | None
) -> ActionResult:
    decide = _decider(service, who, action)
    return await _together(tx, service, who, action.action, action.note, list(dict.fromkeys(ids or [])), decide)


Decide = Callable[[Transaction, Comment, str], Coroutine[Any, Any, Comment]]


def _decider(service: Service, who: Principal, action: Action) -> Decide:
    async def decide(tx: Transaction, comment: Comment, action_id: str) -> Comment:
        wanted = _wanted(action.action, comment)
        if action.action is Verb.RESTORE and wanted is comment.status:
            return comment  # there is nothing to restore
        return await _look(tx, service, comment, Decision(wanted, action.note or "", who.name), action_id)

    return decide


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
            hidden = comment.status in {Status.SPAM, Status.TRASH}
            return (comment.status_before or Status.PENDING) if hidden else comment.status


async def _together(
    tx: Transaction,
    service: Service,
    who: Principal,
    verb: str,
    note: str | None,
    ids: Sequence[str],
    decide: Decide,
) -> ActionResult:
    """Do one thing to each comment and keep it as one action. What cannot be done is named, not fatal."""
    await threads.hold(tx, ids)
    action_id, now = service.new_id(), service.now()
    await history.act(tx, action_id, verb, who.name, note, now)
    results, changes = [], []
    for comment_id in ids:
        comment = await comments.get(tx, comment_id)
        if comment is None or not who.reaches(comment.site_id):
            results.append(ActionItem(comment=comment_id, ok=False, code="not_found"))
        elif comment.erased_at:
            results.append(ActionItem(comment=comment_id, ok=False, code="erased"))
        else:
            after = await decide(tx, comment, action_id)
            if after.version != comment.version:
                await history.add_item(tx, action_id, comment, after)
                changes.append((comment, after))
            results.append(_item(comment, after))
    await auditing.note_changes(tx, service, who=who.name, verb=verb, changes=changes, action_id=action_id, why=note)
    return _result(service, action_id, verb, results)


def _item(before: Comment, after: Comment) -> ActionItem:
    return ActionItem(
        comment=before.id,
        from_=before.status,
        to=after.status,
        ok=True,
        code=None if after.version != before.version else "unchanged",
    )


def _result(service: Service, action_id: str, verb: str, results: list[ActionItem]) -> ActionResult:
    return ActionResult(
        id=action_id,
        action=verb,
        changed=sum(item.ok and item.code is None for item in results),
        undo_until=service.ahead(days=UNDO_DAYS),
        results=results,
    )


async def _look(tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str) -> Comment:
    """Decide on a comment; whatever readers reported of it is settled by that.

    The status it has already is given again if no person had given it: now somebody has looked.
    """
    stands = comment.status is decision.status and not comment.reports and await _by_person(tx, comment)
    after = comment if stands else await _give(tx, service, comment, decision, action_id)
    await reports.settle(tx, comment, service.now())
    return after


async def _move(tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str) -> Comment:
    """Give a comment the status decided, if it has another, or if readers asked whether it should."""
    if comment.status is decision.status and not comment.reports:
        return comment
    return await _give(tx, service, comment, decision, action_id)


async def _give(tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str) -> Comment:
    now = service.now()
    after = await comments.set_status(tx, comment, decision.status, now)
    await history.decide(tx, service.new_id(), comment.id, decision, now, action_id)
    was, became = comment.status is Status.APPROVED, after.status is Status.APPROVED
    if was != became:
        await threads.changed(tx, comment, became - was, now)
    return after


async def _by_person(tx: Transaction, comment: Comment) -> bool:
    return (await history.latest_maker(tx, comment.id)).startswith("key:")


async def undo(service: Service, who: Principal, action_id: str) -> ActionResult:
    """Take an action back: each comment that still stands as the action left it gets what it had before.

    Undoing is an action too, and can be undone.

    Raises:
        NotFound: there is no such action, or none on this key's sites.
        Conflict: it was undone already, is too old, or erased something.
    """
    return await service.db.write(_undo, service, who, action_id)


async def _undo(tx: Transaction, service: Service, who: Principal, action_id: str) -> ActionResult:
    action = await history.action(tx, action_id)
    if action is not None and action["subject"]:
        _refuse_late(service, action)
        return await recording.undo(tx, service, who, action)
    items = {row["comment_id"]: row for row in await history.items(tx, action_id)}
    if action is None or (items and not all(who.reaches(row["site_id"]) for row in items.values())):
        raise NotFound
    if not items and action["made_by"] != who.name:
        raise NotFound
    if action["verb"] == "erase":
        raise Conflict("What was erased for good cannot be brought back.")
    _refuse_late(service, action)

    passed: set[str] = set()

    async def revert(tx: Transaction, comment: Comment, undo_id: str) -> Comment:
        item = items[comment.id]
        if comment.version != item["to_version"]:
            passed.add(comment.id)
            return comment
        restored = await _reword(tx, service, who, comment, item["from_version"])
        restored = await _renote(tx, restored, item["from_note"])
        if action["verb"] == "undo":
            await reports.settle(tx, restored, service.now())
        else:
            restored = await reports.reopen(tx, restored, action["created_at"])
        decision = Decision(Status(item["from_status"]), "Undone.", who.name)
        moved = await _move(tx, service, restored, decision, undo_id)
        await comments.remember(tx, comment.id, item["from_before"])
        return moved

    result = await _together(tx, service, who, "undo", None, sorted(items), revert)
    if not await history.mark_undone(tx, action_id, result.id):
        raise Conflict("This was undone already.")
    named = [
        msgspec.structs.replace(item, ok=False, code="changed_since") if item.comment in passed else item
        for item in result.results
    ]
    return msgspec.structs.replace(result, results=named)


def _refuse_late(service: Service, action: Row) -> None:
    if action["created_at"] < service.ago(days=UNDO_DAYS):
        raise Conflict(f"Actions can be undone for {UNDO_DAYS} days.")


async def _reword(tx: Transaction, service: Service, who: Principal, comment: Comment, version: int) -> Comment:
    """Give a comment the words it had at a version, if they changed right after it."""
    earlier = await history.revision(tx, comment.id, version)
    if earlier is None:
        return comment
    return await _rewrite(tx, service, who, comment, earlier["name"], earlier["text"])


async def _rewrite(
    tx: Transaction, service: Service, who: Principal, comment: Comment, name: str, text: str
) -> Comment:
    """Give a comment other words; the old ones stay as a revision."""
    if (name, text) == (comment.name, comment.text):
        return comment
    now = service.now()
    await history.revise(tx, comment, who.name, now)
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

    async def change_it(tx: Transaction, comment: Comment, action_id: str) -> Comment:
        after = await _rewrite(tx, service, who, comment, change.name or comment.name, change.comment or comment.text)
        after = await _renote(tx, after, after.note if change.note is UNSET else change.note)
        if change.status is None:
            return after
        return await _look(tx, service, after, Decision(change.status, change.note or "", who.name), action_id)

    return await _together(tx, service, who, "amend", change.note or None, [present.id], change_it)


async def _renote(tx: Transaction, comment: Comment, note: str | None) -> Comment:
    """Give a comment another note, if it has another."""
    return comment if note == comment.note else await comments.set_note(tx, comment, note)
