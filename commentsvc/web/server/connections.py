"""Connections: timeouts, the access log, and errors in requests that cannot be parsed."""

import asyncio
import fcntl
import logging
import socket
import struct
import sys
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import InvalidURLError, LineTooLong

from commentsvc.config.settings import Config
from commentsvc.domain.metric_memory import Recorder
from commentsvc.web.pages.refused import show_unread
from commentsvc.web.server import problems, security
from commentsvc.web.server.answer_cache import KeptResponse
from commentsvc.web.server.answering import Answering
from commentsvc.web.server.connection_class import serve_with
from commentsvc.web.server.connection_limits import ConnectionLimits
from commentsvc.web.server.last_connections import await_last_requests, stop_accepting
from commentsvc.web.server.middleware import DRAINING, STARTED, make_request_id
from commentsvc.web.server.request_parser import LINE_BYTES, HeaderTooLarge, LimitedParser
from commentsvc.web.server.routing import REQUEST_ID_HEADER, SERVICE

LOG: Final = logging.getLogger(__name__)
BAD_URL: Final = "The address has characters that are not ASCII. Percent-encode them in UTF-8: write é as %C3%A9."
ACCESS: Final = logging.getLogger("commentsvc.access")


@dataclass(frozen=True)
class Deadlines:
    """Timeouts in seconds. ``idle`` is longer than the 60 of common proxies, so that they disconnect first."""

    header: float = 10.0  # from the first byte of a request to the end of its header
    unread: float = 10.0  # since the client read anything of its answer
    linger: float = 2.0  # for the rest of a body that nobody needs, so that the client reads its answer
    idle: float = 75.0
    sweep: float = 1.0
    drain: float = 1.0  # from the announcement of a stop to the last new connection
    last: float = 0.5  # for a request on each connection that is then open
    finish: float = 7.0  # for the requests that are then still running


RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: drop what is unsent
SWEPT_AT_ONCE: Final = 500  # connections, in a quarter of a millisecond
COST_OF_CLOSING: Final = 10  # closing one takes as long as looking at ten, and thousands may be late together


# Fields that formatters of other programs expect in a record.
REST_OF_RECORD: Final = dict[str, Any](
    name=ACCESS.name, levelno=logging.INFO, levelname="INFO", args=(), exc_info=None, exc_text=None, stack_info=None,
    pathname="", filename="", module="", lineno=0, funcName="", msecs=0.0, relativeCreated=0.0,
    thread=None, threadName=None, process=None, processName=None, taskName=None,
)  # fmt: skip


class AccessRecord(logging.LogRecord):
    """A line of the access log, without all that other lines look up: making those takes five times as long."""

    def __init__(self, message: str, request_id: str, milliseconds: float, bytes_: int) -> None:
        vars(self).update(REST_OF_RECORD)
        self.created, self.msg = time.time(), message
        self.request_id, self.milliseconds, self.bytes = request_id, milliseconds, bytes_


class AccessLog(AbstractAccessLogger):
    """Logs route, status, time and size. No path, query or address: those may identify people."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request."""
        # The clock of uvloop counts whole milliseconds. Only requests that reached no route have no other time.
        if isinstance(response, KeptResponse):
            seconds, path, request_id = perf_counter() - response.started, response.path, response.request_id
        else:
            seconds = perf_counter() - request[STARTED] if STARTED in request else time
            # A request whose client hung up may have reached no route.
            routed = request if isinstance(request, web.Request) and STARTED in request else None
            resource = routed.match_info.route.resource if routed is not None else None
            path = resource.canonical if resource else "(unknown)"
            request_id = response.headers.get(REQUEST_ID_HEADER, "-")
        message = f"{request.method} {path} {response.status}"
        ACCESS.handle(AccessRecord(message, request_id, int(seconds * 10_000) / 10, response.body_length))

    @property
    def enabled(self) -> bool:
        """Tell whether the access log is on."""
        return ACCESS.isEnabledFor(logging.INFO)


