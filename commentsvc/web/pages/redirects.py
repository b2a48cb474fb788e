"""Where a browser without script is led once its form was taken, and what its writer sees there."""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from aiohttp import hdrs, web

from commentsvc.comments import read
from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import NewComment, Receipt, ThreadTree, TreeComment
from commentsvc.domain import urls
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.web.server.routing import SERVICE, VISIT

RECEIPT_MINUTES: Final = 60
# Browsers read some of these as others than we do, or not at all.
AWKWARD: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f\"<>\\^`{|}]")


async def lead_on(request: web.Request, draft: NewComment, receipt: Receipt) -> web.Response:
    """Send a browser that posted to the page it asked for, if that is its site's own; else to the thread's page.

    The thread's page shows the writer's comment. A page of the site's own is told by the fragment:
    ``#comment-<id>`` for one that is shown, ``#comment-pending`` for one that waits.
    """
    everything = await resolve.read_directory(request.app[SERVICE])
    place = resolve.resolve_thread(everything, draft.thread, draft.site, request[VISIT].origin)
    page = _on_site(everything, place.site.id, draft.redirect_to)
    if page:
        target = f"{page}#comment-{receipt.id if receipt.status == 'approved' else 'pending'}"
    else:
        token = _receipt_token(request.app[SERVICE], receipt.id)
        site = site_to_say(everything, draft.thread, draft.site, request[VISIT].origin)
        lang = request.query.get("lang", "")
        target = f"{thread_page(draft.thread, site, receipt=token, lang=lang)}#comment-{receipt.id}"
    return web.Response(status=303, headers={hdrs.LOCATION: target, hdrs.CACHE_CONTROL: "no-store"})


def _on_site(everything: SiteDirectory, site_id: str, text: str | None) -> str | None:
    """An address on one of the site's own origins, as it stands in a header; None if it is anything else."""
    if not text or AWKWARD.search(text):
        return None
    try:
        parts = urlsplit(text)
        origin = urls.parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
    site = everything.by_origin(origin)
    if site is None or site.id != site_id:
        return None
    query = f"?{_encoded(parts.query)}" if parts.query else ""
    return f"{origin}{_encoded(parts.path or '/')}{query}"


def _encoded(text: str) -> str:
    return quote(text, safe="/%!$&'()*+,;=:@?-._~")


def _receipt_token(service: Service, comment_id: str) -> str:
    until = service.clock().timestamp() + RECEIPT_MINUTES * 60
    return service.keyring.token("receipt", comment_id, datetime.fromtimestamp(until).astimezone())


def thread_page(thread: str, site: str | None, **more: str | None) -> str:
    """The address of a thread's page: one part of it, a reply to be written, or what a writer alone sees."""
    asked = {"thread": thread, "site": site, **more}
    return f"/t?{urlencode({name: value for name, value in asked.items() if value})}"


def site_to_say(everything: SiteDirectory, thread: str, site: str | None, origin: str | None) -> str | None:
    """The site's name, if the thread's page could not know it without: a link carries no origin.

    Raises:
        Refused: as ``places.find`` does.
    """
    if site or len(everything.sites) == 1 or urls.parse_thread(thread).host:
        return site
    return resolve.resolve_thread(everything, thread, site, origin).site.name


async def with_own(service: Service, page: ThreadPage, own: str | None) -> ThreadTree:
    """A thread's page for the writer of the comment ``own``: it is there, also where the thread is longer.

    ``page`` is the first of a tree.
    """
    listing = page.listing
    if not isinstance(listing, ThreadTree):
        raise TypeError("a tree was asked for")
    if own is None or any(node.id == own for node in walk(listing.comments)):
        return listing
    try:
        mine = await read.get_comment(service, own, service.keyring.token("edit", own))
    except (NotFound, Gone):
        return listing
    if mine.status is not msgspec.UNSET and not page.private:
        return listing  # it waits in another thread
    shown = {name: getattr(mine, name) for name in TreeComment.__struct_fields__ if name != "replies"}
    return msgspec.structs.replace(listing, comments=[*listing.comments, TreeComment(**shown)])


def walk(nodes: list[Any]) -> list[Any]:
    """Every comment of a tree, in the order in which it is read."""
    return [found for node in nodes for found in (node, *walk(node.replies))]
