"""What tests of mails to subscribers do: subscribe people, and read the mails that wait for them."""

from contextlib import asynccontextmanager

from commentsvc.app import join_outlets
from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import Channel, Parcel, SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.service import private_read, write
from commentsvc.storage import addresses, comments, parcels, subscriptions
from commentsvc.storage.subscriptions import NewSubscription
from commentsvc.web.mail.renderers import RENDERERS
from tests.conftest import a_service
from tests.delivery.test_outbox import MAIL


@asynccontextmanager
async def a_mailing_service(database_url, clock, **settings):
    async with a_service(database_url, clock, **(MAIL | settings)) as service:
        yield service


async def subscribe(service, email, scope, comment_id, **more):
    """Subscribe an address to replies to a comment, to its thread, or to its site; return the subscription's id.

    Earlier comments have been told by then.
    """
    await expand(service)
    return await subscribe_before_telling(service, email, scope, comment_id, **more)


@write
async def subscribe_before_telling(unit, email, scope, comment_id, *, confirmed=True, daily=False, language="en"):
    comment = await comments.get(unit, comment_id)
    address = await addresses.find_or_add(unit, Email(email))
    new = NewSubscription(
        address_id=address.id,
        site_id=comment.site_id,
        scope=SubscriptionScope(scope),
        thread_id=None if scope == "site" else comment.thread_id,
        comment_id=comment_id if scope == "replies" else None,
        language=language,
    )
    added = await subscriptions.add(unit, new)
    if confirmed:
        await addresses.confirm(unit, address.id, unit.now())
        await subscriptions.confirm(unit, added.id, unit.now())
    if daily:
        await subscriptions.set_daily(unit, address.id, daily=True)
    return added.id


@private_read
async def read_parcels(unit):
    return [Parcel(**dict(row)) for row in await unit.all(f"SELECT {parcels.COLUMNS} FROM parcel ORDER BY id")]


async def expand(service):
    """Turn everything that has happened into mails that wait."""
    outlets = join_outlets(service.config)
    while await outbox.expand_events(service, outlets.fan_outs):
        pass


async def told(service):
    """Return who gets which mail, of those that this part of the service writes."""
    await expand(service)
    kinds = ("new_comment", "daily_digest", "approved")
    waiting = [parcel for parcel in await read_parcels(service) if parcel.kind in kinds]
    return sorted((service.keyring.unseal(one.email_sealed).reveal(), one.kind) for one in waiting)


async def take_mails(service):
    """Deliver what is due; return the mails. A parcel without anything to say is None."""
    await expand(service)
    mails = []
    while due := await outbox.claim(service, Channel.MAIL, 8):
        for parcel in due:
            mails.append(await RENDERERS[parcel.kind](service, parcel))
            await forget(service, parcel.id)
    return mails


@write
async def forget(unit, parcel_id):
    await unit.run("DELETE FROM parcel WHERE id = :id", id=parcel_id)


@write
async def change(unit, function, *arguments, **named):
    return await function(unit, *arguments, **named)
