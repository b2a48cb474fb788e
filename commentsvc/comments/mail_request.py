"""Ask for mail about replies together with a comment."""

from collections.abc import Mapping
from typing import Any, Final

from commentsvc.comments.schemas import NewComment
from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.errors import FieldError
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Comment
from commentsvc.storage import events
from commentsvc.storage.database import Environment, Write

NO_MAIL: Final = "This service sends no mail: its operator has not set COMMENTSVC_SMTP_URL."
NO_ADDRESS: Final = FieldError("email", "required", translatable("Enter your email address to get mail."))


def find_faults(env: Environment, values: Mapping[str, Any]) -> list[FieldError]:
    """Return the errors of a comment that asks for mail: the service sends no mail, or the address is missing."""
    if not values.get("subscribe"):
        return []
    if not env.config.smtp_url:
        return [FieldError("subscribe", "mail_not_configured", f"{NO_MAIL} Leave this field out.")]
    return [NO_ADDRESS] if values.get("email", ...) is None else []


async def request_mail(unit: Write, draft: NewComment, comment: Comment, language: str) -> None:
    """Add the event of a comment that asks for mail.

    The same is written whether the address is known, confirmed or suppressed: only the worker reads what is known.
    """
    if draft.subscribe and draft.email:
        await events.add(
            unit,
            EventKind.SUBSCRIPTION_REQUESTED,
            site_id=comment.site_id,
            thread_id=comment.thread_id,
            comment_id=comment.id,
            detail={"scope": draft.subscribe, "language": language, "author_id": comment.author_id},
            email=draft.email,
        )
