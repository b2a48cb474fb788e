"""Whole answers to public questions, kept in memory.

Without it, a list of 50 comments costs ten times as much as the answer itself: routing, parsing the query, a hop to a
reader's thread, encoding and headers. See docs/decisions/0057-whole-answers.md.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from random import getrandbits
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from commentsvc.storage.public_state import Basis
from commentsvc.web.server.responses import match_etag
from commentsvc.web.server.routing import REQUEST_ID_HEADER

MAX_BYTES: Final = 32 * 1024 * 1024
# Memory for an entry besides its bytes: the question, the state, and the dictionary's slots.
OVERHEAD: Final = 4096
LONG: Final = 64 * 1024  # bytes; a transport takes shorter bodies at once
# Made for each response.
OWN_HEADERS: Final = frozenset(
    name.lower() for name in (hdrs.DATE, hdrs.CONNECTION, hdrs.CONTENT_LENGTH, REQUEST_ID_HEADER)
)
ID_LINE: Final = f"{REQUEST_ID_HEADER}: ".encode()
OF_CONTENT: Final = frozenset(name.lower() for name in (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.ETAG))


class Answer:
    """The answer to a question, and what it depends on.

    ``number`` is what ``Database.count_changes`` returned before the answer was read: while that has not changed, the
    answer is current.
    """

    __slots__ = (
        "_asked",
        "_body",
        "_fill",
        "_full",
        "_head_304",
        "_ready",
        "_tag",
        "_unchanged",
        "basis",
        "number",
        "path",
        "size",
    )

    def __init__(
        self,
        path: str,
        response: web.Response,
        basis: Basis,
        number: int | None,
        fill: Callable[[], bytes] | None = None,
    ) -> None:
        """Keep a response with status 200.

        ``path`` is that of its route, for the log. If ``fill`` is given, it makes another body of this size each time.
        """
        self.path, self.basis, self.number = path, basis, number
        body: bytes = response.body or b""  # type: ignore[assignment]
        self._body, self._fill = b"" if fill else body, fill
        self._tag = response.headers.get(hdrs.ETAG, "").strip('"')
        self._full = _serialize(response, OWN_HEADERS)
        self._ready = self._with_length(self._body)
        self._unchanged = _serialize(response, OWN_HEADERS | OF_CONTENT)
        self._asked = ""
        self._head_304: bytes | None = None
        self.size = len(body) + 3 * len(self._full) + OVERHEAD  # bytes of memory, about

    def respond(self, request: web.BaseRequest) -> "KeptResponse":
        """Return the response to a request: all of it, or 304 if the client has it (RFC 9110, 13.1.2)."""
        asked = request.headers.get(hdrs.IF_NONE_MATCH)
        if asked is not None and self._tag:
            if asked != self._asked:  # most clients have the same tag
                self._asked, self._head_304 = asked, self._match(asked)
            if self._head_304 is not None:
                return KeptResponse(self.path, HTTPStatus.NOT_MODIFIED, self._head_304, b"")
        if self._fill is None:
            return KeptResponse(self.path, HTTPStatus.OK, self._ready, self._body)
        filled = self._fill()
        return KeptResponse(self.path, HTTPStatus.OK, self._with_length(filled), filled, shared=False)

    def _match(self, asked: str) -> bytes | None:
        """Return the head of the 304; None if the client does not have this answer."""
        matched = match_etag(asked)(self._tag)
        return None if matched is None else b'%sETag: "%s"\r\n' % (self._unchanged, matched.encode())

    def _with_length(self, body: bytes) -> bytes:
        return b"%sContent-Length: %d\r\n" % (self._full, len(body))


def _serialize(response: web.Response, without: frozenset[str]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in response.headers.items() if name.lower() not in without]
    return "".join(lines).encode("utf-8")


class KeptResponse(web.StreamResponse):
    """A response whose bytes are ready; only its date and its id are its own.

    It writes them to the connection itself: building and serialising headers would cost as much as all else.
    """

    def __init__(self, path: str, status: HTTPStatus, head: bytes, body: bytes, *, shared: bool = True) -> None:
        # Not super().__init__(), which takes longer than all else here: nobody reads or changes these headers.
        self._status, self._reason = int(status), status.phrase
        self.path = path
        self.request_id = f"{getrandbits(64):016x}"
        self.started = time.perf_counter()
        self._head, self._content = head, body
        self._is_shared = shared

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the response."""
        self._keep_alive = request.keep_alive
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        content = b"" if request.method == hdrs.METH_HEAD else self._content
        self._body_length = len(content)
        if len(content) > LONG:
            request.protocol.held = 0 if self._is_shared else len(content)  # type: ignore[attr-defined]  # of ours
        transport.writelines((self._start_of(request), content))
        if len(content) > LONG and not request.protocol.writing_paused:  # else ``resume_writing`` resets it
            request.protocol.held = None  # type: ignore[attr-defined]  # of ours
        self._content = content = b""  # aiohttp keeps this response until the next one of the connection is complete
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: ``prepare`` has written everything."""

    def _start_of(self, request: web.BaseRequest) -> bytes:
        version, connection = request.version, b""
        if not self._keep_alive:
            connection = b"Connection: close\r\n"
        elif version < HttpVersion11:
            connection = b"Connection: keep-alive\r\n"
        return b"HTTP/%d.%d %d %s\r\n%sDate: %s\r\n%s%s\r\n%s\r\n" % (
            version.major,
            version.minor,
            self._status,
            self._reason.encode(),
            self._head,
            _http_date(int(time.time())),
            ID_LINE,
            self.request_id.encode(),
            connection,
        )


@lru_cache(maxsize=1)
def _http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


class AnswerCache:
    """Answers by question; the least recently used are dropped when they exceed ``max_bytes``.

    Those that were asked for only once are dropped first: the random questions of a client do not push out the pages
    that people read (segmented LRU). The others have three quarters of the bytes, so that new ones have a chance.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._new: OrderedDict[Hashable, Answer] = OrderedDict()
        self._asked_again: OrderedDict[Hashable, Answer] = OrderedDict()
        self._most = self._left = max_bytes
        self._left_again = max_bytes * 3 // 4

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._new) + len(self._asked_again)

    def size(self) -> int:
        """Return the memory of the answers, in bytes."""
        return self._most - self._left

    def get(self, question: Hashable) -> Answer | None:
        """Return the answer to a question, or None."""
        answer = self._asked_again.get(question)
        if answer is not None:
            self._asked_again.move_to_end(question)
            return answer
        answer = self._new.pop(question, None)
        if answer is not None:
            self._keep_longer(question, answer)
        return answer

    def _keep_longer(self, question: Hashable, answer: Answer) -> None:
        self._asked_again[question] = answer
        self._left_again -= answer.size
        while self._left_again < 0:
            oldest, other = self._asked_again.popitem(last=False)
            self._left_again += other.size
            self._new[oldest] = other

    def put(self, question: Hashable, answer: Answer) -> None:
        """Keep an answer. One that replaces an older answer keeps its place."""
        keep = self._keep_longer if question in self._asked_again else self._new.__setitem__
        self.drop(question)
        keep(question, answer)
        self._left -= answer.size
        while self._left < 0:
            self.drop(next(iter(self._new or self._asked_again)))

    def drop(self, question: Hashable) -> None:
        """Forget an answer."""
        answer = self._asked_again.pop(question, None)
        if answer is not None:
            self._left_again += answer.size
        answer = answer or self._new.pop(question, None)
        if answer is not None:
            self._left += answer.size
