"""The place of a new comment in its thread."""

from dataclasses import dataclass

from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.models import Comment, Status, Thread
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PublicRead, Write


@dataclass(frozen=True)
class Placement:
    """The place of a new comment: its thread, parent and number, and the page that it was sent from."""

    thread: Thread
    parent: Comment | None
    seq: int
    page_url: str | None = None
    page_title: str | None = None


@dataclass(frozen=True)
class Author:
    """The author of a comment, as readers see them."""

    author_id: str
    name: str
    website: str | None = None
    moderator_id: str | None = None


async def find_parent(unit: PublicRead, answered: Comment) -> Comment | None:
    """Return the parent of a reply to a comment.

    It is the comment itself, or at the maximum depth its deepest ancestor that may have replies.
    """
    max_depth = unit.config.nesting
    if answered.depth < max_depth:
        return answered
    return await comments.get_by_path(unit, answered.thread_id, answered.path[: max_depth * comments.PATH_DIGITS])


def build_comment(
    comment_id: str, placement: Placement, author: Author, text: CommentText, status: Status, now: str
) -> Comment:
    """Return a new comment."""
    path = (placement.parent.path if placement.parent else "") + comments.path_step(placement.seq)
    return Comment(
        id=comment_id,
        site_id=placement.thread.site_id,
        thread_id=placement.thread.id,
        parent_id=placement.parent.id if placement.parent else None,
        author_id=author.author_id,
        moderator_id=author.moderator_id,
        depth=placement.parent.depth + 1 if placement.parent else 0,
        path=path,
        top=path[: comments.PATH_DIGITS],
        name=author.name,
        website=author.website,
        page_url=placement.page_url,
        page_title=placement.page_title,
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
    """Insert a new comment, and list it if it is approved."""
    await comments.add(unit, comment)
    if comment.status is Status.APPROVED:
        await comments.update_listing(unit, comment.id, comment.created_at)
        await threads.record_change(unit, comment, 1, comment.created_at)
