"""Change the text or note of a comment."""

import msgspec

from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.initials import find_hue
from commentsvc.domain.models import Actor, Comment, Status
from commentsvc.spam import memory
from commentsvc.storage import comments, contacts, revisions, threads
from commentsvc.storage.database import Write


async def change_text(unit: Write, actor: Actor, comment: Comment, name: str, text: CommentText) -> Comment:
    """Change the name and text of a comment. The old ones are kept as a revision."""
    if (name, text.text) == (comment.name, comment.text):
        return comment
    now = unit.now()
    await revisions.add(unit, comment, actor, now)
    hue = find_hue(comment.site_id, comment.author_id, name)
    new = msgspec.structs.replace(comment, name=name, hue=hue, text=text.text, html=text.html, text_digest=text.digest)
    after = await comments.set_text(unit, comment, new, now)
    if name != comment.name:
        await contacts.set_name_key(unit, comment.id, skeleton(name))
    if comment.status is Status.APPROVED:
        await threads.record_change(unit, comment, 0, now)
    await memory.remember_text(unit, comment.id)
    return after


async def change_note(unit: Write, comment: Comment, note: str | None) -> Comment:
    """Set the note of a comment, unless it is the same."""
    return comment if note == comment.note else await comments.set_note(unit, comment, note)
