"""The redirect after a form was posted without a script, and the page it leads to."""

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
from commentsvc.domain.models import Site, Thread
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory, ThreadPlace
from commentsvc.web.server.routing import SERVICE, VISIT

RECEIPT_MINUTES: Final = 60
# A path and a query without another address inside: ?p=12 or ?page=a-post, but no encoded slash or colon. The query has
# no capital letter in its values, so no Base64 of an address either.
PLAIN_ADDRESS: Final = re.compile(
    r"(?:/(?:[^/?#:%]|%(?!2[5Ff]|3[Aa]|5[Cc])[0-9A-Fa-f]{2})+)*/?"
    r"(?:\?[A-Za-z_]+=[a-z0-9-]+(?:&[A-Za-z_]+=[a-z0-9-]+)*)?"
)
# Browsers interpret some of these in another way than Python, or reject them.
UNSAFE_IN_URL: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f\"<>\\^`{|}]")


async def redirect_after_post(request: web.Request, draft: NewComment, receipt: Receipt) -> web.Response:
    """Redirect a browser to ``redirect_to`` if that is on the site's origins, else to the thread's page.

    The thread's page shows the commenter's own comment. A page of the site gets the result in the fragment:
    ``#comment-<id>`` for a published comment, ``#comment-pending`` for a pending one.
    """
    directory = await resolve.read_directory(request.app[SERVICE])
    place = resolve.resolve_thread(directory, draft.thread, draft.site, request[VISIT].origin)
    page = _on_site(directory, place, draft.redirect_to, request[VISIT].origin)
    if page:
        target = f"{page}#comment-{receipt.id if receipt.status == 'approved' else 'pending'}"
    else:
        token = _receipt_token(request.app[SERVICE], receipt.id)
        site = site_to_say(directory, draft.thread, draft.site, request[VISIT].origin)
        lang, mail = request.query.get("lang", ""), "1" if draft.subscribe else None
        target = f"{thread_page(draft.thread, site, receipt=token, mail=mail, lang=lang)}#comment-{receipt.id}"
    return web.Response(status=303, headers={hdrs.LOCATION: target, hdrs.CACHE_CONTROL: "no-store"})


def _on_site(directory: SiteDirectory, place: ThreadPlace, text: str | None, posted_from: str | None) -> str | None:
    """Return an address on one of the site's origins, encoded for a header; None if it is anything else.

    A path belongs to the origin of the page that posted, or else to that of the thread's address, or else to the only
    origin of the site. An origin that only a wildcard allows must have posted itself: anybody can have a page there.
    """
    if not text:
        return None
    if text.startswith("/") and not text.startswith("//"):
        posting = directory.requesting_site(posted_from) if posted_from else None
        origins = [posted_from] if posted_from and posting else _origins_of_thread(directory, place)
        text = f"{origins[0]}{text}" if len(origins) == 1 else text
    origin, page = find_page(directory, place.site, text) or ("", None)
    return None if directory.is_by_wildcard(origin) and origin != posted_from else page


def find_page(directory: SiteDirectory, site: Site, url: str) -> tuple[str, str] | None:
    """Return origin and address of a page, encoded for a header; None if it is not on one of the site's origins."""
    if UNSAFE_IN_URL.search(url):
        return None
    try:
        parts = urlsplit(url)
        origin = urls.parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
    owner = directory.by_origin(origin)
    if owner is None or owner.id != site.id:
        return None
    query = f"?{_quote(parts.query)}" if parts.query else ""
    return origin, f"{origin}{_quote(parts.path or '/')}{query}"


def _origins_of_thread(directory: SiteDirectory, place: ThreadPlace) -> list[str]:
    """Return the origin of the thread's address, or else all that its site lists."""
    listed, parts = directory.hosts_of(place.site), urlsplit(place.ref.url or "")
    return [origin for origin in listed if origin == f"{parts.scheme}://{parts.netloc}"] or listed


def site_address(directory: SiteDirectory, site: Site, origin: str | None) -> str | None:
    """Return the origin at which people read a site: the one they come from, or else a public one with https."""
    known = directory.hosts_of(site)
    if origin in known:
        return origin
    known.sort(key=lambda one: (urls.is_local(urls.host_of(one)), not one.startswith("https:")))
    return known[0] if known else None


