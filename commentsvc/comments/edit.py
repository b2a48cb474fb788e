"""A writer edits a comment of their own, or takes it back."""

import msgspec

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments import receipts
from commentsvc.comments.schemas import CommentEdit, Receipt
from commentsvc.domain import markdown, text
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.errors import Gone, NotAuthor, NotFound, RejectedByRule, Unauthorized
from commentsvc.domain.models import Comment, Status, Visit
from commentsvc.rules import evaluate
from commentsvc.service import Service
from commentsvc.storage import comments, decisions, revisions, threads
from commentsvc.storage.database import Transaction


async def edit_comment(
    service: Service, comment_id: str, token: str | None, words: CommentEdit, visit: Visit
) -> Receipt:
    """Give one's own comment other words. It is judged anew.

    Raises:
        Unauthorized: no edit token came along.
        NotYours: the token is another comment's, or the time for edits is over.
        NotFound, Gone: the comment was erased.
        TooFast: the writer's network has sent too much.
        NotTaken, ThreadClosed: a rule of the site's refuses the new words; the old ones stay.
    """
    try:
        return await service.db.write(_edit_comment, service, comment_id, token, words, visit)
    except RejectedByRule:
        await service.db.write(rate_limit.check_rate_limit, service, visit)  # what is refused counts too
        raise


async def _edit_comment(
    tx: Transaction, service: Service, comment_id: str, token: str | None, words: CommentEdit, visit: Visit
) -> Receipt:
    comment = await load_own_comment(tx, service, comment_id, token)
    thread = await threads.get(tx, comment.thread_id)
    key = thread.key if thread else ""
    if words.comment == comment.text:
        return receipts.create_receipt(service, comment, key, comment.status)
    await rate_limit.check_rate_limit(tx, service, visit)
    now = service.now()
    new = msgspec.structs.replace(
        comment,
        text=words.comment,
        html=markdown.render(words.comment),
        text_digest=text_digest(text.collapse_whitespace(words.comment)),
    )
    await revisions.add(tx, comment, "author", now)
    edited = await comments.set_text(tx, comment, new, now)
    if await _may_reevaluate(tx, comment):
        edited = await _reevaluate(tx, service, edited, visit)
    was, became = comment.status is Status.APPROVED, edited.status is Status.APPROVED
    if was or became:
        await threads.record_change(tx, comment, became - was, now)
    if edited.status is not comment.status:
        await log.add_status_changes(tx, service, who="author", verb="edit", changes=[(comment, edited)])
    return receipts.create_receipt(service, edited, key, edited.status)


async def _may_reevaluate(tx: Transaction, comment: Comment) -> bool:
    """Whether new words may change where a comment stands: not where a person held or removed it, or readers did."""
    if comment.status in {Status.PENDING, Status.SPAM}:
        return not (await decisions.get_latest_actor(tx, comment.id)).startswith(("key:", "rule:reports"))
    return comment.status is Status.APPROVED


async def _reevaluate(tx: Transaction, service: Service, comment: Comment, visit: Visit) -> Comment:
    judgement = await evaluate.evaluate_edit(tx, service, comment, visit.address)
    if judgement.refusal:
        raise judgement.refusal
    await evaluate.save_judgement(tx, service, comment.id, judgement)
    status = judgement.decision.status
    return comment if status is comment.status else await comments.set_status(tx, comment, status, service.now())


async def load_own_comment(tx: Transaction, service: Service, comment_id: str, token: str | None) -> Comment:
    """The comment whose writer holds this token. The token is looked at first: it tells nothing of other comments."""
    if not token:
        raise Unauthorized("Send the comment's edit token: Authorization: Bearer ct_…")
    if service.keyring.subject("edit", token, service.clock()) != comment_id:
        raise NotAuthor("This edit token is not this comment's.")
    await threads.lock_of_comments(tx, [comment_id])
    comment = await comments.get(tx, comment_id)
    if comment is None:
        raise NotFound
    if comment.erased_at:
        raise Gone
    if service.now() >= receipts.edit_deadline(service, comment):
        raise NotAuthor(f"Comments can be changed for {service.config.edit_minutes} minutes after they were written.")
    return comment
