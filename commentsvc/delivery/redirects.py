"""Find where the pages of threads are now, by the redirects of their blog."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urljoin

from msgspec import Struct

from commentsvc.delivery.outbound import Outbound
from commentsvc.domain import urls
from commentsvc.domain.models import Principal, ReadableThread, Site
from commentsvc.domain.networks import parse_networks
from commentsvc.moderation.thread_moves import PAGE, Move, read_page
from commentsvc.service import Service
from commentsvc.sites import resolve

AT_ONCE: Final = 8  # requests: more would be rude to a small blog
MOST_REDIRECTS: Final = 5
MOVED_FOR_GOOD: Final = frozenset({301, 308})  # RFC 9110, 15.4: others say that the address stays
FOUND: Final = 200

Follow = Callable[[ReadableThread], Awaitable["Move | Unreached | None"]]


class Unreached(Struct, frozen=True, kw_only=True):
    """A page whose new address could not be found."""

    address: str
    problem: str


class Redirects(Struct, kw_only=True):
    """The pages that have moved, and those that could not be reached."""

    checked: int
    moves: list[Move]
    unreached: list[Unreached]


async def find_moves(service: Service, who: Principal, site_name: str | None) -> Redirects:
    """Ask for the page of every thread of a site, and follow permanent redirects within its origins.

    Only addresses on the site's origins are asked for, and only hosts of the internet, unless a setting allows more.

    Raises:
        Invalid: for the field ``site``.
    """
    directory = await resolve.read_directory(service)
    site = resolve.require_site(directory, who, site_name) if site_name else resolve.resolve_site(directory, None, None)
    client, limit = Outbound(parse_networks(service.config.outbound_allow)), asyncio.Semaphore(AT_ONCE)

    async def follow(thread: ReadableThread) -> Move | Unreached | None:
        async with limit:
            return await _follow(client, directory, site, thread.url or "")

    try:
        return await _find_all(service, who, site, follow)
    finally:
        await client.close()


async def _find_all(service: Service, who: Principal, site: Site, follow: Follow) -> Redirects:
    found, before = Redirects(checked=0, moves=[], unreached=[]), None
    while True:
        page = await read_page(service, who, site, before)
        results = await asyncio.gather(*(follow(thread) for thread in page if thread.url))
        found.checked += len(results)
        found.moves += [one for one in results if isinstance(one, Move)]
        found.unreached += [one for one in results if isinstance(one, Unreached)]
        if len(page) < PAGE:
            return found
        before = page[-1].id


async def _follow(
    client: Outbound, directory: resolve.SiteDirectory, site: Site, start: str
) -> Move | Unreached | None:
    address = start
    for _ in range(MOST_REDIRECTS + 1):
        if not _is_of(directory, site, address):
            return Unreached(address=start, problem="It leads to another host, which is no origin of the site.")
        answer = await client.get(address)
        if answer.status == FOUND:
            return None if _is_same(address, start) else Move(start, address)
        if answer.status not in MOVED_FOR_GOOD or not answer.location:
            return Unreached(address=start, problem=answer.error or f"It answers with status {answer.status}.")
        address = urljoin(address, answer.location)
    return Unreached(address=start, problem="It leads from one redirect to the next.")


def _is_of(directory: resolve.SiteDirectory, site: Site, address: str) -> bool:
    owner = directory.by_origin(urls.origin_of(address)) if urls.is_address(address) else None
    return owner is not None and owner.id == site.id


def _is_same(one: str, other: str) -> bool:
    """Return whether two addresses have one thread and are on one host."""
    refs = urls.parse_thread(one), urls.parse_thread(other)
    return refs[0].name == refs[1].name and refs[0].host == refs[1].host
