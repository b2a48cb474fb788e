"""Responses that caches may keep: entity tags, compression, 304 Not Modified."""

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from commentsvc.comments import read
from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.storage.public_state import Basis
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.responses import match_etag
from commentsvc.web.server.routing import BASIS, GZIP, HTML, JSON, ONLY_ORIGIN, SERVICE, VISIT, WHOLE

CACHE_PUBLIC: Final = "public, max-age=10, stale-while-revalidate=60"
MIN_COMPRESSED: Final = 1024
# https://www.fastly.com/documentation/reference/http/http-headers/Surrogate-Key/
SURROGATE_KEY: Final = "Surrogate-Key"


@dataclass(frozen=True)
class Body:
    """A body as it is sent, and its tag: a digest of the bytes, so equal content has an equal tag."""

    content: bytes
    tag: str
    gzipped: bool


async def respond_with_thread(
    request: web.Request,
    query: ThreadQuery,
    render: Callable[[ThreadPage], bytes],
    *,
    own: str | None = None,
    kind: str = JSON,
    vary: str = "",
) -> web.Response:
    """Return a page of a thread in some form. ``vary`` names the header that the form depends on."""
    page = await read.list_thread(request.app[SERVICE], query, request[VISIT], own=own, for_people=kind == HTML)
    size = min(query.limit, page.listing.thread.count) if kind == JSON else None
    if page.basis is None:
        content = await run_off_loop(lambda: render(page), size)
        private = {hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=content, content_type=kind, charset=_charset(kind), headers=private)
    depend_on(request, page.basis, page.origin)
    body = await run_off_loop(lambda: make_body(request, render(page)), size)
    return cacheable(request, body, kind=kind, vary=vary)


def depend_on(request: web.Request, basis: Basis, origin: str | None = None) -> None:
    """Let a response be kept until its basis changes. Only pages of ``origin`` can show it; None: see the request."""
    request[BASIS] = basis
    if origin is not None:
        request[ONLY_ORIGIN] = origin


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Return whether the client accepts gzip (RFC 9110, 12.5.3)."""
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None


def make_body(request: web.Request, content: bytes) -> Body:
    """Return a body, compressed if the client accepts that and it saves enough."""
    tag = hashlib.blake2b(content, digest_size=12).hexdigest()
    if accepts_gzip(request) and len(content) >= MIN_COMPRESSED:
        return Body(gzip.compress(content, compresslevel=5, mtime=0), tag, gzipped=True)
    return Body(content, tag, gzipped=False)


def cacheable(request: web.Request, body: Body, *, kind: str = JSON, vary: str = "") -> web.Response:
    """Return a response that caches may keep, or 304 if the client has it (RFC 9110, 15.4.5)."""
    varied = ", ".join(filter(None, [hdrs.ACCEPT_ENCODING, vary]))
    headers: dict[str, str] = {hdrs.CACHE_CONTROL: CACHE_PUBLIC, hdrs.VARY: varied}
    if request.app[SERVICE].config.surrogate_keys == "on" and BASIS in request:
        headers[SURROGATE_KEY] = " ".join(request[BASIS].keys)
    asked = None if request.get(WHOLE) else request.headers.get(hdrs.IF_NONE_MATCH)
    matched_tag = match_etag(asked)(body.tag)
    if matched_tag is not None:
        return web.Response(status=304, headers=headers | {hdrs.ETAG: f'"{matched_tag}"'})
    if body.gzipped:
        headers |= {hdrs.CONTENT_ENCODING: "gzip"}
    headers |= {hdrs.ETAG: f'"{body.tag}{GZIP if body.gzipped else ""}"'}
    return web.Response(body=body.content, content_type=kind, charset=_charset(kind), headers=headers)


def _charset(kind: str) -> str | None:
    # JSON is always UTF-8 and has no charset parameter (RFC 8259, 11).
    return None if kind == JSON else "utf-8"
