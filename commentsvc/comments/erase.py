"""Erase comments."""

from collections.abc import Sequence

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.comments.edit import load_own_comment
from commentsvc.domain.models import Comment, Decision, Status, author_of
from commentsvc.domain.reasons import Reason
from commentsvc.service import Service, write
from commentsvc.spam import memory
from commentsvc.storage import actions, audit, comments, contacts, decisions, empty_threads, hook_verdicts, threads
from commentsvc.storage.database import Write


async def withdraw_comment(service: Service, comment_id: str, token: str | None) -> None:
    """Delete a comment as its author. It is erased; if it has replies, its place in the tree stays.

    This is possible within the edit window, and again when its author knows that it is not published.

    Raises:
        Unauthorized, NotAuthor, NotFound, Gone: see ``edit.load_own_comment``.
    """
    await _withdraw_comment(service, comment_id, token)
    await note_erasures(service, "comment", [comment_id])


@write
async def _withdraw_comment(unit: Write, comment_id: str, token: str | None) -> None:
    comment = await load_own_comment(unit, comment_id, token, ever=True)
    await erase_comment(unit, comment, Decision(Status.TRASH, author_of(comment), Reason("withdrawn")))


@write
async def withdraw_of_address(unit: Write, digests: Sequence[str], comment_ids: Sequence[str]) -> list[str]:
    """Delete those of these comments that give an email address, for its owner; return their ids.

    This is possible at any time. ``digests``: of the address, ``keyring.digests(email)``. The caller notes the erasure.
    """
    await threads.lock_of_comments(unit, comment_ids)
    given = await contacts.get_many(unit, comment_ids)
    found = await comments.get_many(unit, [id_ for id_, contact in given.items() if contact.email_digest in digests])
    for comment in found.values():
        await erase_comment(unit, comment, Decision(Status.TRASH, author_of(comment), Reason("withdrawn")))
    return sorted(found)


async def erase_comment(
    unit: Write, comment: Comment, decision: Decision, action_id: str | None = None, verb: str = "withdraw"
) -> None:
    """Erase a comment, and log it. The caller has locked its thread."""
    erased = await erase_content(unit, comment, decision, action_id)
    await log.add_status_changes(
        unit, actor=decision.actor, verb=verb, changes=[(comment, erased)], action_id=action_id
    )


async def erase_content(
    unit: Write, comment: Comment, decision: Decision, action_id: str | None = None, *, is_kept: bool = False
) -> Comment:
    """Erase the content of a comment and the private data of its author, and return it.

    The caller has locked its thread, and logs the change last. ``is_kept``: memory keeps what it needs of the comment
    (``memory.keep_memory``); otherwise it forgets it.
    """
    now = unit.now()
    erased = await comments.erase(unit, comment, now)
    if action_id:
        await actions.add_item(unit, action_id, comment, erased)
    await contacts.delete_many(unit, [comment.id])
    await decisions.erase(unit, comment.id)
    await decisions.add(unit, [comment.id], decision, action_id)
    if not is_kept:
        await memory.forget_comments(unit, [comment.id])
    await hook_verdicts.delete_of_comments(unit, [comment.id])
    if comment.status is Status.APPROVED:
        await threads.record_change(unit, comment, -1, now)
    await audit.erase_notes(unit, [comment.id])
    await empty_threads.forget_page(unit, comment.thread_id)
    return erased
