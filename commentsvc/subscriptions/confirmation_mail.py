"""The contents of a mail that asks for a confirmation: page and request, and no text from the form."""

from datetime import datetime

from msgspec import Struct

from commentsvc.domain import urls
from commentsvc.domain.deliveries import Parcel, SubscriptionScope
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.models import Site
from commentsvc.domain.timestamps import parse_time
from commentsvc.service import private_read
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.storage import addresses, confirmations, subscriptions, threads
from commentsvc.storage.database import PrivateRead

MOST_PATH = 100  # characters of a path in a mail


class Question(Struct, frozen=True, kw_only=True):
    """A question to the owner of an address."""

    to: Email
    language: str
    site: str  # its name
    page: str  # host and path, or the name of the site
    scope: SubscriptionScope
    confirmation_id: str
    address_id: str
    expires_at: str

    @property
    def until(self) -> datetime:
        """When the link stops working."""
        return parse_time(self.expires_at)


@private_read
async def load_question(unit: PrivateRead, parcel: Parcel) -> Question | None:
    """Return what a parcel asks; None if there is nothing to confirm any more: it was done, has expired or was erased.

    A request that joined the confirmation later is on the page of the link only.
    """
    found = await confirmations.get(unit, parcel.owner) if parcel.owner else None
    if found is None or found.used_at or found.expires_at <= unit.now():
        return None
    address = await addresses.get(unit, found.address_id)
    asked = [one for one in await subscriptions.list_of_confirmation(unit, found.id) if not one.confirmed_at]
    to = unit.keyring.unseal(address.email_sealed) if address and not address.suppressed_at else UNREADABLE
    if to == UNREADABLE or not asked:
        return None
    directory = await resolve.read_directory.within(unit)
    site = directory.by_id(found.site_id)
    thread = await threads.get(unit, found.thread_id) if found.thread_id else None
    return Question(
        to=to,
        language=found.language,
        site=site.name,
        page=name_page(directory, site, thread.key if thread else None),
        scope=asked[0].scope,
        confirmation_id=found.id,
        address_id=found.address_id,
        expires_at=found.expires_at,
    )


def name_page(directory: SiteDirectory, site: Site, key: str | None) -> str:
    """Return the host and path of a page: ``blog.example/a-post``. Without a public host: the name of the site.

    A key that is no path may be any text that a stranger typed, and so may a query: they are left out.
    """
    hosts = sorted(urls.host_of(origin) for origin in directory.hosts_of(site))
    host = next((one for one in hosts if not urls.is_local(one)), None)
    if host is None:
        return site.name
    path = key.partition("?")[0] if key and key.startswith("/") else ""
    return host + (path if len(path) <= MOST_PATH else f"{path[:MOST_PATH]}…")