def confirmed_address(directory: SiteDirectory, site: Site, thread: Thread | None, sent_from: str | None) -> str | None:
    """Return the address of a page that gets the code of a confirmation; None if no safe one is known.

    It is on an origin that the site lists itself: under a wildcard, strangers have pages. Browsers keep a fragment when
    a page redirects, so no other address may be inside: /out?to=https://evil.example. Public pages have the same
    limit: a stranger named them, and rules may have approved the comment.
    """
    home = site_address(directory, site, None)
    if thread is None:
        return f"{home}/" if home else None
    approved = thread.url if thread.published_at else None
    named = f"{home}{thread.key}" if home and thread.key.startswith("/") else None
    return next((one for one in (approved, sent_from, named) if one and _is_safe(directory, site, one)), None)


def _is_safe(directory: SiteDirectory, site: Site, text: str) -> bool:
    if UNSAFE_IN_URL.search(text) or not text.isascii():
        return False
    parts = urlsplit(text)
    origin = f"{parts.scheme}://{parts.netloc}"
    owner = directory.by_origin(origin)
    is_listed = owner is not None and owner.id == site.id and not directory.is_by_wildcard(origin)
    return is_listed and PLAIN_ADDRESS.fullmatch(text.removeprefix(origin)) is not None


def _quote(text: str) -> str:
    return quote(text, safe="/%!$&'()*+,;=:@?-._~")


def _receipt_token(service: Service, comment_id: str) -> str:
    until = service.clock().timestamp() + RECEIPT_MINUTES * 60
    return service.keyring.token("receipt", comment_id, datetime.fromtimestamp(until).astimezone())


def thread_page(thread: str, site: str | None, **more: str | None) -> str:
    """Return the address of a thread's page; ``more`` are its other parameters."""
    query = {"thread": thread, "site": site, **more}
    return f"/t?{urlencode({name: value for name, value in query.items() if value})}"


def report_address(home: str, comment_id: str | None, thread: str, site: str | None, lang: str | None) -> str:
    """Return the address to which the page of a thread sends a report; it leads back to that page."""
    query = {"thread": thread, "site": site, "lang": lang}
    return f"{home}/v1/comments/{quote(comment_id or '')}/reports?{urlencode({k: v for k, v in query.items() if v})}"


def redirect_after_report(request: web.Request, comment_id: str) -> web.Response:
    """Redirect a browser to the page of the thread, which says that the report was received."""
    site, lang = request.query.get("site"), request.query.get("lang")
    target = thread_page(request.query.get("thread", ""), site, lang=lang, reported="1", at=comment_id)
    return web.Response(status=303, headers={hdrs.LOCATION: target, hdrs.CACHE_CONTROL: "no-store"})


def site_to_say(directory: SiteDirectory, thread: str, site: str | None, origin: str | None) -> str | None:
    """Return the site's name if a link to the thread must contain it: a link sends no origin.

    Raises:
        Refusal: as ``resolve_thread`` does.
    """
    if site or len(directory.sites) == 1 or urls.parse_thread(thread).host:
        return site
    return resolve.resolve_thread(directory, thread, site, origin).site.name


async def include_own_comment(service: Service, page: ThreadPage, own: str | None) -> ThreadTree:
    """Return a thread's page with the reader's own comment on it, even if that belongs to a later page.

    ``page`` is the first page of a tree.
    """
    listing = page.listing
    if not isinstance(listing, ThreadTree):
        raise TypeError("the page must be a tree")
    if own is None or any(node.id == own for node in flatten_tree(listing.comments)):
        return listing
    try:
        mine = await read.get_comment(service, own, service.keyring.token("edit", own))
    except (NotFound, Gone):
        return listing
    if mine.status is not msgspec.UNSET and page.basis is not None:
        return listing  # pending in another thread
    fields = {name: getattr(mine, name) for name in TreeComment.__struct_fields__ if name != "replies"}
    return msgspec.structs.replace(listing, comments=[*listing.comments, TreeComment(**fields)])


def flatten_tree(nodes: list[Any]) -> list[Any]:
    """Return every comment of a tree, parents before their replies."""
    return [one for node in nodes for one in (node, *flatten_tree(node.replies))]
