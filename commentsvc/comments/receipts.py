"""The response to the author of a comment."""

from datetime import timedelta

from commentsvc.comments.schemas import Receipt
from commentsvc.domain.models import Comment, Status
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.storage.database import Environment


def edit_deadline(env: Environment, comment: Comment) -> str:
    """Return the end of the time in which the author may edit or delete a comment."""
    return format_time(parse_time(comment.created_at) + timedelta(minutes=env.config.edit_minutes))


def create_receipt(env: Environment, comment: Comment, thread_key: str, status: Status) -> Receipt:
    """Return the response to the author. A comment that is not approved is always reported as pending."""
    return Receipt(
        id=comment.id,
        thread=thread_key,
        parent=comment.parent_id,
        in_reply_to=comment.answered_id or comment.parent_id,
        status="approved" if status is Status.APPROVED else "pending",
        name=comment.name,
        hue=comment.hue,
        website=comment.website,
        html=comment.html,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        edit_token=env.keyring.token("edit", comment.id),
        edit_until=edit_deadline(env, comment),
        author_token=env.keyring.token("author", comment.author_id, site_id=comment.site_id),
    )
