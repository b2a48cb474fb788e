"""Read the body of a request, also as much of it as a page can show again if it is refused."""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web

from commentsvc.domain.errors import MalformedRequest, Refusal, TooLarge, TooSlow, Unavailable, UnsupportedMediaType
from commentsvc.web.server import forms
from commentsvc.web.server.responses import is_navigation
from commentsvc.web.server.routing import BODY, MOST_BYTES

BODY_SECONDS: Final = 10.0
# Of a form that is too large, as much is read, so that the page with the error can show it again.
SHOWN_AGAIN: Final = 1024 * 1024
# Of all requests that are being received: 64 networks with 64 connections each could send 256 MiB at once.
MAX_RECEIVED: Final = 64 * 1024 * 1024
LARGE_AT_ONCE: Final = 2  # forms that are too large, of all clients


class Received:
    """The memory of the bodies of all requests that are in work."""

    def __init__(self) -> None:
        self._bytes = 0
        self._large = 0

    def add(self, request: web.Request, chunk: bytes) -> None:
        """Add a piece to the body of a request. It counts until ``release``.

        Raises:
            Unavailable: too much is being received at once.
        """
        request[COLLECTED] += chunk
        self._bytes += len(chunk)
        if self._bytes > MAX_RECEIVED:
            raise Unavailable("Too many requests are arriving at once. Please try again.")

    def may_be_large(self, request: web.Request) -> bool:
        """Return whether a body may have more bytes than its route takes."""
        if LARGE not in request and self._large < LARGE_AT_ONCE:
            request[LARGE] = True
            self._large += 1
        return LARGE in request

    def release(self, request: web.Request) -> None:
        """Stop counting the body of a request."""
        self._bytes -= len(request.get(COLLECTED, b""))
        self._large -= LARGE in request


COLLECTED: Final = web.RequestKey("collected", bytearray)
LARGE: Final = web.RequestKey("large", bool)
RECEIVED: Final = web.AppKey("received", Received)


async def read_body(request: web.Request, most: int, *, again: bool = True) -> None:
    """Read the body, of at most ``most`` bytes, into ``request[BODY]``: also as much of it as a refusal allows.

    ``again``: of a browser's form that is too large, read more, so that a page can show it again.

    Raises:
        UnsupportedMediaType: it is compressed.
        TooLarge: it is too long.
        TooSlow: it takes longer than ``BODY_SECONDS``.
        MalformedRequest: it is not the form that its content type says, or its chunks cannot be read.
        Unavailable: too much is being received at once.
    """
    if not request.body_exists:
        return
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Send the body unencoded.", accept_encoding="identity")
    kept = max(most, SHOWN_AGAIN) if again and is_navigation(request) else most
    if (request.content_length or 0) > most and kept == most:
        raise TooLarge
    received, body = request.app[RECEIVED], bytearray()
    request[COLLECTED] = body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                received.add(request, chunk)
                if len(body) > most and (len(body) > kept or not received.may_be_large(request)):
                    break
    except TimeoutError:
        request.protocol._lingering_time = 0  # noqa: SLF001 -- the rest of the body would get as much time again
        raise TooSlow from None
    except web.RequestPayloadError:
        raise MalformedRequest("The body ends too early, or its chunks cannot be read.") from None
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
