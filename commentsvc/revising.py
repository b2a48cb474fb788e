"""A writer edits a comment of their own, or takes it back."""

import msgspec

from commentsvc import auditing, judging, markup, pacing, posting
from commentsvc.errors import (
    Gone,
    NotFound,
    NotTaken,
    NotYours,
    Unauthorized,
)
from commentsvc.model import Comment, Decision, Status, Visit
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Edit, Receipt
from commentsvc.store import Transaction, actions, audit, comments, contacts, history, repeats, revisions, threads


async def edit(service: Service, comment_id: str, token: str | None, words: Edit, visit: Visit) -> Receipt:
    """Give one's own comment other words. It is judged anew.

    Raises:
        Unauthorized: no edit token came along.
        NotYours: the token is another comment's, or the time for edits is over.
        NotFound, Gone: the comment was erased.
        TooFast: the writer's network has sent too much.
        NotTaken, ThreadClosed: a rule of the site's refuses the new words; the old ones stay.
    """
    try:
        return await service.db.write(_edit, service, comment_id, token, words, visit)
    except NotTaken:
        await service.db.write(pacing.spend, service, visit)  # what is refused counts too
        raise


async def _edit(
    tx: Transaction, service: Service, comment_id: str, token: str | None, words: Edit, visit: Visit
) -> Receipt:
    comment = await _own(tx, service, comment_id, token)
    thread = await threads.get(tx, comment.thread_id)
    key = thread.key if thread else ""
    if words.comment == comment.text:
        return posting.receipt(service, comment, key, comment.status)
    await pacing.spend(tx, service, visit)
    now = service.now()
    new = msgspec.structs.replace(
        comment,
        text=words.comment,
        html=markup.render(words.comment),
        text_digest=text_digest(judging.gist(words.comment)),
    )
    await revisions.add(tx, comment, "author", now)
    edited = await comments.set_text(tx, comment, new, now)
    if await _open(tx, comment):
        edited = await _judged_anew(tx, service, edited, visit)
    was, became = comment.status is Status.APPROVED, edited.status is Status.APPROVED
    if was or became:
        await threads.changed(tx, comment, became - was, now)
    if edited.status is not comment.status:
        await auditing.note_changes(tx, service, who="author", verb="edit", changes=[(comment, edited)])
    return posting.receipt(service, edited, key, edited.status)


async def _open(tx: Transaction, comment: Comment) -> bool:
    """Whether new words may change where a comment stands: not where a person held or removed it, or readers did."""
    if comment.status in {Status.PENDING, Status.SPAM}:
        return not (await history.latest_maker(tx, comment.id)).startswith(("key:", "rule:reports"))
    return comment.status is Status.APPROVED


async def _judged_anew(tx: Transaction, service: Service, comment: Comment, visit: Visit) -> Comment:
    judgement = await judging.judge_again(tx, service, comment, visit.address)
    if judgement.refusal:
        raise judgement.refusal
    await judging.keep(tx, service, comment.id, judgement)
    status = judgement.decision.status
    return comment if status is comment.status else await comments.set_status(tx, comment, status, service.now())


async def withdraw(service: Service, comment_id: str, token: str | None) -> None:
    """Take one's own comment back. It is erased; where replies hang on it, its place stays.

    Raises:
        Unauthorized, NotYours, NotFound, Gone: see ``edit``.
    """
    await service.db.write(_withdraw, service, comment_id, token)


async def _withdraw(tx: Transaction, service: Service, comment_id: str, token: str | None) -> None:
    comment = await _own(tx, service, comment_id, token)
    await erase(tx, service, comment, Decision(Status.TRASH, "Its writer withdrew it.", "author"))


async def erase(
    tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str | None = None
) -> None:
    """Take away every word of a comment and all that is private of its writer."""
    now = service.now()
    erased = await comments.erase(tx, comment, now)
    if action_id:
        await actions.add_item(tx, action_id, comment, erased)
    await contacts.erase(tx, comment.id)
    await history.forget(tx, comment.id)
    await repeats.unsay(tx, comment.id)
    await history.decide(tx, service.new_id(), comment.id, decision, now, action_id)
    if comment.status is Status.APPROVED:
        await threads.changed(tx, comment, -1, now)
    await audit.forget(tx, comment.id)
    who, verb = decision.made_by, "erase" if action_id else "withdraw"
    await auditing.note_changes(tx, service, who=who, verb=verb, changes=[(comment, erased)], action_id=action_id)


async def _own(tx: Transaction, service: Service, comment_id: str, token: str | None) -> Comment:
    """The comment whose writer holds this token. The token is looked at first: it tells nothing of other comments."""
    if not token:
        raise Unauthorized("Send the comment's edit token: Authorization: Bearer ct_…")
    if service.keyring.subject("edit", token, service.clock()) != comment_id:
        raise NotYours("This edit token is not this comment's.")
    await threads.hold(tx, [comment_id])
    comment = await comments.get(tx, comment_id)
    if comment is None:
        raise NotFound
    if comment.erased_at:
        raise Gone
    if service.now() >= posting.edit_until(service, comment):
        raise NotYours(f"Comments can be changed for {service.config.edit_minutes} minutes after they were written.")
    return comment
