"""Answers that caches may keep: their tags, their compressed forms, and when what somebody has is still right."""

import gzip
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import hdrs, web

from commentsvc.comments import read
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.web.server.answer_cache import Bodies
from commentsvc.web.server.responses import tags_of
from commentsvc.web.server.routing import GZIP, JSON, SERVICE, VISIT

KEEP: Final = "public, max-age=10, stale-while-revalidate=60"
WORTH_PACKING: Final = 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
BODIES: Final = web.AppKey("bodies", Bodies)


async def thread_in_form(
    request: web.Request,
    query: ThreadQuery,
    form: str,
    made: Callable[[Any], Awaitable[bytes]],
    *,
    own: str | None = None,
    kind: str = JSON,
    vary: str = "Authorization",
) -> web.Response:
    """A thread in some form, made from its listing only where the finished answer is not kept.

    ``form`` names everything that the answer depends on beside the thread's state and the query.
    """
    bodies, held, packs = request.app[BODIES], tags_of(request.headers.get(hdrs.IF_NONE_MATCH)), takes_gzip(request)
    kept: dict[str, bytes | None] = {}

    def known(tag: str) -> bool:
        kept[tag] = bodies.find((tag, query, form, packs))
        return held(f"{tag}-{form}") is not None or kept[tag] is not None

    page = await read.list_thread(request.app[SERVICE], query, request[VISIT], own=own, seen=known)
    if page.private:
        private = {hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=await made(page.listing), content_type=kind, charset=_charset(kind), headers=private)
    body = kept.get(page.tag)
    if page.listing is not None:
        body = packed(await made(page.listing), packs=packs)
        if page.listing.comments:
            bodies.keep((page.tag, query, form, packs), body)
    tag = f"{page.tag}-{form}"
    return cacheable(body, tag, held(tag), kind=kind, vary=vary)


def takes_gzip(request: web.Request) -> bool:
    """Whether whoever asks can unpack gzip (RFC 9110, 12.5.3)."""
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None


def packed(body: bytes, *, packs: bool) -> bytes:
    """A body as it travels: compressed where that is understood and worth it."""
    worth = packs and len(body) >= WORTH_PACKING
    return gzip.compress(body, compresslevel=5, mtime=0) if worth else body


def cacheable(
    body: bytes | None, tag: str, held: str | None, *, kind: str = JSON, vary: str = "Authorization"
) -> web.Response:
    """An answer that caches may keep; where they hold it already, that it is still right (RFC 9110, 15.4.5)."""
    headers = {hdrs.CACHE_CONTROL: KEEP, hdrs.VARY: ", ".join(filter(None, [hdrs.ACCEPT_ENCODING, vary]))}
    if held is not None or body is None:
        return web.Response(status=304, headers=headers | {hdrs.ETAG: f'"{held}"'})
    if body.startswith(GZIP_MAGIC):
        headers |= {hdrs.CONTENT_ENCODING: "gzip", hdrs.ETAG: f'"{tag}{GZIP}"'}
    else:
        headers |= {hdrs.ETAG: f'"{tag}"'}
    return web.Response(body=body, content_type=kind, charset=_charset(kind), headers=headers)


def _charset(kind: str) -> str | None:
    """JSON is UTF-8 and has no parameter that says so (RFC 8259, 11)."""
    return None if kind == JSON else "utf-8"
