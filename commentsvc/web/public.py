"""What a blog's readers and writers call."""

import gzip
import hashlib
import re
from typing import Any, Final

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
from commentsvc.web import guards, pages
from commentsvc.web.endpoint import JSON, SERVICE, VISIT, navigating, respond, tags_of

CACHE: Final = "public, max-age=10, stale-while-revalidate=60"
WORTH_PACKING: Final = 1024


async def post_reply(request: web.Request, draft: Draft) -> web.Response:
    """Write a reply.

    201: it is shown. 202: it waits to be read. 303: a browser without script is led to the thread's page.
    """
    receipt = await posting.post_reply(request.app[SERVICE], draft, request[VISIT])
    if navigating(request):
        return pages.lead_to_thread(request, draft, receipt)
    status = 201 if receipt.status == "approved" else 202
    return respond(receipt, status, {hdrs.LOCATION: f"/v1/comments/{receipt.id}"})


async def list_thread(request: web.Request, query: ThreadQuery) -> web.Response:
    """Read a thread. One that nobody has written in yet is empty.

    With a writer's edit token, their own waiting comment stands among the others.
    """
    token = guards.bearer(request)
    service = request.app[SERVICE]
    own = service.keyring.subject("edit", token, service.clock()) if token else None
    named = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))
    page = await reading.list_thread(
        service,
        query,
        request[VISIT],
        own=own,
        seen=lambda tag: named(f"{tag}-{query.view}") or named(f"{tag}-{query.view}-gzip"),
    )
    if page.private:
        return respond(page.listing)
    return cacheable(request, page.listing, f"{page.tag}-{query.view}")


def cacheable(request: web.Request, answer: Any, tag: str) -> web.Response:
    """An answer that caches may keep; without one, that what they keep is still right (RFC 9110, 15.4.5)."""
    packs = re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    body = b"" if answer is None else msgspec.json.encode(answer)
    packed = bool(packs) and (answer is None or len(body) >= WORTH_PACKING)
    headers = {
        hdrs.CACHE_CONTROL: CACHE,
        hdrs.ETAG: f'"{tag}-gzip"' if packed else f'"{tag}"',
        hdrs.VARY: "Accept-Encoding, Authorization",
    }
    if answer is None:
        return web.Response(status=304, headers=headers)
    if packed:
        body = gzip.compress(body, compresslevel=5, mtime=0)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body, content_type=JSON, headers=headers)


async def get_comment(request: web.Request) -> PublicComment:
    """Read one comment. Its writer, by the edit token, also sees it while it waits."""
    return await reading.get_comment(request.app[SERVICE], request.match_info["id"], guards.bearer(request))


async def edit_comment(request: web.Request, words: Edit) -> Receipt:
    """Give one's own comment other words, for a while; it is judged anew."""
    return await revising.edit(request.app[SERVICE], request.match_info["id"], guards.bearer(request), words)


async def withdraw_comment(request: web.Request) -> None:
    """Take one's own comment back, for a while; it is erased."""
    await revising.withdraw(request.app[SERVICE], request.match_info["id"], guards.bearer(request))


async def count(request: web.Request, query: CountsQuery) -> Counts:
    """Count the approved comments of up to 200 threads."""
    return await reading.count(request.app[SERVICE], query, request[VISIT])


async def list_latest(request: web.Request, query: LatestQuery) -> web.Response:
    """Read a site's latest comments, newest first."""
    latest = await reading.latest(request.app[SERVICE], query, request[VISIT])
    tag = hashlib.blake2b(msgspec.json.encode(latest), digest_size=12).hexdigest()
    named = tags_of(request.headers.get(hdrs.IF_NONE_MATCH))
    unchanged = named(tag) or named(f"{tag}-gzip")
    return cacheable(request, None if unchanged else latest, tag)


async def preview(_request: web.Request, words: Preview) -> Rendered:
    """See what Markdown becomes."""
    return reading.preview(words)
