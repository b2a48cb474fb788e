"""The limits of request headers, around aiohttp's parser: their size in all, and the time that they take.

aiohttp limits each line and the number of lines, which together allow a megabyte, and no time at all.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import hdrs
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD

LINE_BYTES: Final = 8190  # of the request line or of one field
HEADER_BYTES: Final = 32 * 1024
END: Final = b"\r\n\r\n"


class HeaderTooLarge(BadHttpMessage):
    """The header of a request is larger than ``HEADER_BYTES``."""


class LimitedParser:
    """aiohttp's parser of the requests of one connection.

    ``header_since`` is when the first byte of a header arrived that is not complete, by ``time.monotonic``. None: no
    header has begun.
    """

    __slots__ = ("_body", "_left", "_parser", "_size", "header_since", "message_consumed", "refused")

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self.message_consumed = parser.message_consumed  # of each request: faster than ``__getattr__``
        self._size = 0  # bytes of the header that has begun
        self._body: Any = None  # of the last request, if it has one
        self._left: int | None = None  # bytes of it that are still to come, if that is known
        self.header_since: float | None = None
        self.refused = b""  # the bytes that could not be parsed, as far as a header may go

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> tuple[Sequence[tuple[Any, Any]], bool, bytes]:
        """Return the requests that are complete now, whether the connection is upgraded, and what follows then.

        Raises:
            HeaderTooLarge: a header is too large in all.
            HttpProcessingError: the bytes are no request.
        """
        in_header = self._body is None or self._body.is_eof()
        try:
            found: tuple[Sequence[tuple[Any, Any]], bool, bytes] = self._parser.feed_data(data)
        except HttpProcessingError:
            self.refused = data[:HEADER_BYTES]
            raise
        messages = found[0]
        if messages:
            # Without data: requests that waited in aiohttp's parser. Else a header that began earlier may be too large.
            if self.header_since is not None or not 0 < len(data) <= HEADER_BYTES:
                _refuse_large(messages)
            self._size = 0
            if messages[-1][1] is EMPTY_PAYLOAD and data.endswith(END):  # almost every request
                self._body = self.header_since = None
                return found
            self._body = messages[-1][1]
            self._left = _bytes_to_come(data, messages)
            self._note_end(data)
        elif in_header and data:
            self._size += len(data)
            if self._size > HEADER_BYTES:
                raise HeaderTooLarge("")
            self.header_since = self.header_since or time.monotonic()
        elif data:
            self._left = None if self._left is None else self._left - len(data)
            self._note_end(data)
        return found

    def _note_end(self, data: bytes) -> None:
        """Note whether the next header has begun in the bytes after a request; if that is not certain, it has."""
        is_clean = self._left == 0 or data.endswith(END) or not self._body.is_eof()
        self.header_since = None if is_clean else time.monotonic()


def _refuse_large(messages: Sequence[tuple[Any, Any]]) -> None:
    for message, _ in messages:
        if len(message.path) + sum(len(name) + len(value) + 4 for name, value in message.raw_headers) > HEADER_BYTES:
            raise HeaderTooLarge("")


def _bytes_to_come(data: bytes, messages: Sequence[tuple[Any, Any]]) -> int | None:
    """Return how much of the last request's body is not in this data; None if that is not known."""
    length = messages[-1][0].headers.get(hdrs.CONTENT_LENGTH, "0")
    end = data.find(END)  # of the header, unless that arrived in several pieces
    if len(messages) > 1 or end < 0 or not length.isdecimal():
        return None
    return int(length) - (len(data) - end - len(END))
