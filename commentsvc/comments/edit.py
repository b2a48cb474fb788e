"""A writer edits a comment of their own, or takes it back."""

import msgspec

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments import receipts
from commentsvc.comments.reports import REPORTS
from commentsvc.comments.schemas import CommentEdit, Receipt
from commentsvc.domain import comment_text
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Gone, NotAuthor, NotFound, RejectedByRule, Unauthorized
from commentsvc.domain.messages import translatable_plural
from commentsvc.domain.models import ActorKind, Comment, Status, Visit, author_of
from commentsvc.rules import compiled, evaluate
from commentsvc.service import Service, write
from commentsvc.storage import comments, decisions, revisions, threads
from commentsvc.storage.database import PrivateRead, Write


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
        text = await comment_text.render(words.comment)
        return await compiled.with_compiled_rules(
            service, lambda: _edit_comment(service, comment_id, token, text, visit)
        )
    except RejectedByRule:
        await rate_limit.check_rate_limit(service, visit)  # what is refused counts too
        raise


@write
async def _edit_comment(unit: Write, comment_id: str, token: str | None, text: CommentText, visit: Visit) -> Receipt:
    comment = await load_own_comment(unit, comment_id, token)
    thread = await threads.get(unit, comment.thread_id)
    key = thread.key if thread else ""
    if text.text == comment.text:
        return receipts.create_receipt(unit, comment, key, comment.status)
    await rate_limit.check_rate_limit.within(unit, visit)
    now = unit.now()
    new = msgspec.structs.replace(comment, text=text.text, html=text.html, text_digest=text.digest)
    await revisions.add(unit, comment, author_of(comment), now)
    edited = await comments.set_text(unit, comment, new, now)
    if await _may_reevaluate(unit, comment):
        edited = await _reevaluate(unit, edited, visit)
    was, became = comment.status is Status.APPROVED, edited.status is Status.APPROVED
    if was or became:
        await threads.record_change(unit, comment, became - was, now)
    if edited.status is not comment.status:
        await log.add_status_changes(unit, actor=author_of(comment), verb="edit", changes=[(comment, edited)])
    return receipts.create_receipt(unit, edited, key, edited.status)


async def _may_reevaluate(unit: PrivateRead, comment: Comment) -> bool:
    """Whether new words may change where a comment stands: not where a person held or removed it, or readers did."""
    if comment.status in {Status.PENDING, Status.SPAM}:
        latest = await decisions.get_latest(unit, comment.id)
        return latest is None or (latest.actor != REPORTS and latest.actor.kind is not ActorKind.PERSON)
    return comment.status is Status.APPROVED


async def _reevaluate(unit: Write, comment: Comment, visit: Visit) -> Comment:
    judgement = await evaluate.evaluate_edit(unit, comment, visit.address)
    if judgement.refusal:
        raise judgement.refusal
    await evaluate.save_judgement(unit, comment.id, judgement)
    status = judgement.decision.status
    return comment if status is comment.status else await comments.set_status(unit, comment, status, unit.now())


async def load_own_comment(unit: Write, comment_id: str, token: str | None) -> Comment:
    """The comment whose writer holds this token. The token is looked at first: it tells nothing of other comments."""
    if not token:
        raise Unauthorized("Send the comment's edit token: Authorization: Bearer ct_…")
    if unit.keyring.subject("edit", token, unit.clock()) != comment_id:
        raise NotAuthor("This edit token belongs to another comment.")
    await threads.lock_of_comments(unit, [comment_id])
    comment = await comments.get(unit, comment_id)
    if comment is None:
        raise NotFound
    if comment.erased_at:
        raise Gone
    if unit.now() >= receipts.edit_deadline(unit, comment):
        raise NotAuthor(
            translatable_plural(
                "Comments can be edited for %(num)s minute after posting.",
                "Comments can be edited for %(num)s minutes after posting.",
                unit.config.edit_minutes,
            )
        )
    return comment
