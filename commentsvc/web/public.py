"""What a blog's readers and writers call."""

import gzip
import hashlib
import re
from typing import Final

import msgspec
from aiohttp import hdrs, web

from commentsvc import posting, reading, revising
from commentsvc.shapes import (
    Counts,
    CountsQuery,
    Draft,
    Edit,
    LatestQuery,
    Preview,
    PublicComment,
    Receipt,
    Rendered,
    ThreadQuery,
)
from commentsvc.web import guards, leading
from commentsvc.web.bodies import Bodies
from commentsvc.web.endpoint import GZIP, JSON, SERVICE, VISIT, navigating, respond, tags_of

CACHE: Final = "public, max-age=10, stale-while-revalidate=60"
WORTH_PACKING: Final = 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
BODIES: Final = web.AppKey("bodies", Bodies)


async def post_reply(request: web.Request, draft: Draft) -> web.Response:
    """Write a reply.

    201: it is shown. 202: it waits to be read. 303: a browser without script is led to where it sees that.
    """
    receipt = await posting.post_reply(request.app[SERVICE], draft, request[VISIT])
    if navigating(request):
        return await leading.lead_on(request, draft, receipt)
    status = 201 if receipt.status == "approved" else 202
    return respond(receipt, status, {hdrs.LOCATION: f"/v1/comments/{receipt.id}"})


async def list_thread(request: web.Request, query: ThreadQuery) -> web.Response:
    """Read a thread. One that nobody has written in yet is empty.

    With a writer's edit token, their own waiting comment stands among the others.
    """
    token = guards.bearer(request)
    service, bodies = request.app[SERVICE], request.app[BODIES]
    own = service.keyring.subject("edit", token, service.clock()) if token else None
    held = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))
    packs = takes_gzip(request)
    kept: dict[str, bytes | None] = {}

    def known(tag: str) -> bool:
        kept[tag] = bodies.find((tag, query, packs))
        return held(f"{tag}-{query.view}") is not None or kept[tag] is not None

    page = await reading.list_thread(service, query, request[VISIT], own=own, seen=known)
    if page.private:
        return respond(page.listing)
    body = kept.get(page.tag)
    if page.listing is not None:
        body = packed(msgspec.json.encode(page.listing), packs=packs)
        if page.listing.comments:
            bodies.keep((page.tag, query, packs), body)
    return cacheable(body, f"{page.tag}-{query.view}", held(f"{page.tag}-{query.view}"))


def takes_gzip(request: web.Request) -> bool:
    """Whether whoever asks can unpack gzip (RFC 9110, 12.5.3)."""
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    return re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accepted) is not None


def packed(body: bytes, *, packs: bool) -> bytes:
    """A body as it travels: compressed where that is understood and worth it."""
    worth = packs and len(body) >= WORTH_PACKING
    return gzip.compress(body, compresslevel=5, mtime=0) if worth else body


def cacheable(body: bytes | None, tag: str, held: str | None) -> web.Response:
    """An answer that caches may keep; where they hold it already, that it is still right (RFC 9110, 15.4.5)."""
    headers = {hdrs.CACHE_CONTROL: CACHE, hdrs.VARY: "Accept-Encoding, Authorization"}
    if held is not None or body is None:
        return web.Response(status=304, headers=headers | {hdrs.ETAG: f'"{held}"'})
    if body.startswith(GZIP_MAGIC):
        headers |= {hdrs.CONTENT_ENCODING: "gzip", hdrs.ETAG: f'"{tag}{GZIP}"'}
    else:
        headers |= {hdrs.ETAG: f'"{tag}"'}
    return web.Response(body=body, content_type=JSON, headers=headers)


async def get_comment(request: web.Request) -> PublicComment:
    """Read one comment. Its writer, by the edit token, also sees it while it waits."""
    return await reading.get_comment(request.app[SERVICE], request.match_info["id"], guards.bearer(request))


async def edit_comment(request: web.Request, words: Edit) -> Receipt:
    """Give one's own comment other words, for a while; it is judged anew."""
    return await revising.edit(
        request.app[SERVICE], request.match_info["id"], guards.bearer(request), words, request[VISIT]
    )


async def withdraw_comment(request: web.Request) -> None:
    """Take one's own comment back, for a while; it is erased."""
    await revising.withdraw(request.app[SERVICE], request.match_info["id"], guards.bearer(request))


async def count(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads."""
    return await reading.count(request.app[SERVICE], query, request[VISIT])


async def list_latest(request: web.Request, query: LatestQuery) -> web.Response:
    """Read a site's latest comments, newest first."""
    latest = msgspec.json.encode(await reading.latest(request.app[SERVICE], query, request[VISIT]))
    tag = hashlib.blake2b(latest, digest_size=12).hexdigest()
    held = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))(tag)
    return cacheable(packed(latest, packs=takes_gzip(request)), tag, held)


async def preview(_request: web.Request, words: Preview) -> Rendered:
    """See what Markdown becomes."""
    return reading.preview(words)
