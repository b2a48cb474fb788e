"""Events, and the parcels that tell somebody about them."""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct


class EventKind(StrEnum):
    """The kind of an event. ``thread.changed`` and the decisions on a comment are derived from the comment's events."""

    COMMENT_CREATED = "comment.created"  # detail: status; language of the form
    COMMENT_DECIDED = "comment.decided"  # detail: from, to; first if it was never public before
    COMMENT_EDITED = "comment.edited"
    COMMENT_DELETED = "comment.deleted"  # detail: from, the status before
    REPORT_CREATED = "report.created"
    SUBSCRIBERS_LEFT = "subscribers.left"  # more are told about a comment. detail: after, the last address told
    THREAD_CHANGED = "thread.changed"  # its title, address or state; comments have events of their own
    SUBSCRIPTION_REQUESTED = "subscription.requested"
    OWN_COMMENTS_REQUESTED = "own_comments.requested"
    SIGN_IN_REQUESTED = "sign_in.requested"


class Channel(StrEnum):
    """A way out of the service."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    VERDICT = "verdict"  # the external check


class MailMode(StrEnum):
    """When a moderator gets a mail about waiting comments."""

    NOW = "now"  # at once for the first, then digests
    DIGEST = "digest"
    OFF = "off"


class SubscriptionScope(StrEnum):
    """The comments that a subscription sends mail about."""

    REPLIES = "replies"  # to one comment, by the commenter
    THREAD = "thread"
    SITE = "site"


class ParcelState(StrEnum):
    """State of a parcel. A dead one is tried again only if a person asks for it."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Event(Struct, frozen=True, kw_only=True):
    """Something that has happened."""

    seq: int
    kind: EventKind
    site_id: str | None
    thread_id: str | None
    comment_id: str | None
    detail: dict[str, Any]
    email_sealed: str | None
    email_digest: str | None
    created_at: str
    failures: int

    def __repr__(self) -> str:
        return f"Event(seq={self.seq!r}, kind={self.kind!r}, hidden)"


class NewParcel(Struct, frozen=True, kw_only=True):
    """A parcel to put into the outbox."""

    channel: Channel
    kind: str
    site_id: str | None = None
    thread_id: str | None = None
    comment_id: str | None = None
    owner: str | None = None
    email_sealed: str | None = None
    email_digest: str | None = None
    detail: str = "{}"
    due_at: str | None = None  # None: now
    urgent: int = 0  # 1: somebody waits for it; it goes before others

    def __repr__(self) -> str:
        return f"NewParcel(kind={self.kind!r}, hidden)"


class Parcel(Struct, frozen=True, kw_only=True):
    """A mail or a request in the outbox."""

    id: str
    channel: Channel
    kind: str
    site_id: str | None
    thread_id: str | None
    comment_id: str | None
    owner: str | None
    email_sealed: str | None
    email_digest: str | None
    detail: str
    state: ParcelState
    attempts: int
    due_at: str
    created_at: str
    tried_at: str | None
    milliseconds: int | None
    status_code: int | None
    response: str | None
    error: str | None

    def __repr__(self) -> str:
        return f"Parcel(id={self.id!r}, kind={self.kind!r}, hidden)"


PARCEL_DAYS: Final = 7  # how long delivered requests and dead parcels are kept


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of one attempt to deliver a parcel."""

    state: ParcelState
    was_sent: bool = True  # False: delivered without a word to anybody, since there was nothing to say any more
    keep: bool = False  # whether a delivered parcel stays, with the response
    retry_after: float | None = None  # seconds, if the receiver said so
    channel_failed: bool = False  # nothing can be delivered on the channel now, such as with no mail server
    of_recipient: bool = False  # only this recipient is to blame: it says nothing about the channel
    status_code: int | None = None
    response: str | None = None
    error: str | None = None
