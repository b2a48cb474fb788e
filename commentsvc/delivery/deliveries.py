"""List mails and requests to webhooks, and try dead ones again."""

from collections.abc import Sequence

from commentsvc.audit import log
from commentsvc.delivery.outbox import LEASE_SECONDS
from commentsvc.delivery.schemas import (
    ChannelState,
    DeliveryPage,
    DeliveryQuery,
    DeliveryRecord,
    RetriedDeliveries,
    RetryRequest,
)
from commentsvc.domain import pagination
from commentsvc.domain.deliveries import Channel, Parcel, ParcelState
from commentsvc.domain.errors import Conflict, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.service import private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import deliveries as stored
from commentsvc.storage import parcels
from commentsvc.storage.database import PrivateRead, Write


@private_read
async def list_deliveries(unit: PrivateRead, who: Principal, query: DeliveryQuery) -> DeliveryPage:
    """Return a page of deliveries, newest first. Delivered mails are not kept.

    Raises:
        Invalid: for the field ``cursor``.
    """
    before = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    found = await stored.list_page(unit, who.sites, query.channel, query.state, before, query.limit + 1)
    directory = await resolve.read_directory.within(unit)
    names = {site.id: site.name for site in directory.sites}
    records = [_record(unit, parcel, names.get(parcel.site_id or "")) for parcel in found[: query.limit]]
    cursor = pagination.encode_cursor(records[-1].id) if len(found) > query.limit else None
    return DeliveryPage(records, await _channel_states(unit, who.sites), cursor)


def _record(unit: PrivateRead, parcel: Parcel, site: str | None) -> DeliveryRecord:
    is_mail = parcel.channel is Channel.MAIL
    address = unit.keyring.unseal(parcel.email_sealed).masked() if parcel.email_sealed else None
    return DeliveryRecord(
        id=parcel.id,
        channel=parcel.channel,
        kind=parcel.kind,
        state=parcel.state,
        recipient=address if is_mail else parcel.owner,
        site=site,
        comment=parcel.comment_id,
        attempts=parcel.attempts,
        created_at=parcel.created_at,
        tried_at=parcel.tried_at,
        next_at=parcel.due_at if parcel.state is ParcelState.WAITING else None,
        status_code=parcel.status_code,
        error=parcel.error,
    )


async def _channel_states(unit: PrivateRead, sites: Sequence[str] | None) -> list[ChannelState]:
    counts = await stored.count_by_state(unit, sites)
    states = []
    for channel in Channel:
        record = await parcels.get_record(unit, channel)
        states.append(
            ChannelState(
                channel=channel,
                waiting=counts.get((channel, ParcelState.WAITING), 0),
                dead=counts.get((channel, ParcelState.DEAD), 0),
                delivered_at=record["delivered_at"] if record else None,
                failed_at=record["failed_at"] if record else None,
                error=record["error"] if record else None,
            )
        )
    return states


@write
async def retry_delivery(unit: Write, who: Principal, delivery_id: str) -> DeliveryRecord:
    """Try a dead or waiting delivery again now, with as much time as a new one.

    Raises:
        NotFound: no delivery has this id, or it is about another site.
        Conflict: it was delivered, or may be on its way.
    """
    parcel = await parcels.get(unit, delivery_id)
    if parcel is None or not (who.sites is None or (parcel.site_id and who.reaches(parcel.site_id))):
        raise NotFound
    if parcel.state is ParcelState.DELIVERED:
        raise Conflict(translatable("It was delivered already."))
    await require_retry(unit, parcel.id)
    await _log_retry(unit, who, parcel.site_id, 1)
    after = await parcels.get(unit, delivery_id)
    directory = await resolve.read_directory.within(unit)
    site = directory.by_id(parcel.site_id).name if parcel.site_id else None
    return _record(unit, after or parcel, site)


async def require_retry(unit: Write, parcel_id: str) -> None:
    """Let a parcel be delivered at once.

    Raises:
        Conflict: it was deleted, or may be on its way.
    """
    if not await parcels.send_again(unit, parcel_id, unit.now(), unit.ago(seconds=LEASE_SECONDS)):
        raise Conflict(translatable("It was tried a moment ago. Wait 2 minutes, then send it again."))


@write
async def retry_dead_deliveries(unit: Write, who: Principal, request: RetryRequest) -> RetriedDeliveries:
    """Try all dead deliveries again now, with as much time as new ones."""
    lease = unit.ago(seconds=LEASE_SECONDS)
    number = await stored.retry_dead(unit, who.sites, request.channel, unit.now(), lease)
    if number:
        await _log_retry(unit, who, None, number)
    return RetriedDeliveries(number)


async def _log_retry(unit: Write, who: Principal, site_id: str | None, number: int) -> None:
    await log.add_entry(unit, actor=who.actor, verb="delivery_retry", site_id=site_id, body={"number": number})
