"""A new comment, its place in its thread, and the private data of its author."""

from dataclasses import dataclass

from commentsvc.access import rate_limit
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import FieldError, Invalid, ThreadClosed
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Comment, Contact, Status, Thread, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.sites import resolve
from commentsvc.storage import comments, threads
from commentsvc.storage.database import Environment, PublicRead, Write


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


async def lock_thread(unit: Write, place: resolve.ThreadPlace) -> tuple[Thread, int]:
    """Lock the thread, and create it if needed; return it and the number of its next comment.

    Raises:
        ThreadClosed: the thread is closed.
    """
    thread = await _find_or_create_thread(unit, place)
    while True:
        seq = await threads.next_seq(unit, thread.id)
        # While this unit waited for the lock, a merge may have moved the name to another thread.
        current = await _find_or_create_thread(unit, place)
        if current.id != thread.id:
            thread = current
        elif seq is None:
            raise ThreadClosed
        else:
            return current, seq


async def _find_or_create_thread(unit: Write, place: resolve.ThreadPlace) -> Thread:
    existing = await threads.get_by_name(unit, place.site.id, place.ref.name)
    if existing is not None:
        return existing
    thread = Thread(
        id=unit.new_id(),
        site_id=place.site.id,
        key=place.ref.name,
        url=None,
        title=None,
        approved=0,
        version=0,
        created_at=unit.now(),
        published_at=None,
        closed_at=None,
    )
    if await threads.add(unit, thread):
        return thread
    created_by_other = await threads.get_by_name(unit, place.site.id, place.ref.name)
    return created_by_other or thread


async def load_answered(
    unit: PublicRead, thread: Thread | None, comment_id: str | None, *, anywhere: bool = False
) -> Comment | None:
    """Return the comment that a reply answers; it is public, and in this thread unless ``anywhere``."""
    if comment_id is None:
        return None
    answered = await comments.get(unit, comment_id)
    in_thread = anywhere or (answered and thread and answered.thread_id == thread.id)
    if answered is None or not in_thread or answered.status != Status.APPROVED:
        raise Invalid(
            FieldError(
                "parent",
                "unknown_parent",
                translatable("The comment you are replying to is not available. It may have been deleted."),
            )
        )
    return answered


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


def build_contact(env: Environment, comment: Comment, email: Email | None, visit: Visit) -> Contact:
    """Return the private data of a new comment; the email address is encrypted."""
    return Contact(
        comment_id=comment.id,
        email_sealed=env.keyring.seal(email) if email else None,
        email_digest=env.keyring.digest(email) if email else None,
        network=truncate_address(visit.address),
        network_digest=env.keyring.network_digest(visit.address, rate_limit.retention_period(env)),
        agent=visit.agent,
        created_at=comment.created_at,
        site_id=comment.site_id,
        status=comment.status,
    )


async def save_comment(unit: Write, comment: Comment) -> None:
    """Insert a new comment, and list it if it is approved."""
    await comments.add(unit, comment)
    if comment.status is Status.APPROVED:
        await comments.update_listing(unit, comment.id, comment.created_at)
        await threads.record_change(unit, comment, 1, comment.created_at)
