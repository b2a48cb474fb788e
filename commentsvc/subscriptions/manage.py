"""The page of the link that ends a subscription: every subscription of an address, and ways to stop them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.domain.errors import NotFound
from commentsvc.service import private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import addresses, subscriptions, threads
from commentsvc.storage.addresses import Address, SuppressedFor
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.subscriptions import Subscription
from commentsvc.subscriptions.confirmation_mail import name_page

PAGE_HOURS: Final = 24  # how long the page without a subscription of its own can be opened again
Change: TypeAlias = Literal["stop", "stop_all", "allow", "daily", "at_once"]


class ShownSubscription(Struct, frozen=True, kw_only=True):
    """A subscription as its owner sees it."""

    id: str
    scope: SubscriptionScope
    site: str
    page: str  # host and path
    created_at: str
    is_confirmed: bool


class Overview(Struct, frozen=True, kw_only=True):
    """The subscriptions of an address, newest first. ``current`` is that of the link; None if it has ended.

    ``address``: masked; None if a link is that of a subscription which has ended: then nothing else is known.
    """

    address: str | None = None
    language: str | None = None
    items: Sequence[ShownSubscription] = ()
    current: ShownSubscription | None = None
    is_daily: bool = False
    suppressed_for: SuppressedFor | None = None


@private_read
async def load_overview(unit: PrivateRead, token: str) -> Overview:
    """Return the subscriptions of the address of a link.

    Raises:
        NotFound: the link is forged, or too old.
    """
    current, address = await _read_token(unit, token)
    if address is None:
        return Overview()
    found = await subscriptions.list_of_address(unit, address.id)
    items = await describe_subscriptions(unit, found)
    return Overview(
        address=unit.keyring.unseal(address.email_sealed).masked(),
        language=(current or found[0]).language if found else None,
        items=items,
        current=next((item for item in items if current and item.id == current.id), None),
        is_daily=any(one.daily for one in found),
        suppressed_for=address.suppressed_for,
    )


async def describe_subscriptions(unit: PrivateRead, found: Sequence[Subscription]) -> list[ShownSubscription]:
    """Return subscriptions as their owner sees them, in the same order."""
    of_threads = await threads.get_many(unit, sorted({one.thread_id for one in found if one.thread_id}))
    directory = await resolve.read_directory.within(unit)
    items = []
    for one in found:
        site, thread = directory.by_id(one.site_id), of_threads.get(one.thread_id or "")
        items.append(
            ShownSubscription(
                id=one.id,
                scope=one.scope,
                site=site.name,
                page=name_page(directory, site, thread.key if thread else None),
                created_at=one.created_at,
                is_confirmed=one.confirmed_at is not None,
            )
        )
    return items


@write
async def change_subscriptions(unit: Write, token: str, change: Change, subscription_id: str | None = None) -> str:
    """Change what the address of a link gets; return the token of the page that shows it.

    ``stop`` ends one subscription of the address. ``allow`` ends only a suppression that the owner asked for.

    Raises:
        NotFound: the link is forged, or too old.
    """
    current, address = await _read_token(unit, token)
    if address is None:
        return token
    if change == "stop":
        stopped = await subscriptions.get(unit, subscription_id) if subscription_id else None
        if stopped and stopped.address_id == address.id:
            await subscriptions.delete(unit, stopped.id)
            current = None if current and current.id == stopped.id else current
    elif change == "stop_all":
        await _suppress(unit, address)
    elif change == "allow":
        if address.suppressed_for == "request":
            await addresses.lift_suppression(unit, address.id)
    else:
        await subscriptions.set_daily(unit, address.id, daily=change == "daily")
    return token if current else create_page_token(unit, address.id)


@write
async def unsubscribe(unit: Write, token: str) -> None:
    """End the subscription of a link, or all mail if the link is that of an address. Doing it again changes nothing.

    Raises:
        NotFound: the link is forged, or too old.
    """
    current, address = await _read_token(unit, token)
    if current:
        await subscriptions.delete(unit, current.id)
    elif address:
        await _suppress(unit, address)


def create_page_token(env: Environment, address_id: str) -> str:
    """Return a token for the page of an address, for a day."""
    return env.keyring.token("unsubscribe", address_id, env.clock() + timedelta(hours=PAGE_HOURS))


async def _suppress(unit: Write, address: Address) -> None:
    """Stop all mail. The subscriptions stay, so that the owner can allow them again."""
    if not address.suppressed_at:
        await addresses.suppress(unit, address.id, "request", unit.now())


async def _read_token(unit: PrivateRead, token: str) -> tuple[Subscription | None, Address | None]:
    """Return the subscription and the address of a token. Without both, it is that of a subscription that ended."""
    subject = unit.keyring.subject("unsubscribe", token, unit.clock())
    if subject is None:
        raise NotFound
    current = await subscriptions.get(unit, subject)
    return current, await addresses.get(unit, current.address_id if current else subject)
