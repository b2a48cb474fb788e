"""The stored types, and types that all packages share. Request and response bodies are in each ``schemas`` module."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from commentsvc.domain.fields import Address, Name, Text, Website
from commentsvc.domain.reasons import Reason


class Status(StrEnum):
    """Status of a comment."""

    PENDING = "pending"
    APPROVED = "approved"
    SPAM = "spam"
    TRASH = "trash"


class StatusFilter(StrEnum):
    """A status to search for, or any."""

    PENDING = "pending"
    APPROVED = "approved"
    SPAM = "spam"
    TRASH = "trash"
    ANY = "any"


class Mode(StrEnum):
    """Moderation mode: hold all comments, hold those of new authors, or hold only what a rule holds."""

    ALL = "all"
    TRUSTED = "trusted"
    NONE = "none"


class Scope(StrEnum):
    """Rights of a key. Each scope includes the ones before it."""

    READ = "read"
    MODERATE = "moderate"
    ADMIN = "admin"


class ActionVerb(StrEnum):
    """A moderator's decision on a comment."""

    APPROVE = "approve"
    HOLD = "hold"
    SPAM = "spam"
    TRASH = "trash"
    RESTORE = "restore"


class Effect(StrEnum):
    """Effect of a rule on a comment that it matches, strictest first. A note decides nothing: moderators see it."""

    REFUSE = "refuse"
    SPAM = "spam"
    HOLD = "hold"
    APPROVE = "approve"
    NOTE = "note"


class RuleKind(StrEnum):
    """Kind of a stored rule: the property of a comment that it checks."""

    EMAIL = "email"
    EMAIL_DOMAIN = "email_domain"
    DISPOSABLE = "disposable"
    AUTHOR = "author"
    NETWORK = "network"
    WEBSITE = "website"
    WORDS = "words"
    LINKS = "links"
    LENGTH = "length"
    SCRIPT = "script"
    SAME_TEXT = "same_text"
    TOO_FAST = "too_fast"
    TOO_MANY = "too_many"
    CLOSING_AGE = "closing_age"
    NEWCOMER = "newcomer"
    ALL = "all"
    TRUST = "trust"
    LEARNED = "learned"


class ActorKind(StrEnum):
    """Kind of actor. Only a person's decisions train filters and count as "a person decided"."""

    PERSON = "person"
    PROGRAM = "program"
    RULE = "rule"
    AUTHOR = "author"
    IMPORT = "import"
    HOOK = "hook"
    SYSTEM = "system"


class Actor(Struct, frozen=True):
    """The actor of a change. The name is for display only; decide nothing by it."""

    kind: ActorKind
    id: Annotated[str | None, Meta(description="Id of the moderator, key, rule or author; otherwise null.")]
    name: str


class Site(Struct, frozen=True):
    """A blog: the columns that public connections may read. A site without origins owns the pages on this computer."""

    id: str
    name: str
    rules_version: int = 0
    closes_after_days: int | None = None
    earlier_names: str = ""  # separated by line breaks
    email_required: bool = True
    website_field: bool = False  # whether the form asks for the commenter's website
    privacy_url: str | None = None
    consent_required: bool = False

    @property
    def names(self) -> list[str]:
        """The site's name, and its earlier ones."""
        return [self.name, *filter(None, self.earlier_names.split("\n"))]

    def has_name(self, name: str) -> bool:
        """Return whether the site has or had this name."""
        return name in self.names


class ManagedSite(Site, frozen=True, kw_only=True):
    """A blog, with what only operators and moderators see."""

    created_at: str
    mode: Mode | None = None  # None: the mode in the settings
    time_zone: str = "UTC"  # IANA name: the days of its statistics


class ReadableThread(Struct, frozen=True):
    """The discussion of one page: the columns that public connections may read."""

    id: str
    site_id: str
    key: str
    url: str | None
    title: str | None
    approved: int
    version: int
    published_at: str | None
    closed_at: str | None
    open_until: str | None  # until then closing_age rules do not apply


class Thread(ReadableThread, frozen=True):
    """The discussion of one page."""

    created_at: str
    mode: Mode | None = None  # None: the mode of the site
    merged_into: str | None = None  # the thread that now has its comments and names


class ListedComment(Struct, frozen=True):
    """The columns of a comment that lists for readers need. A long thread has many of these, so they are few."""

    id: str
    parent_id: str | None
    answered_id: str | None
    moderator_id: str | None
    depth: int
    path: str
    name: str
    hue: int
    website: str | None
    html: str
    status: Status
    created_at: str
    edited_at: str | None
    thread_id: str


class ReadableComment(ListedComment, frozen=True):
    """The columns of a comment that public connections may read."""

    site_id: str
    published_at: str | None
    erased_at: str | None


class Comment(ReadableComment, frozen=True):
    """A comment, without the private data of its author."""

    author_id: str
    top: str
    page_url: str | None
    page_title: str | None
    text: str
    text_digest: str
    status_before: Status | None
    note: str | None
    version: int
    listed_replies: int
    listed_at: str | None
    reports: int = 0  # open reports by readers


def author_of(comment: Comment) -> Actor:
    """Return a comment's author as an actor. Their name is theirs to choose, so it is not used."""
    return Actor(ActorKind.AUTHOR, comment.author_id, "author")


class Contact(Struct, frozen=True):
    """The private data of a comment's author."""

    comment_id: str
    email_sealed: str | None  # None: the author gave no email address
    email_digest: str | None
    network: str | None
    network_digest: str | None
    agent: str | None
    created_at: str
    site_id: str
    status: Status  # of the comment
    name_key: str | None = None  # equal for names that look alike
    verified: int = 0  # 1: the author had confirmed this address in the browser they used

    def __repr__(self) -> str:
        return f"Contact(comment_id={self.comment_id!r}, hidden)"


class Rule(Struct, frozen=True):
    """A moderator's rule, for one site or for all. The email address of a ban is encrypted."""

    id: str
    site_id: str | None
    kind: RuleKind
    matching: str
    email_sealed: str | None
    email_digest: str | None
    effect: Effect
    note: str | None
    version: int
    created_at: str
    expires_at: str | None
    removed_at: str | None

    def __repr__(self) -> str:
        return f"Rule(id={self.id!r}, kind={self.kind!r}, hidden)"


class Decision(Struct, frozen=True):
    """A decision on a comment: its new status, the actor, and a rule's reason or a person's note."""

    status: Status
    actor: Actor
    reason: Reason | None = None
    note: str | None = None


class Visit(Struct, frozen=True):
    """The origin, IP address and browser of a request."""

    origin: str | None = None
    address: str = "0.0.0.0"  # noqa: S104 -- means unknown; nothing listens on it
    agent: str | None = None

    def __repr__(self) -> str:
        return "Visit(hidden)"


class Principal(Struct, frozen=True):
    """The holder of a key or session, with its scopes and sites (None: all sites)."""

    actor: Actor
    scopes: frozenset[Scope]
    sites: tuple[str, ...] | None
    moderator_id: str | None = None  # owner of the key
    session_id: str | None = None  # on the moderation page

    def may(self, scope: Scope) -> bool:
        """Return whether it has this scope, or one that includes it."""
        order = list(Scope)
        return any(order.index(own) >= order.index(scope) for own in self.scopes)

    def reaches(self, site_id: str) -> bool:
        """Return whether it has access to a site."""
        return self.sites is None or site_id in self.sites


class Draft(Struct, frozen=True, kw_only=True):
    """The fields of a comment that rules check."""

    name: Name
    email: Address | None = None  # None only if the site does not require it
    comment: Text
    website: Website | None = None
