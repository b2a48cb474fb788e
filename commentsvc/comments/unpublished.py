"""Comments that a person put in the trash, as their commenters see them."""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.models import ActorKind, Comment, Status
from commentsvc.service import private_read
from commentsvc.storage import comments, decisions
from commentsvc.storage.database import PrivateRead

DAYS_UNTOLD: Final = 14


async def is_not_published(unit: PrivateRead, comment: Comment) -> bool:
    """Return whether the commenter learns that a comment is not published, instead of waiting for ever.

    Only a person's decision for the trash is told, and only 14 days later. Spam and what rules decided look like
    pending: spammers must not learn what works.
    """
    return comment.id in await list_not_published(unit, [comment])


async def list_not_published(unit: PrivateRead, found: Sequence[Comment]) -> set[str]:
    """Return the ids of those comments whose commenter learns that they are not published."""
    trashed = [comment.id for comment in found if comment.status is Status.TRASH and not comment.erased_at]
    latest = await decisions.list_latest(unit, trashed)
    told_until = unit.ago(days=DAYS_UNTOLD)
    return {
        comment_id
        for comment_id, decision in latest.items()
        if decision.actor.kind is ActorKind.PERSON and decision.created_at <= told_until
    }


@private_read
async def find_waiting(unit: PrivateRead, comment_id: str) -> str | None:
    """Return the id of a reader's own comment, unless it is known not to be published: lists leave that out."""
    comment = await comments.get(unit, comment_id)
    return None if comment and await is_not_published(unit, comment) else comment_id
