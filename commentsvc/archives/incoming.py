"""The comments of an archive on their way into the database, and the rows that they become."""

from datetime import UTC, datetime
from typing import Final, TypeAlias

from msgspec import Struct

from commentsvc.access.rate_limit import retention_period
from commentsvc.archives.arrangement import Arranged
from commentsvc.archives.preparation import Prepared
from commentsvc.archives.records import Repair
from commentsvc.archives.staged import Page
from commentsvc.domain.models import Comment, Contact, Status, Thread
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.timestamps import format_time
from commentsvc.storage.comments import PATH_DIGITS
from commentsvc.storage.database import PublicRead

UNDATED: Final = "The archive has no date for this comment."


class Target(Struct, frozen=True):
    """The page of comments, and all its names, each with whether it is the name of a link."""

    page: Page
    names: list[tuple[str, bool]]


Key: TypeAlias = tuple[str, str, str]  # site, archive, and id in the archive


class Incoming(Struct, frozen=True):
    """A comment that is to be written: ``keys`` are its own and those of its duplicates; ``answered`` is another's.

    ``comment_id`` is the same in each import of the archive. So the journal of erasures knows a comment that comes
    again with an import into a restored backup.
    """

    target: Target
    arranged: Arranged
    prepared: Prepared
    author_id: str
    hue: int
    comment_id: str
    keys: list[Key]
    answered: Key | None
    email_sealed: str | None
    email_digest: str | None

    @property
    def key(self) -> Key:
        """Its key."""
        return self.keys[0]


class Place(Struct, frozen=True):
    """The place of a comment in its thread."""

    thread_id: str
    parent_id: str | None
    path: str
    depth: int


def build_comment(one: Incoming, thread: Thread, place: Place, answered_id: str | None) -> Comment:
    """Return a new comment as it is stored; an approved one is public since it was written."""
    prepared, created_at = one.prepared, format_milliseconds(one.arranged.created_at)
    public_since = created_at if prepared.status is Status.APPROVED else None
    return Comment(
        id=one.comment_id,
        site_id=thread.site_id,
        thread_id=thread.id,
        parent_id=place.parent_id,
        answered_id=answered_id,
        author_id=one.author_id,
        moderator_id=None,
        depth=place.depth,
        path=place.path,
        top=place.path[:PATH_DIGITS],
        name=prepared.name,
        hue=one.hue,
        website=prepared.website,
        page_url=one.target.page.url,
        page_title=None,
        text=prepared.text,
        html=prepared.html,
        text_digest=prepared.text_digest,
        status=prepared.status,
        status_before=None,
        note=None,
        version=1,
        listed_replies=0,
        created_at=created_at,
        edited_at=prepared.edited_at if prepared.edited_at and prepared.edited_at > created_at else None,
        published_at=public_since,
        listed_at=public_since,
        erased_at=None,
    )


class Periods(Struct, frozen=True):
    """Since when data is kept: older networks and email addresses would be forgotten by now."""

    networks: str
    emails: str

    @classmethod
    def of(cls, unit: PublicRead) -> "Periods":
        """Return the periods in the settings."""
        days = unit.config.contact_days
        return cls(unit.ago(days=unit.config.network_days), unit.ago(days=days) if days else "")


def build_contact(unit: PublicRead, one: Incoming, comment: Comment, periods: Periods) -> Contact:
    """Return the private data of a comment's author. Nothing is kept longer than that of other comments."""
    is_recent = comment.created_at > periods.networks
    address = one.prepared.address if is_recent else None
    has_email = comment.created_at > periods.emails
    return Contact(
        comment_id=comment.id,
        email_sealed=one.email_sealed if has_email else None,
        email_digest=one.email_digest if has_email else None,
        network=truncate_address(address) if address else None,
        network_digest=unit.keyring.network_digest(address, retention_period(unit)) if address else None,
        agent=one.prepared.agent if is_recent else None,
        created_at=comment.created_at,
        site_id=comment.site_id,
        status=comment.status,
        name_key=one.prepared.name_key,
    )


def find_note(one: Incoming) -> str | None:
    """Return the note on the decision on a comment, for moderators."""
    return UNDATED if Repair.DATE_UNKNOWN in one.arranged.repairs else None


def format_milliseconds(milliseconds: int) -> str:
    """Return a time in milliseconds since 1970 as text."""
    return format_time(datetime.fromtimestamp(milliseconds / 1000, UTC))
