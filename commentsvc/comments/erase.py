"""Erase comments."""

from commentsvc.audit import log
from commentsvc.comments.edit import load_own_comment
from commentsvc.domain.models import Comment, Decision, Status
from commentsvc.service import Service
from commentsvc.storage import actions, audit, comments, contacts, decisions, duplicates, threads
from commentsvc.storage.database import Transaction


async def withdraw_comment(service: Service, comment_id: str, token: str | None) -> None:
    """Take one's own comment back. It is erased; where replies hang on it, its place stays.

    Raises:
        Unauthorized, NotYours, NotFound, Gone: see ``edit``.
    """
    await service.db.write(_withdraw_comment, service, comment_id, token)


async def _withdraw_comment(tx: Transaction, service: Service, comment_id: str, token: str | None) -> None:
    comment = await load_own_comment(tx, service, comment_id, token)
    await erase_comment(tx, service, comment, Decision(Status.TRASH, "Its writer withdrew it.", "author"))


async def erase_comment(
    tx: Transaction, service: Service, comment: Comment, decision: Decision, action_id: str | None = None
) -> None:
    """Take away every word of a comment and all that is private of its writer."""
    now = service.now()
    erased = await comments.erase(tx, comment, now)
    if action_id:
        await actions.add_item(tx, action_id, comment, erased)
    await contacts.erase(tx, comment.id)
    await decisions.erase(tx, comment.id)
    await duplicates.release_text(tx, comment.id)
    await decisions.add_decision(tx, service.new_id(), comment.id, decision, now, action_id)
    if comment.status is Status.APPROVED:
        await threads.record_change(tx, comment, -1, now)
    await audit.erase_notes(tx, comment.id)
    who, verb = decision.made_by, "erase" if action_id else "withdraw"
    await log.add_status_changes(tx, service, who=who, verb=verb, changes=[(comment, erased)], action_id=action_id)
