"""A comment gets its place in a thread."""

from dataclasses import dataclass

from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.models import Comment, Status, Thread
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PublicRead, Write


@dataclass(frozen=True)
class Placement:
    """Where a comment hangs: its thread, below what, its number; and what its page says of itself."""

    thread: Thread
    parent: Comment | None
    seq: int
    page_url: str | None = None
    page_title: str | None = None


@dataclass(frozen=True)
class Author:
    """Whose words they are, as readers see it."""

    author_id: str
    name: str
    website: str | None = None
    moderator_id: str | None = None


async def find_parent(unit: PublicRead, answered: Comment) -> Comment | None:
    """What an answer hangs on: the comment itself, or its deepest ancestor that may have replies."""
    deepest = unit.config.nesting
    if answered.depth < deepest:
        return answered
    return await comments.get_by_path(unit, answered.thread_id, answered.path[: deepest * comments.PATH_DIGITS])


def build_comment(
    comment_id: str, spot: Placement, writer: Author, text: CommentText, status: Status, now: str
) -> Comment:
    """A new comment."""
    path = (spot.parent.path if spot.parent else "") + comments.path_step(spot.seq)
    return Comment(
        id=comment_id,
        site_id=spot.thread.site_id,
        thread_id=spot.thread.id,
        parent_id=spot.parent.id if spot.parent else None,
        author_id=writer.author_id,
        moderator_id=writer.moderator_id,
        depth=spot.parent.depth + 1 if spot.parent else 0,
        path=path,
        top=path[: comments.PATH_DIGITS],
        name=writer.name,
        website=writer.website,
        page_url=spot.page_url,
        page_title=spot.page_title,
        text=text.text,
        html=text.html,
        text_digest=text.digest,
        status=status,
        status_before=None,
        note=None,
        version=1,
        listed_replies=0,
        created_at=now,
        edited_at=None,
        published_at=now if status is Status.APPROVED else None,
        listed_at=None,
        erased_at=None,
    )


async def save_comment(unit: Write, comment: Comment) -> None:
    """Keep a new comment, and show it if it is approved."""
    await comments.add(unit, comment)
    if comment.status is Status.APPROVED:
        await comments.update_listing(unit, comment.id, comment.created_at)
        await threads.record_change(unit, comment, 1, comment.created_at)
