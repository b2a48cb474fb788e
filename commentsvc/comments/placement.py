"""A new comment, its place in its thread, and the private data of its author."""

from dataclasses import dataclass

from commentsvc.access import rate_limit
from commentsvc.domain.comment_text import CommentText
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import FieldError, Invalid, ThreadClosed
from commentsvc.domain.initials import find_hue
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Comment, Contact, ReadableComment, ReadableThread, Status, Thread, Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.sites import resolve
from commentsvc.storage import comments, thread_numbers, threads
from commentsvc.storage.database import Environment, PublicRead, Write


@dataclass(frozen=True)
class Placement:
    """The place of a new comment: its thread, parent and number, and the page that it was sent from."""

    thread: Thread
    parent: ReadableComment | None
    seq: int
    page_url: str | None = None
    page_title: str | None = None
    answered_id: str | None = None


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
    while True:
        taken = await thread_numbers.take_number(unit, place.site.id, place.ref.name)
        if taken is None:
            thread = await find_or_create_thread(unit, place)
            if thread.closed_at or thread.merged_into:
                raise ThreadClosed
        elif unit.never_waits or await thread_numbers.has_name(unit, taken[0], place.ref.name):
            return taken
        # Otherwise a merge moved the name to another thread while this unit waited for the lock.


async def find_or_create_thread(unit: Write, place: resolve.ThreadPlace) -> Thread:
    """Return the thread with this name; create it if it does not exist."""
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
        open_until=None,
    )
    if await threads.add(unit, thread):
        return thread
    created_by_other = await threads.get_by_name(unit, place.site.id, place.ref.name)
    return created_by_other or thread


async def load_answered(
    unit: PublicRead, thread: ReadableThread | None, comment_id: str | None, *, anywhere: bool = False
) -> ReadableComment | None:
    """Return the comment that a reply answers; it is public, and in this thread unless ``anywhere``."""
    if comment_id is None:
        return None
    answered = await comments.get_readable(unit, comment_id)
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


async def find_place(unit: PublicRead, answered: ReadableComment) -> tuple[ReadableComment | None, str | None]:
    """Return the parent of a reply to a comment, and the id of that comment if it is not the parent.

    The parent is the comment itself, or at the maximum depth its deepest ancestor that may have replies.
    """
    max_depth = unit.config.nesting
    if answered.depth < max_depth:
        return answered, None
    parent = await comments.get_by_path(unit, answered.thread_id, answered.path[: max_depth * comments.PATH_DIGITS])
    return parent, answered.id


def build_comment(
    comment_id: str, placement: Placement, author: Author, text: CommentText, status: Status, now: str
) -> Comment:
    """Return a new comment; an approved one is public and listed from now on."""
    public_since = now if status is Status.APPROVED else None
    path = (placement.parent.path if placement.parent else "") + comments.path_step(placement.seq)
    return Comment(
        id=comment_id,
        site_id=placement.thread.site_id,
        thread_id=placement.thread.id,
        parent_id=placement.parent.id if placement.parent else None,
        answered_id=placement.answered_id,
        author_id=author.author_id,
        moderator_id=author.moderator_id,
        depth=placement.parent.depth + 1 if placement.parent else 0,
        path=path,
        top=path[: comments.PATH_DIGITS],
        name=author.name,
        hue=find_hue(placement.thread.site_id, author.author_id, author.name),
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
        published_at=public_since,
        listed_at=public_since,
        erased_at=None,
    )


def build_contact(
    env: Environment, comment: Comment, email: Email | None, visit: Visit, *, verified: bool = False
) -> Contact:
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
        name_key=skeleton(comment.name),
        verified=int(verified),
    )


async def save_comment(
    unit: Write, comment: Comment, thread: Thread, posted_digest: str | None = None, language: str | None = None
) -> None:
    """Insert a new comment, whose form has a language, and count it in its thread, which this unit has locked."""
    await comments.add(unit, comment, posted_digest, language)
    await thread_numbers.count_new(unit, comment, thread)
