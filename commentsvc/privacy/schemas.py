"""Schemas of the export and the erasure of a person's data."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.comments.schemas import PublicThread
from commentsvc.domain.deliveries import Channel, ParcelState
from commentsvc.domain.fields import Address, Cursor, Id, Time
from commentsvc.domain.models import Effect, Status
from commentsvc.moderation.schemas import DecisionRecord, ReportRecord


class PersonRequest(Struct, frozen=True, kw_only=True):
    """A request of a person about their data: a copy of it, or its erasure."""

    email: Address
    action: Literal["export", "erase"]
    cursor: Annotated[Cursor, Meta(description="From next_cursor of an export: its next comments.")] | None = None
    expect: (
        Annotated[
            int,
            Meta(ge=0, description="For an erasure: the number of comments that it erases, as an export counts them."),
        ]
        | None
    ) = None


class PersonRevision(Struct, frozen=True):
    """An earlier version of a comment's name and text."""

    name: str
    comment: str
    created_at: Annotated[Time, Meta(description="When this version was replaced.")]


class PersonDelivery(Struct, frozen=True):
    """A mail or a request to a webhook that waits, failed or was delivered."""

    id: Id
    channel: Channel
    kind: Annotated[str, Meta(description="Which mail, or the type of the webhook's event.")]
    state: ParcelState
    created_at: Time


class PersonVerdict(Struct, frozen=True):
    """The verdict of the external check on a comment."""

    text: Annotated[str, Meta(description="The verdict in English, or that the check gave no verdict.")]
    asked_at: Time


class PersonComment(Struct, frozen=True, kw_only=True):
    """A comment that gives the address. Fields for operators are left out for the person."""

    id: Id
    site: str
    thread: PublicThread
    parent: Id | None
    name: str
    website: str | None
    comment: Annotated[str, Meta(description="The Markdown source.")]
    status: Annotated[str, Meta(extra_json_schema={"enum": [*map(str, Status), "not_published"]})]
    verified: Annotated[bool, Meta(description="Whether the address was confirmed in the browser that wrote it.")]
    created_at: Time
    edited_at: Time | None
    published_at: Time | None
    revisions: Annotated[list[PersonRevision], Meta(description="Earlier versions, at most 200.")]
    email: Annotated[str, Meta(description="As it was written.")] | UnsetType = UNSET
    network: str | UnsetType | None = UNSET
    agent: Annotated[str, Meta(description="Browser name.")] | UnsetType | None = UNSET
    note: Annotated[str, Meta(description="A note by moderators.")] | UnsetType | None = UNSET
    decisions: list[DecisionRecord] | UnsetType = UNSET
    reports: Annotated[list[ReportRecord], Meta(description="By readers, about this comment.")] | UnsetType = UNSET
    deliveries: list[PersonDelivery] | UnsetType = UNSET
    external_check: PersonVerdict | UnsetType = UNSET


class PersonAddress(Struct, frozen=True):
    """The state of an address that asked for mail, or must get none."""

    created_at: Time
    confirmed_at: Time | None
    suppressed_at: Annotated[Time | None, Meta(description="Since when it gets no mail.")]
    suppressed_for: Literal["bounce", "complaint", "request"] | None


class PersonSubscription(Struct, frozen=True, kw_only=True):
    """A subscription to new comments."""

    id: Id
    site: str
    scope: Literal["replies", "thread", "site"]
    thread: PublicThread | None
    comment: Annotated[Id | None, Meta(description="The comment whose replies are meant.")]
    daily: bool
    language: str
    created_at: Time
    confirmed_at: Time | None


class PersonConfirmation(Struct, frozen=True):
    """A mail that asked the person to confirm the address."""

    site: str
    created_at: Time
    expires_at: Time
    used_at: Time | None


class PersonBrowser(Struct, frozen=True):
    """A browser in which the address was confirmed."""

    site: str
    confirmed_at: Time


class PersonBan(Struct, frozen=True, kw_only=True):
    """A rule about the address."""

    id: Id
    site: Annotated[str | None, Meta(description="null: all sites.")]
    effect: Effect
    note: str | None
    created_at: Time
    expires_at: Time | None
    removed_at: Time | None


class PersonModerator(Struct, frozen=True):
    """A moderator with the address."""

    id: Id
    name: str
    sites: Annotated[list[str], Meta(description="Empty: all sites.")]
    created_at: Time


class PersonExport(Struct, frozen=True, kw_only=True):
    """All data about an email address. Lists other than ``comments`` are complete on the first page, later empty."""

    email: str
    exported_at: Time
    total: Annotated[int, Meta(description="Number of comments, on all pages.")]
    comments: Annotated[list[PersonComment], Meta(description="Oldest first.")]
    next_cursor: Annotated[str | None, Meta(description="For the next comments; null: there are no more.")]
    address: PersonAddress | None = None
    subscriptions: list[PersonSubscription] = []
    confirmations: list[PersonConfirmation] = []
    browsers: list[PersonBrowser] = []
    mails: Annotated[list[PersonDelivery], Meta(description="To the address: waiting, or failed.")] = []
    bans: list[PersonBan] | UnsetType = UNSET
    moderators: list[PersonModerator] | UnsetType = UNSET


class PersonCounts(Struct, frozen=True, kw_only=True):
    """The number of rows that hold something of a person, by table."""

    contacts: Annotated[int, Meta(description="Private data of comments: address, network, browser name.")] = 0
    comments: int = 0
    revisions: Annotated[int, Meta(description="Earlier versions of comments.")] = 0
    decisions: Annotated[int, Meta(description="Decisions on comments, with notes or reasons.")] = 0
    notes: Annotated[int, Meta(description="Actions on comments, with notes.")] = 0
    reports: Annotated[int, Meta(description="Reports by readers, about comments.")] = 0
    search: Annotated[int, Meta(description="Words of comments in the search index.")] = 0
    submissions: Annotated[int, Meta(description="Digests of the requests that sent comments.")] = 0
    deliveries: Annotated[int, Meta(description="Mails and requests to webhooks, about comments.")] = 0
    comment_events: Annotated[int, Meta(description="Events about comments, not yet sent to anybody.")] = 0
    links: Annotated[int, Meta(description="Links to decide on comments by mail.")] = 0
    verdicts: Annotated[int, Meta(description="Verdicts of the external check on comments.")] = 0
    reply_subscriptions: Annotated[int, Meta(description="Subscriptions to replies to comments.")] = 0
    addresses: Annotated[int, Meta(description="The address: confirmed or not, or suppressed.")] = 0
    subscriptions: int = 0
    confirmations: int = 0
    browsers: Annotated[int, Meta(description="Browsers in which the address was confirmed.")] = 0
    events: Annotated[int, Meta(description="Requests by the address that wait.")] = 0
    mails: Annotated[int, Meta(description="Mails to the address.")] = 0
    bans: Annotated[int, Meta(description="Bans with the address itself. Its keyed digest stays.")] = 0

    def total(self) -> int:
        """Return the sum of all numbers."""
        return sum(getattr(self, name) for name in self.__struct_fields__)


class PersonErasure(Struct, frozen=True, kw_only=True):
    """An erasure: what there was before, and what is left. Only data that came in during the erasure can be left."""

    before: PersonCounts
    after: PersonCounts
    bans_kept: Annotated[int, Meta(description="Bans that still apply to the address, by its keyed digest.")]
