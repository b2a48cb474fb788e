"""Requests for mail: each becomes a subscription, which its address confirms before it gets any mail."""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel, SubscriptionScope
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.models import Status
from commentsvc.storage import addresses, comments, confirmations, parcels, subscriptions, verified_authors
from commentsvc.storage.addresses import Address
from commentsvc.storage.confirmations import Confirmation
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.subscriptions import NewSubscription, Subscription
from commentsvc.subscriptions import mail_limits

CONFIRM: Final = "confirm"  # the kind of the parcels
CONFIRM_DAYS: Final = 7
JOIN_HOURS: Final = 24  # a new request joins a confirmation that is not older than this
# Confirmations in this time: one for an address that never confirmed, since its owner may not know of it.
MOST_UNKNOWN: Final = 1
MOST_KNOWN: Final = 5


async def add_subscriptions(unit: Write, happened: Sequence[Event]) -> None:
    """Add the subscriptions that events ask for, and put mails that ask for a confirmation into the outbox.

    A suppressed address gets nothing. A subscription is confirmed at once if the commenter has confirmed the address
    in this browser. Another one joins the open confirmation of its address, or gets a new one.
    """
    for event in happened:
        if event.kind is EventKind.SUBSCRIPTION_REQUESTED and event.email_sealed and event.site_id:
            email = unit.keyring.unseal(event.email_sealed)
            if email != UNREADABLE and not await _is_rejected(unit, event.comment_id):
                await _add_subscription(unit, event, event.site_id, email)


async def _is_rejected(unit: PrivateRead, comment_id: str | None) -> bool:
    """Return whether the request came with a comment that is spam, in the trash or erased."""
    comment = await comments.get(unit, comment_id) if comment_id else None
    return comment_id is not None and (comment is None or comment.status in {Status.SPAM, Status.TRASH})


async def _add_subscription(unit: Write, event: Event, site_id: str, email: Email) -> None:
    address = await addresses.find_or_add(unit, email)
    await addresses.lock(unit, address.id)
    if address.suppressed_at:
        return
    scope = SubscriptionScope(event.detail["scope"])
    new = NewSubscription(
        address_id=address.id,
        site_id=site_id,
        scope=scope,
        thread_id=None if scope is SubscriptionScope.SITE else event.thread_id,
        comment_id=event.comment_id if scope is SubscriptionScope.REPLIES else None,
        language=event.detail["language"],
    )
    subscription = await subscriptions.add(unit, new)
    author_id = event.detail.get("author_id")
    if subscription.confirmed_at:
        return
    if author_id and await verified_authors.is_verified(unit, author_id, unit.keyring.digests(email)):
        await subscriptions.confirm(unit, subscription.id, unit.now())
    else:
        await _ask_for_confirmation(unit, address, subscription, event)


async def _ask_for_confirmation(unit: Write, address: Address, subscription: Subscription, event: Event) -> None:
    """Join the open confirmation of the address. If it may get another mail, write one."""
    # Those that are ahead are of a wrong clock: they must not keep the address from another mail until it is right.
    present = unit.ago(hours=JOIN_HOURS), unit.ahead(hours=JOIN_HOURS)
    recent = await confirmations.list_since(unit, address.id, *present)
    unused = [one for one in recent if one.used_at is None]
    # Somebody who confirms one page must not confirm what a stranger asked for on another.
    fitting = [one for one in unused if address.confirmed_at is None or one.thread_id == event.thread_id]
    joined = next(iter(fitting), None)
    may_ask = joined is None and len(recent) < (MOST_KNOWN if address.confirmed_at else MOST_UNKNOWN)
    if may_ask and await mail_limits.take_unconfirmed(unit, address):
        joined = await _add_confirmation(unit, address, subscription, event)
    if joined:
        await subscriptions.join_confirmation(unit, subscription.id, joined.id)


async def _add_confirmation(unit: Write, address: Address, subscription: Subscription, event: Event) -> Confirmation:
    confirmation = Confirmation(
        id=unit.new_id(),
        address_id=address.id,
        site_id=subscription.site_id,
        thread_id=event.thread_id,
        language=subscription.language,
        created_at=unit.now(),
        expires_at=unit.ahead(days=CONFIRM_DAYS),
        used_at=None,
    )
    await confirmations.add(unit, confirmation)
    parcel = NewParcel(
        channel=Channel.MAIL,
        kind=CONFIRM,
        urgent=1,
        site_id=confirmation.site_id,
        thread_id=confirmation.thread_id,
        owner=confirmation.id,
        email_sealed=address.email_sealed,
        email_digest=address.email_digest,
    )
    await parcels.add(unit, parcel)
    return confirmation
