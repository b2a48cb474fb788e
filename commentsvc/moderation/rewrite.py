"""Change the text or note of a comment."""

import msgspec

from commentsvc.domain import markdown
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.models import Comment, Principal, Status
from commentsvc.domain.text import collapse_whitespace
from commentsvc.service import Service
from commentsvc.storage import comments, revisions, threads
from commentsvc.storage.database import Transaction


async def change_text(
    tx: Transaction, service: Service, who: Principal, comment: Comment, name: str, text: str
) -> Comment:
    """Give a comment other words; the old ones stay as a revision."""
    if (name, text) == (comment.name, comment.text):
        return comment
    now = service.now()
    await revisions.add(tx, comment, who.name, now)
    words = msgspec.structs.replace(
        comment,
        name=name,
        text=text,
        html=markdown.render(text),
        text_digest=text_digest(collapse_whitespace(text)),
    )
    after = await comments.set_text(tx, comment, words, now)
    if comment.status is Status.APPROVED:
        await threads.record_change(tx, comment, 0, now)
    return after


async def change_note(tx: Transaction, comment: Comment, note: str | None) -> Comment:
    """Give a comment another note, if it has another."""
    return comment if note == comment.note else await comments.set_note(tx, comment, note)
