"""JSON responses, entity tags, and the kind of response a request wants."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from commentsvc.web.server.routing import FORM, GZIP, HTML, JSON


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
    everything = (header or "").strip() == "*"

    def held(tag: str) -> str | None:
        return tag if everything else next((form for form in (tag, f"{tag}{GZIP}") if form in listed), None)

    return held


def is_navigation(request: web.Request) -> bool:
    """Tell whether a browser navigates here, rather than a script fetching."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode:
        return mode == "navigate"
    accept = request.headers.get(hdrs.ACCEPT, "")
    return request.content_type == FORM and HTML in accept and not wants_fragment(request)


def wants_fragment(request: web.Request) -> bool:
    """Tell whether a script asks for HTML to insert; a browser that navigates does not accept problem+json."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return accept.startswith(HTML) and "application/problem+json" in accept
