"""Responses that caches may keep: entity tags, compression, 304 Not Modified."""

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from commentsvc.comments import read
from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.web.server.answer_cache import AnswerCache
from commentsvc.web.server.responses import match_etag
from commentsvc.web.server.routing import GZIP, JSON, SERVICE, VISIT

CACHE_PUBLIC: Final = "public, max-age=10, stale-while-revalidate=60"
MIN_COMPRESSED: Final = 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
ANSWER_CACHE: Final = web.AppKey("bodies", AnswerCache)


async def respond_with_thread(
    request: web.Request,
    query: ThreadQuery,
    form: str,
    render: Callable[[ThreadPage], Awaitable[bytes]],
    *,
    links: bool = False,
    own: str | None = None,
    kind: str = JSON,
    vary: str = "Authorization",
) -> web.Response:
    """Return a thread in some form; it is rendered from its listing only if the cache has no body.

    ``form`` names everything that the body depends on besides the thread's state and the query. With ``links``, the
    body also depends on the address of the service, and on the site's name if there are several.
    """
    cache, gzipped = request.app[ANSWER_CACHE], accepts_gzip(request)
    find_tag = match_etag(request.headers.get(hdrs.IF_NONE_MATCH))
    cached: dict[str, bytes | None] = {}

    def variant(within: str | None) -> str:
        return f"{form}.{_digest_links(request, within)}" if links else form

    def known(tag: str, within: str | None) -> bool:
        cached[tag] = cache.get((tag, query, variant(within), gzipped))
        return find_tag(f"{tag}-{variant(within)}") is not None or cached[tag] is not None

    page = await read.list_thread(request.app[SERVICE], query, request[VISIT], own=own, seen=known)
    if page.private:
        private = {hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=await render(page), content_type=kind, charset=_charset(kind), headers=private)
    body = cached.get(page.tag)
    if page.listing is not None:
        body = compress(await render(page), gzipped=gzipped)
        if page.listing.comments:
            cache.put((page.tag, query, variant(page.within), gzipped), body)
    tag = f"{page.tag}-{variant(page.within)}"
    return cacheable(body, tag, find_tag(tag), kind=kind, vary=vary)


def _digest_links(request: web.Request, within: str | None) -> str:
    text = f"{request.app[SERVICE].config.own_url}\n{within or ''}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def accepts_gzip(request: web.Request) -> bool:
    """Return whether the client accepts gzip (RFC 9110, 12.5.3)."""
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None


def compress(body: bytes, *, gzipped: bool) -> bytes:
    """Return a body, compressed if the client accepts that and it saves enough."""
    worth = gzipped and len(body) >= MIN_COMPRESSED
    return gzip.compress(body, compresslevel=5, mtime=0) if worth else body


def cacheable(
    body: bytes | None, tag: str, matched_tag: str | None, *, kind: str = JSON, vary: str = "Authorization"
) -> web.Response:
    """Return a response that caches may keep, or 304 if the client has it (RFC 9110, 15.4.5)."""
    headers = {hdrs.CACHE_CONTROL: CACHE_PUBLIC, hdrs.VARY: ", ".join(filter(None, [hdrs.ACCEPT_ENCODING, vary]))}
    if matched_tag is not None or body is None:
        return web.Response(status=304, headers=headers | {hdrs.ETAG: f'"{matched_tag}"'})
    if body.startswith(GZIP_MAGIC):
        headers |= {hdrs.CONTENT_ENCODING: "gzip", hdrs.ETAG: f'"{tag}{GZIP}"'}
    else:
        headers |= {hdrs.ETAG: f'"{tag}"'}
    return web.Response(body=body, content_type=kind, charset=_charset(kind), headers=headers)


def _charset(kind: str) -> str | None:
    # JSON is always UTF-8 and has no charset parameter (RFC 8259, 11).
    return None if kind == JSON else "utf-8"
