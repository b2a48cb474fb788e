"""Connections: timeouts, the access log, and errors in requests that cannot be parsed."""

import asyncio
import logging
import time
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import InvalidURLError

from commentsvc.web.server import problems, security
from commentsvc.web.server.middleware import DRAINING, REQUEST_ID_HEADER, STARTED
from commentsvc.web.server.routing import SERVICE

LOG: Final = logging.getLogger(__name__)
BAD_URL: Final = "The address has characters that are not ASCII. Percent-encode them in UTF-8: write é as %C3%A9."
ACCESS: Final = logging.getLogger("commentsvc.access")


@dataclass(frozen=True)
class Deadlines:
    """Timeouts in seconds. ``idle`` is longer than the 60 of common proxies, so that they disconnect first."""

    header: float = 10.0
    idle: float = 75.0
    sweep: float = 1.0
    drain: float = 1.0  # from the announcement of a stop to the last new connection
    finish: float = 7.0  # for the requests that are then still running


class AccessLog(AbstractAccessLogger):
    """Logs route, status, time and size. No path, query or address: those may identify people."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log one request."""
        # The clock of uvloop counts whole milliseconds. Only requests that reached no route have no other time.
        seconds = perf_counter() - request[STARTED] if STARTED in request else time
        resource = request.match_info.route.resource if isinstance(request, web.Request) else None
        ACCESS.info(
            "%s %s %s",
            request.method,
            resource.canonical if resource else "(unknown)",
            response.status,
            extra={
                "request_id": response.headers.get(REQUEST_ID_HEADER, "-"),
                "milliseconds": round(seconds * 1000, 1),
                "bytes": response.body_length,
            },
        )

    @property
    def enabled(self) -> bool:
        """Tell whether the access log is on."""
        return ACCESS.isEnabledFor(logging.INFO)


class Connection(web.RequestHandler):
    """aiohttp's connection; a request that it cannot parse gets a problem, and its bytes are not logged."""

    __slots__ = ("base_path",)
    base_path: str  # of links to the service

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- repeats the request's bytes
    ) -> web.StreamResponse:
        """Return the response to a request that reached no route."""
        if status >= 500:  # noqa: PLR2004
            LOG.error("request failed outside its handler: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun")
        detail = BAD_URL if isinstance(exc, InvalidURLError) else ""
        response = problems.respond(problems.framework_problem(status, detail), self.base_path)
        for name, value in security.HEADERS.items():
            response.headers[name] = value
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **_options: Any) -> None:
        """Log that a connection failed, but neither its bytes nor its address."""
        LOG.warning("connection closed after an error")


class _Server(web.Server):
    base_path: str

    def __call__(self) -> Connection:
        connection = Connection(self, loop=self._loop, **self._kwargs)
        connection.base_path = self.base_path
        return connection


class Runner(web.AppRunner):
    """Runs an application with our connections, and closes those that are too slow."""

    def __init__(self, app: web.Application, deadlines: Deadlines) -> None:
        # Decompressing costs us far more than it costs the client, so compressed bodies are refused.
        super().__init__(
            app,
            access_log_class=AccessLog,
            auto_decompress=False,
            keepalive_timeout=deadlines.idle,
            shutdown_timeout=deadlines.finish,
        )
        self._deadlines = deadlines
        self._sweeper: asyncio.Task[None] | None = None

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp creates its server itself and has no option for the class of its connections.
        server.__class__ = _Server
        cast(_Server, server).base_path = self.app[SERVICE].config.base_path
        self._sweeper = asyncio.create_task(_close_slow(server, self._deadlines), name="sweeper")
        return server

    async def drain(self) -> None:
        """Announce the stop, refuse new connections, and let running requests finish."""
        self.app[DRAINING].append(True)
        await asyncio.sleep(self._deadlines.drain)
        await self.cleanup()

    async def cleanup(self) -> None:
        """Stop at once."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await super().cleanup()


async def _close_slow(server: web.Server, deadlines: Deadlines) -> None:
    """Close connections that sent no complete request header in time (aiohttp has no such timeout)."""
    quiet_since: dict[Any, float] = {}
    while True:
        now = time.monotonic()
        open_now = {connection for connection in server.connections if connection.transport is not None}
        quiet_since = {connection: quiet_since.get(connection, now) for connection in open_now if not _busy(connection)}
        for connection, since in quiet_since.items():
            if now - since > (deadlines.idle if _between_requests(connection) else deadlines.header):
                connection.transport.abort()
        await asyncio.sleep(deadlines.sweep)


def _busy(connection: Any) -> bool:
    return connection._current_request is not None  # noqa: SLF001 -- aiohttp has no public name for it


def _between_requests(connection: Any) -> bool:
    """Tell whether a connection has had a request; aiohttp itself closes it after the idle timeout."""
    return bool(connection._request_count)  # noqa: SLF001 -- as above
