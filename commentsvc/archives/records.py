"""Records that a reader finds in an archive: threads, comments, and things that are left out.

A reader changes nothing that people wrote. The import converts texts, resolves parents and counts.
"""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from commentsvc.domain.models import Status


class Markup(StrEnum):
    """The markup of a text."""

    MARKDOWN = "markdown"
    MIXED = "mixed"  # Markdown in which the tags of HTML have their meaning
    HTML = "html"
    WORDPRESS = "wordpress"  # HTML in which a line break is a <br>, and an empty line a paragraph
    PLAIN = "plain"


class LeftOutReason(StrEnum):
    """Why something in an archive is not imported."""

    PINGBACK = "pingback"
    TRACKBACK = "trackback"
    SPAM = "spam"
    TRASH = "trash"
    DELETED = "deleted"
    EMPTY = "empty"
    BAD_THREAD = "bad_thread"  # it names no page, or the page belongs to no site
    UNREADABLE = "unreadable"  # it is cut off, or lacks what a comment needs


class Repair(StrEnum):
    """Something that was mended in a record so that it could be imported. Repairs are counted, and change no sum."""

    CONTROL_CHARACTERS = "control_characters"  # were dropped
    DATE_UNKNOWN = "date_unknown"  # taken from the comment before it
    NAME_CUT = "name_cut"
    NAME_MISSING = "name_missing"
    WEBSITE_DROPPED = "website_dropped"
    EMAIL_DROPPED = "email_dropped"
    TEXT_CUT = "text_cut"
    PARENT_LEFT_OUT = "parent_left_out"  # the comment was moved to the nearest ancestor that was imported
    PARENT_MISSING = "parent_missing"  # unknown, in another thread, or in a circle: the comment was moved to the top


class ThreadRecord(Struct, frozen=True, kw_only=True):
    """A thread of an archive. It may come before or after its comments, and more than once."""

    id: str  # in the archive
    links: tuple[str, ...] = ()  # addresses or paths of its page, the best first
    title: str | None = None
    is_closed: bool = False


class CommentRecord(Struct, frozen=True, kw_only=True):
    """A comment of an archive, as it is written there: values are trimmed and decoded once, but not checked."""

    id: str  # in the archive: unique in it
    thread: str  # ``ThreadRecord.id``
    text: str
    markup: Markup
    name: str = ""
    parent: str | None = None  # ``CommentRecord.id``; it may come later, or be missing
    author: str | None = None  # the commenter's id in the archive, if it has one
    email: str | None = None
    website: str | None = None
    address: str | None = None  # IP address
    agent: str | None = None
    created_at: datetime | None = None  # with a time zone, or without one: then the import knows the zone
    edited_at: datetime | None = None
    status: Status = Status.APPROVED
    repairs: tuple[Repair, ...] = ()  # that the reader made


class LeftOut(Struct, frozen=True, kw_only=True):
    """Something in an archive that counts as read and is not imported."""

    reason: LeftOutReason
    id: str | None = None  # of the comment: its replies are moved to ``parent``
    parent: str | None = None


Record: TypeAlias = ThreadRecord | CommentRecord | LeftOut
