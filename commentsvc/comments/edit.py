"""Edit a comment as its author."""

from typing import Final

import msgspec

from commentsvc.access import rate_limit
from commentsvc.audit import log
from commentsvc.comments import receipts
from commentsvc.comments.reports import REPORTS
from commentsvc.comments.schemas import CommentEdit, Receipt
from commentsvc.comments.unpublished import is_not_published
from commentsvc.domain import comment_text
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.errors import Gone, NotAuthor, NotFound, Unauthorized
from commentsvc.domain.messages import translatable_plural
from commentsvc.domain.models import ActorKind, Comment, Status, Visit, author_of
from commentsvc.rules import compiled, evaluate
from commentsvc.service import Service, write
from commentsvc.spam import memory
from commentsvc.storage import comments, contacts, decisions, revisions, threads
from commentsvc.storage.database import PrivateRead, Write

STRICTER_THAN_RULES: Final = frozenset({ActorKind.PERSON, ActorKind.HOOK})


async def edit_comment(
    service: Service, comment_id: str, token: str | None, edit: CommentEdit, visit: Visit
) -> Receipt:
    """Change the text of a comment as its author. The rules check it again.

    Raises:
        Unauthorized: the edit token is missing.
        NotAuthor: the edit token belongs to another comment, or the edit window is over.
        NotFound: the comment does not exist.
        Gone: the comment was erased.
        RateLimited: the author's network has sent too much.
        RejectedByRule, ThreadClosed: a rule rejects the new text. The old text stays.
    """
    async with rate_limit.charging_refusals(service, visit):
        text = await comment_text.render(edit.comment)
        return await compiled.with_compiled_rules(
            service, lambda: _edit_comment(service, comment_id, token, text, visit)
        )


@write
async def _edit_comment(unit: Write, comment_id: str, token: str | None, text: CommentText, visit: Visit) -> Receipt:
    comment = await load_own_comment(unit, comment_id, token)
    thread = await threads.get(unit, comment.thread_id)
    key = thread.key if thread else ""
    await rate_limit.check_rate_limit.within(unit, visit)
    if text.text == comment.text:
        return receipts.create_receipt(unit, comment, key, comment.status)
    now = unit.now()
    new = msgspec.structs.replace(comment, text=text.text, html=text.html, text_digest=text.digest)
    await revisions.add(unit, comment, author_of(comment), now)
    edited = await comments.set_text(unit, comment, new, now)
    if await _may_reevaluate(unit, comment):
        edited = await _reevaluate(unit, edited, visit)
    await memory.remember_text(unit, comment.id)  # nobody has decided on the new text
    was_public, is_public = comment.status is Status.APPROVED, edited.status is Status.APPROVED
    if was_public or is_public:
        await threads.record_change(unit, comment, is_public - was_public, now)
    if edited.status is not comment.status:
        await log.add_status_changes(unit, actor=author_of(comment), verb="edit", changes=[(comment, edited)])
    return receipts.create_receipt(unit, edited, key, edited.status)


async def _may_reevaluate(unit: PrivateRead, comment: Comment) -> bool:
    """Return whether rules may change the status of an edited comment.

    They may not if a person or the external check decided to hold or remove it, or if reader reports did.
    """
    if comment.status in {Status.PENDING, Status.SPAM}:
        latest = await decisions.get_latest(unit, comment.id)
        return latest is None or (latest.actor != REPORTS and latest.actor.kind not in STRICTER_THAN_RULES)
    return comment.status is Status.APPROVED


async def _reevaluate(unit: Write, comment: Comment, visit: Visit) -> Comment:
    judgement = await evaluate.evaluate_edit(unit, comment, visit.address)
    if judgement.refusal:
        raise judgement.refusal
    await evaluate.save_judgement(unit, comment, judgement, new=False)
    await contacts.set_spam_scores(unit, {comment.id: judgement.spam_score})
    status = judgement.decision.status
    if status is not comment.status:
        comment = await comments.set_status(unit, comment, status, unit.now())
    return comment


async def load_own_comment(unit: Write, comment_id: str, token: str | None, *, ever: bool = False) -> Comment:
    """Return the comment that an edit token belongs to, within its edit window.

    ``ever``: also later, if its commenter knows that it is not published. The token is checked first, so that it
    reveals nothing about other comments.

    Raises:
        Unauthorized, NotAuthor, NotFound, Gone: see ``edit_comment``.
    """
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
    # A comment of tomorrow was posted while the clock was wrong: it must not stay open for edits until then.
    late = unit.now() >= receipts.edit_deadline(unit, comment) or comment.created_at > unit.ahead(days=1)
    if late and not (ever and await is_not_published(unit, comment)):
        raise NotAuthor(
            translatable_plural(
                "Comments can be changed for %(num)s minute after posting.",
                "Comments can be changed for %(num)s minutes after posting.",
                unit.config.edit_minutes,
            )
        )
    return comment