class Connection(web.RequestHandler):
    """aiohttp's connection, with limits; a request that it cannot parse gets a problem, and its bytes are not logged.

    ``held`` is how much memory the answer needs that is being sent: all of it, until its last byte is sent. None: what
    is left of it.
    """

    __slots__ = ("_limits", "_pending", "_progressed", "_wire", "config", "held", "network")
    config: Config
    network: str | None
    held: int | None
    _parser: LimitedParser | None  # type: ignore[assignment]

    def __init__(self, limits: ConnectionLimits, config: Config, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._parser = LimitedParser(self._parser)
        self._limits, self.config, self.network, self.held = limits, config, None, None
        self._pending = 0  # bytes that the client had not taken at the last look
        self._progressed = 0.0  # when it last took any
        self._wire: Any = None  # the transport, until it is closed: aiohttp drops it earlier

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the client, unless there are too many."""
        self._wire = transport
        self.network = self._limits.network_of(transport.get_extra_info("peername"))
        if self._limits.admit(self):
            super().connection_made(transport)
        else:
            self._force_close = True
            self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        self._wire = None
        self._limits.release(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client reads too slowly."""
        super().pause_writing()
        self._limits.note_writing(self)

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        super().resume_writing()
        self.held = None
        self._limits.note_written(self)

    def unsent(self) -> int:
        """See ``Counted``."""
        if self._wire is None:
            return 0
        return int(self._wire.get_write_buffer_size()) if self.held is None else self.held

    def waits_since(self) -> float | None:
        """See ``Counted``."""
        # aiohttp has this future while it waits for a request: not while it writes an answer, which may take minutes.
        if self._waiter is None or self._waiter.done() or self._parser is None:
            return None
        return self._parser.header_since or self._next_keepalive_close_time - self._keepalive_timeout

    def abort(self) -> None:
        """See ``Counted``."""
        if self._wire is None:
            return
        if self._wire.get_write_buffer_size():  # else the system keeps what it took of the answer, up to 4 MiB
            with suppress(OSError):
                self._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._wire.abort()

    def close_if_late(self, now: float, deadlines: "Deadlines") -> bool:
        """Close the connection if its client sends or reads too slowly. Return whether it was."""
        since = self.waits_since()
        is_idle = self._request_count and self._parser is not None and self._parser.header_since is None
        limit = deadlines.idle if is_idle else deadlines.header
        is_late = self._is_unread(now, deadlines.unread) or (since is not None and now - since > limit)
        if is_late:
            self.abort()
        return is_late

    def _is_unread(self, now: float, seconds: float) -> bool:
        """Tell whether the client has taken nothing of its answer for so long."""
        if self._wire is None or not self._wire.get_write_buffer_size():
            self._pending = 0
            return False
        pending = self._wire.get_write_buffer_size() + _bytes_in_kernel(self._wire)
        if not self._pending or pending < self._pending:
            self._progressed = now
        self._pending = pending
        return now - self._progressed > seconds

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- repeats the request's bytes
    ) -> web.StreamResponse:
        """Return the response to a request that reached no route."""
        if status >= 500 and not self._has_hung_up(exc):  # noqa: PLR2004
            LOG.error("request failed outside its handler: %s", type(exc).__name__)
        if isinstance(exc, LineTooLong | HeaderTooLarge):
            status = 431
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun")
        detail = BAD_URL if isinstance(exc, InvalidURLError) else ""
        unread = self._parser.refused if self._parser else b""
        problem = problems.framework_problem(status, detail)
        response = show_unread(self.config, status, unread) or problems.respond(problem, self.config.base_path)
        for name, value in security.HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers[REQUEST_ID_HEADER] = make_request_id()
        response.force_close()
        return response

    def log_exception(self, *_args: Any, exc_info: BaseException | None = None, **_options: Any) -> None:
        """Log that a connection failed, but neither its bytes nor its address. A client that hung up is no failure."""
        if not self._has_hung_up(exc_info):
            LOG.warning("connection closed after an error: %s", type(exc_info).__name__)

    def _has_hung_up(self, error: BaseException | None) -> bool:
        return isinstance(error, ConnectionError) or (isinstance(error, OSError) and self.transport is None)


def _bytes_in_kernel(transport: Any) -> int:
    """Return how much of what was written the client's side has not confirmed, as far as the system tells."""
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except (OSError, ValueError, AttributeError):
        return 0
    return int.from_bytes(answer, sys.byteorder)


class Runner(web.AppRunner):
    """Runs an application with our connections, and closes those that are too slow."""

    def __init__(self, app: web.Application, deadlines: Deadlines) -> None:
        # Decompressing costs us far more than it costs the client, so compressed bodies are refused.
        super().__init__(
            app,
            access_log_class=AccessLog,
            auto_decompress=False,
            keepalive_timeout=deadlines.idle,
            lingering_time=deadlines.linger,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            shutdown_timeout=deadlines.finish,
        )
        self._deadlines = deadlines
        self._sweeper: asyncio.Task[None] | None = None

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.request_handler = cast(
            Any, Answering(self.app, cast(Any, server.request_handler))
        )  # requests are web.Request
        service = self.app[SERVICE]
        limits = ConnectionLimits(service.config, service.parts.get(Recorder))
        serve_with(server, partial(Connection, limits, service.config))
        self._sweeper = asyncio.create_task(_close_slow(limits, self._deadlines), name="sweeper")
        return server

    async def drain(self, *, socket_stays: bool = False) -> None:
        """Announce the stop, refuse new connections, and let running requests finish.

        With ``socket_stays``, others accept what waits at the socket: this process accepts nothing more, but is ready.
        """
        if socket_stays:
            for site in self.sites:
                await site.stop()
        draining = self.app[DRAINING]
        draining.process, draining.service = True, not socket_stays
        await asyncio.sleep(self._deadlines.drain)
        await stop_accepting(self)
        await await_last_requests(self, self._deadlines.last)
        await self.cleanup()

    async def cleanup(self) -> None:
        """Stop at once."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super().cleanup()


async def _close_slow(limits: ConnectionLimits, deadlines: Deadlines) -> None:
    """Close connections whose clients are too slow (aiohttp has no such timeouts)."""
    while True:
        work = 0
        for connection in limits.list_open():
            work += COST_OF_CLOSING if connection.close_if_late(time.monotonic(), deadlines) else 1
            if work >= SWEPT_AT_ONCE:
                work = 0
                await asyncio.sleep(0)
        await asyncio.sleep(deadlines.sweep)
