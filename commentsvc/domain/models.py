"""The nouns, as they are kept. What each person may send and see of them stands in ``shapes``."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from commentsvc.domain.fields import Address, Name, Text, Website
from commentsvc.domain.reasons import Reason


class Status(StrEnum):
    """Where a comment stands."""

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
    """Who is held: everybody, all but proven writers, or nobody whom no rule holds."""

    ALL = "all"
    TRUSTED = "trusted"
    NONE = "none"


class Scope(StrEnum):
    """What a key may do; each includes the ones before it."""

    READ = "read"
    MODERATE = "moderate"
    ADMIN = "admin"


class ActionVerb(StrEnum):
    """What a moderator does to a comment."""

    APPROVE = "approve"
    HOLD = "hold"
    SPAM = "spam"
    TRASH = "trash"
    RESTORE = "restore"


class Effect(StrEnum):
    """What a rule wants done with a comment it has an opinion on, gravest first."""

    REFUSE = "refuse"
    SPAM = "spam"
    HOLD = "hold"
    APPROVE = "approve"


class RuleKind(StrEnum):
    """What a stored rule looks at."""

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
    TRUST = "trust"


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
    """Who did something. The name is for display only and proves nothing."""

    kind: ActorKind
    id: Annotated[
        str | None, Meta(description="Of the moderator, key, stored rule or author; null where there is none.")
    ]
    name: str


class Site(Struct, frozen=True):
    """One blog. Without origins, pages of this very machine are its own."""

    id: str
    name: str
    created_at: str
    mode: Mode | None = None  # None: as the setting says
    rules_version: int = 0
    closes_after_days: int | None = None


class Thread(Struct, frozen=True):
    """One page's discussion, as it is kept."""

    id: str
    site_id: str
    key: str
    url: str | None
    title: str | None
    approved: int
    version: int
    created_at: str
    published_at: str | None
    closed_at: str | None
    mode: Mode | None = None  # None: as its site says
    merged_into: str | None = None  # another thread has its comments and names now


class ListedComment(Struct, frozen=True):
    """What readers' lists need of a comment. Of these a long thread has many, so they are no more than that."""

    id: str
    parent_id: str | None
    moderator_id: str | None
    depth: int
    path: str
    name: str
    website: str | None
    html: str
    status: Status
    created_at: str
    edited_at: str | None
    thread_id: str


class Comment(ListedComment, frozen=True):
    """A comment, as it is kept: everything but what is private of its writer."""

    site_id: str
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
    published_at: str | None
    listed_at: str | None
    erased_at: str | None
    reports: int = 0  # of readers, that nobody has looked at


def author_of(comment: Comment) -> Actor:
    """Return a comment's author as an actor. Their name is theirs to choose, so it is not used."""
    return Actor(ActorKind.AUTHOR, comment.author_id, "author")


class Contact(Struct, frozen=True):
    """What is private of a comment's writer."""

    comment_id: str
    email_sealed: str
    email_digest: str
    network: str | None
    network_digest: str | None
    agent: str | None
    created_at: str
    site_id: str
    status: Status  # its comment's

    def __repr__(self) -> str:
        return f"Contact(comment_id={self.comment_id!r}, hidden)"


class ApiKey(Struct, frozen=True):
    """An API key, of which only the hash is kept. Without a site it is good for every one of its moderator's."""

    id: str
    name: str
    key_hash: str
    scopes: str
    site_id: str | None
    moderator_id: str | None
    actor_kind: ActorKind
    created_at: str
    expires_at: str | None


class Rule(Struct, frozen=True):
    """What a moderator wants of comments, on one site or on all. An email ban keeps its address sealed."""

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
    """A status that a comment was given, by whom, and why: a rule's reason, or a person's note."""

    status: Status
    actor: Actor
    reason: Reason | None = None
    note: str | None = None


class Visit(Struct, frozen=True):
    """Where a request came from, as far as the service may know."""

    origin: str | None = None
    address: str = "0.0.0.0"  # noqa: S104 -- the address of nobody, not one to listen on
    agent: str | None = None

    def __repr__(self) -> str:
        return "Visit(hidden)"


class Principal(Struct, frozen=True):
    """Somebody who has signed in or sent a key: who it is, what it may do, and on which sites (None: all)."""

    actor: Actor
    scopes: frozenset[Scope]
    sites: tuple[str, ...] | None
    moderator_id: str | None = None  # whose own key it is
    session_id: str | None = None  # on the moderation page

    def may(self, scope: Scope) -> bool:
        """Whether it may do what this scope, or a greater one, allows."""
        order = list(Scope)
        return any(order.index(held) >= order.index(scope) for held in self.scopes)

    def reaches(self, site_id: str) -> bool:
        """Whether this site is one of its own."""
        return self.sites is None or site_id in self.sites


class Draft(Struct, frozen=True, kw_only=True):
    """What a person writes, as rules judge it."""

    name: Name
    email: Address
    comment: Text
    website: Website | None = None
