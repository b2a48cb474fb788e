"""The lines of our own archive format, docs/archive-format.md. Each line is one JSON object; ``type`` comes first.

Fields that have their default are left out, and the others come in the order of these classes: the same data always
gives the same bytes.
"""

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from commentsvc.domain.models import ActorKind, Effect, Mode, RuleKind, Status
from commentsvc.domain.time_zones import DEFAULT, LONGEST

FORMAT: Final = "commentsvc"
VERSION: Final = 1

_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"
Id: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
Time: TypeAlias = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Name: TypeAlias = Annotated[str, Meta(max_length=1000)]
Zone: TypeAlias = Annotated[str, Meta(max_length=LONGEST, pattern="^[A-Za-z0-9_+/-]+$")]
Line: TypeAlias = Annotated[str, Meta(max_length=5000)]
Text: TypeAlias = Annotated[str, Meta(max_length=1_000_000)]
Url: TypeAlias = Annotated[str, Meta(max_length=5000, pattern=r"^https?://[^\s<>\"]+$")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Version: TypeAlias = Annotated[int, Meta(ge=1, le=2**53)]
Number: TypeAlias = Annotated[int, Meta(ge=1, le=0xFFFFFF)]


class Contacts(StrEnum):
    """The form of commenters' addresses in an export: left out, encrypted as they are stored, or in the clear."""

    NONE = "none"
    SEALED = "sealed"
    CLEAR = "clear"


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="archive"):
    """The first line: the format, what the archive is limited to, and the key that encrypts addresses in it."""

    format: str
    version: int
    contacts: Contacts
    key: Name | None = None  # its fingerprint; only with sealed contacts
    site: Name | None = None  # the only site, if the archive is limited to one


class SiteLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="site"):
    """A site with its origins and settings."""

    id: Id
    name: Name
    created_at: Time
    origins: tuple[Line, ...] = ()
    earlier_names: Line = ""  # separated by line breaks
    mode: Mode | None = None
    email_required: bool = True
    website_field: bool = False
    privacy_url: Url | None = None
    consent_required: bool = False
    time_zone: Zone = DEFAULT  # of its statistics; one that is not known here counts as UTC


class ModeratorLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="moderator"):
    """A moderator: only what readers see. Keys, sessions and addresses are not in an archive."""

    id: Id
    name: Name
    created_at: Time
    removed_at: Time | None = None
    sites: tuple[Id, ...] = ()  # none: all sites


class RuleLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="rule"):
    """A rule, for one site or for all."""

    id: Id
    kind: RuleKind
    effect: Effect
    created_at: Time
    site: Id | None = None
    matching: Annotated[str, Meta(max_length=4_000_000)] = ""
    email: Line | None = None  # in the clear
    email_sealed: Line | None = None
    email_digest: Line | None = None
    note: Text | None = None
    version: Version = 1
    expires_at: Time | None = None
    removed_at: Time | None = None


class ThreadName(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A name of a thread: the path of its page, or a key."""

    name: Line
    given: bool = False  # by a moderator


class ThreadLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="thread"):
    """A thread with all its names."""

    id: Id
    site: Id
    created_at: Time
    key: Line = ""  # its current name; empty if it was erased
    names: tuple[ThreadName, ...] = ()
    url: Url | None = None
    title: Text | None = None
    given_title: Text | None = None
    mode: Mode | None = None
    published_at: Time | None = None
    closed_at: Time | None = None
    open_until: Time | None = None
    merged_into: Id | None = None
    last_number: Annotated[int, Meta(ge=0, le=0xFFFFFF)] = 0


class ContactPart(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The private data of a comment's author."""

    created_at: Time
    email: Line | None = None  # in the clear
    email_sealed: Line | None = None
    email_digest: Line | None = None
    network: Name | None = None
    network_digest: Name | None = None
    agent: Line | None = None
    verified: bool = False


class ActorPart(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The actor of a decision or change."""

    kind: ActorKind
    name: Name
    id: Name | None = None


class DecisionPart(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A decision on a comment. ``reason_args`` and ``verdicts`` are JSON in a text."""

    status: Status
    actor: ActorPart
    created_at: Time
    action: Name | None = None
    reason_code: Name | None = None
    reason_args: Text | None = None
    note: Text | None = None
    verdicts: Text | None = None


class RevisionPart(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An earlier name and text of a comment."""

    version: Version
    name: Name
    text: Text
    html: Text
    actor: ActorPart
    created_at: Time


class ReportPart(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A reader's report."""

    reader: Name  # keyed digest of the network
    created_at: Time
    reason: Text | None = None
    holds: bool = False
    settled_at: Time | None = None
    settled_by: Name | None = None


class CommentLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="comment"):
    """A comment with everything that belongs to it. Its parent comes before it, in the same thread."""

    id: Id
    site: Id
    thread: Id
    number: Number  # in its thread
    author: Name
    status: Status
    created_at: Time
    hue: Annotated[int, Meta(ge=0, le=359)] = 0
    parent: Id | None = None
    answered: Id | None = None  # that a reply answers, if deeper than nesting allows
    moderator: Id | None = None
    name: Name = ""
    website: Url | None = None
    text: Text = ""
    html: Text = ""
    page_url: Url | None = None
    page_title: Text | None = None
    posted_digest: Name | None = None
    status_before: Status | None = None
    note: Text | None = None
    version: Version = 1
    edited_at: Time | None = None
    published_at: Time | None = None
    listed_at: Time | None = None
    erased_at: Time | None = None
    contact: ContactPart | None = None
    decisions: tuple[DecisionPart, ...] = ()
    revisions: tuple[RevisionPart, ...] = ()
    reports: tuple[ReportPart, ...] = ()


class SourceLine(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="source"):
    """An imported comment: its id in the archive that it came from. The comment may be erased since."""

    site: Id
    source: Line  # such as disqus/forum
    id: Line
    comment: Id


class End(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="end"):
    """The last line. A file without it was cut off."""

    sites: Count
    threads: Count
    comments: Count


ArchiveLine: TypeAlias = Head | SiteLine | ModeratorLine | RuleLine | ThreadLine | CommentLine | SourceLine | End
