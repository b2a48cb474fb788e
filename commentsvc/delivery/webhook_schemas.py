"""Request and response bodies for webhooks."""

from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from commentsvc.domain.deliveries import ParcelState
from commentsvc.domain.fields import Id, Limit, SiteName, Time
from commentsvc.storage.webhooks import DisabledFor


class WebhookEvent(StrEnum):
    """Type of an event that a webhook can be told about."""

    CREATED = "comment.created"
    HELD = "comment.held"
    APPROVED = "comment.approved"
    SPAM = "comment.spam"
    TRASHED = "comment.trashed"
    EDITED = "comment.edited"
    DELETED = "comment.deleted"
    REPORTED = "report.created"
    THREAD_CHANGED = "thread.changed"


Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000, description="https or http; stored encrypted.")]
Events: TypeAlias = Annotated[list[WebhookEvent], Meta(min_length=1, max_length=len(WebhookEvent))]
IncludesEmail: TypeAlias = Annotated[bool, Meta(description="Whether the commenters' email addresses are sent.")]
IncludesUnapproved: TypeAlias = Annotated[
    bool, Meta(description="Whether names and texts of comments that are not public are sent.")
]
WebhookNote: TypeAlias = Annotated[str, Meta(max_length=200, description="For moderators: what it is for.")]


class NewWebhook(Struct, frozen=True, kw_only=True):
    """A webhook to add."""

    refuses_null: ClassVar[bool] = True  # a variable that a script forgot to set must not tell it about all sites

    url: Url
    events: Events
    site: Annotated[SiteName, Meta(description="Only events of this site.")] | None = None
    include_email: IncludesEmail = False
    include_unapproved: IncludesUnapproved = False
    note: WebhookNote | None = None


class WebhookChange(Struct, frozen=True, kw_only=True):
    """Changes to a webhook. Omitted fields keep their values."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    include_email: IncludesEmail | UnsetType = UNSET
    include_unapproved: IncludesUnapproved | UnsetType = UNSET
    note: WebhookNote | UnsetType | None = UNSET
    enabled: Annotated[bool, Meta(description="false: it is told about nothing.")] | UnsetType = UNSET


class WebhookRecord(Struct, frozen=True, kw_only=True):
    """A webhook, without its secret."""

    id: Id
    url: Annotated[str | None, Meta(description="null if no listed secret key opens it.")]
    events: list[WebhookEvent]
    site: Annotated[str | None, Meta(description="null: all sites.")]
    include_email: bool
    include_unapproved: bool
    note: str | None
    enabled: bool
    disabled_for: Annotated[
        DisabledFor | None, Meta(description="failing: for days; gone: the receiver said 410; moderator: by a person.")
    ]
    disabled_at: Time | None
    failing_since: Annotated[Time | None, Meta(description="The first failure since the last success.")]
    old_secret_until: Annotated[Time | None, Meta(description="Until when the secret before the last one signs too.")]
    created_at: Time


class CreatedWebhook(WebhookRecord, frozen=True, kw_only=True):
    """A new webhook, or one with a new secret. The secret is shown only once."""

    secret: Annotated[str, Meta(description="whsec_… of the Standard Webhooks specification.")]


class WebhookList(Struct, frozen=True):
    """All webhooks, oldest first."""

    webhooks: list[WebhookRecord]


class WebhookTest(Struct, frozen=True, kw_only=True):
    """The result of a test request."""

    delivered: bool
    status_code: int | None
    milliseconds: int
    response: Annotated[str | None, Meta(description="The first 4 KiB of the body.")]
    error: str | None


class WebhookDeliveryQuery(Struct, frozen=True, kw_only=True):
    """The number of deliveries to return."""

    limit: Limit = 50


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """A request to a webhook."""

    id: Id
    webhook_id: Annotated[str, Meta(description="The header webhook-id: the same in every attempt.")]
    type: WebhookEvent
    state: ParcelState
    attempts: int
    created_at: Time
    tried_at: Time | None
    due_at: Annotated[Time | None, Meta(description="When it is tried next.")]
    milliseconds: Annotated[int | None, Meta(description="The time of the latest attempt.")]
    status_code: Annotated[int | None, Meta(description="The status that the latest attempt got.")]
    error: Annotated[str | None, Meta(description="Why the latest attempt failed.")]
    request: Annotated[str | None, Meta(description="The body.")]
    response: Annotated[str | None, Meta(description="The first 4 KiB of the body.")]


class WebhookDeliveryList(Struct, frozen=True):
    """The newest deliveries, newest first. They are kept for 7 days."""

    deliveries: list[WebhookDelivery]
