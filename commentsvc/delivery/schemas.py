"""Request and response bodies for deliveries: mails and requests to webhooks."""

from typing import Annotated

from msgspec import Meta, Struct

from commentsvc.domain.deliveries import Channel, ParcelState
from commentsvc.domain.fields import Cursor, Id, Limit, Time


class DeliveryQuery(Struct, frozen=True, kw_only=True):
    """Filters and page of the list of deliveries."""

    channel: Annotated[Channel, Meta(description="Only mails, or only requests to webhooks.")] | None = None
    state: Annotated[ParcelState, Meta(description="Only deliveries in this state.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class DeliveryRecord(Struct, frozen=True, kw_only=True):
    """A mail or a request, and how its latest attempt went."""

    id: Id
    channel: Channel
    kind: Annotated[str, Meta(description="Which mail it is; of a webhook: the type of the event.")]
    state: Annotated[ParcelState, Meta(description="`dead`: it failed for days, or its receiver does not exist.")]
    recipient: Annotated[str | None, Meta(description="The masked address of a mail; the id of a webhook.")]
    site: str | None
    comment: Id | None
    attempts: int
    created_at: Time
    tried_at: Time | None
    next_at: Annotated[Time | None, Meta(description="When it is tried next; null if it is not waiting.")]
    status_code: Annotated[int | None, Meta(description="Status that the receiver answered.")]
    error: Annotated[str | None, Meta(description="Why the latest attempt failed.")]


class ChannelState(Struct, frozen=True, kw_only=True):
    """Numbers of deliveries, and how the latest ones went."""

    channel: Channel
    waiting: int
    dead: int
    delivered_at: Time | None
    failed_at: Time | None
    error: str | None


class DeliveryPage(Struct, frozen=True):
    """A page of deliveries, newest first, and the state of each channel."""

    deliveries: list[DeliveryRecord]
    channels: list[ChannelState]
    next_cursor: str | None


class RetryRequest(Struct, frozen=True, kw_only=True):
    """The dead deliveries to try again."""

    channel: Annotated[Channel, Meta(description="Only mails, or only requests to webhooks; null: both.")] | None = None


class RetriedDeliveries(Struct, frozen=True):
    """The number of deliveries that are tried again."""

    retried: int
