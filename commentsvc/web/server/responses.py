"""JSON responses, entity tags, and the kind of response that a client accepts."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from commentsvc.web.server.routing import FORMS, GZIP, HTML, JSON, TEXT


def respond(answer: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return JSON that no cache keeps, unless the headers say otherwise."""
    if answer is None:
        return web.Response(status=204)
    return web.Response(
        status=status,
        body=msgspec.json.encode(answer),
        content_type=JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def match_etag(header: str | None) -> Callable[[str], str | None]:
    """Return a function that finds a tag, plain or gzipped, in an ``If-None-Match`` (RFC 9110, 13.1.2: weakly)."""
    listed = set(re.findall(r'"([^"]*)"', header or ""))
    any_tag = (header or "").strip() == "*"

    def find_tag(tag: str) -> str | None:
        return tag if any_tag else next((form for form in (tag, f"{tag}{GZIP}") if form in listed), None)

    return find_tag


def is_navigation(request: web.Request) -> bool:
    """Return whether a browser navigates here, as opposed to a script that fetches."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode:
        return mode == "navigate"
    accept = request.headers.get(hdrs.ACCEPT, "")
    opens = request.method in {"GET", "HEAD"} or request.content_type in {*FORMS, TEXT}
    return opens and HTML in accept and not wants_fragment(request)


def wants_fragment(request: web.Request) -> bool:
    """Return whether a script requests HTML to insert. A browser that navigates does not accept problem+json."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return accept.startswith(HTML) and "application/problem+json" in accept
