"""Read the body of a request, also as much of it as a page can show again if it is refused."""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web

from commentsvc.domain.errors import Refusal, TooLarge, TooSlow, UnsupportedMediaType
from commentsvc.web.server import forms
from commentsvc.web.server.responses import is_navigation
from commentsvc.web.server.routing import BODY, MOST_BYTES

BODY_SECONDS: Final = 10.0
# Of a form that is too large, as much is read, so that the page with the error can show it again.
SHOWN_AGAIN: Final = 1024 * 1024


async def read_body(request: web.Request, most: int) -> None:
    """Read the body, of at most ``most`` bytes, into ``request[BODY]``: also as much of it as a refusal allows.

    Raises:
        UnsupportedMediaType: it is compressed.
        TooLarge: it is too long.
        TooSlow: it takes longer than ``BODY_SECONDS``.
        MalformedRequest: it is not the form that its content type says.
    """
    if not request.body_exists:
        return
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Send the body unencoded.", accept_encoding="identity")
    kept = max(most, SHOWN_AGAIN) if is_navigation(request) else most
    if (request.content_length or 0) > most and kept == most:
        raise TooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > kept:
                    break
    except TimeoutError:
        raise TooSlow from None
    finally:
        request[BODY] = forms.normalise_form(request.headers.get(hdrs.CONTENT_TYPE, ""), bytes(body[:kept]))
    if len(body) > most:
        raise TooLarge


async def read_refused_form(request: web.Request) -> bytes:
    """Return what was typed into a form that no handler has read, such as one for an unknown address."""
    if BODY not in request:
        with suppress(Refusal):
            await read_body(request, MOST_BYTES)
    body: bytes = request.get(BODY, b"")
    return body
