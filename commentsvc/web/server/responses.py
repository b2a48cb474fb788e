"""Responses, entity tags, and what kind of answer a request wants."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from commentsvc.web.server.routing import FORM, GZIP, HTML, JSON


def respond(answer: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer as JSON that nothing keeps, unless the headers say otherwise."""
    if answer is None:
        return web.Response(status=204)
    return web.Response(
        status=status,
        body=msgspec.json.encode(answer),
        content_type=JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def tags_of(header: str | None) -> Callable[[str], str | None]:
    """Which form of a tag, plain or compressed, an ``If-None-Match`` names (RFC 9110, 13.1.2: compared weakly)."""
    named = set(re.findall(r'"([^"]*)"', header or ""))
    everything = (header or "").strip() == "*"

    def held(tag: str) -> str | None:
        return tag if everything else next((form for form in (tag, f"{tag}{GZIP}") if form in named), None)

    return held


def navigating(request: web.Request) -> bool:
    """Whether a person's browser went here, rather than a script of a page's."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode:
        return mode == "navigate"
    accept = request.headers.get(hdrs.ACCEPT, "")
    return request.content_type == FORM and HTML in accept and not fragment_wanted(request)


def fragment_wanted(request: web.Request) -> bool:
    """Whether a script asks for HTML to put into its page. Browsers that go somewhere accept no problems in JSON."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return accept.startswith(HTML) and "application/problem+json" in accept
