"""Connections: their deadlines, a line in the log for each request, and words for what cannot be parsed."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from commentsvc.web.server import problems, security
from commentsvc.web.server.middleware import DRAINING, REQUEST_ID

LOG: Final = logging.getLogger(__name__)
ACCESS: Final = logging.getLogger("commentsvc.access")


@dataclass(frozen=True)
class Deadlines:
    """In seconds. ``idle`` is longer than the 60 of common proxies, so that they hang up first."""

    header: float = 10.0
    idle: float = 75.0
    sweep: float = 1.0
    drain: float = 1.0  # how long a stop is announced before connections are no longer taken
    finish: float = 7.0  # how long requests under way may then take


class Access(AbstractAccessLogger):
    """Route, status, time and size. No path, no query, no address: those may name people."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write one line."""
        resource = request.match_info.route.resource if isinstance(request, web.Request) else None
        ACCESS.info(
            "%s %s %s",
            request.method,
            resource.canonical if resource else "(unknown)",
            response.status,
            extra={
                "request_id": request.get(REQUEST_ID, "-") if isinstance(request, web.Request) else "-",
                "milliseconds": round(time * 1000, 1),
                "bytes": response.body_length,
            },
        )

    @property
    def enabled(self) -> bool:
        """Whether anybody reads it."""
        return ACCESS.isEnabledFor(logging.INFO)


class Connection(web.RequestHandler):
    """aiohttp's, but what it cannot parse is refused as a problem too, and logged without what was sent."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- it repeats what was sent
    ) -> web.StreamResponse:
        """Answer for what never reached a route."""
        if status >= 500:  # noqa: PLR2004
            LOG.error("request failed outside its handler: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        response = problems.respond(problems.framework_problem(status))
        for name, value in security.HEADERS.items():
            response.headers[name] = value
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **_options: Any) -> None:
        """Not what was sent, nor where from: only that it happened."""
        LOG.warning("connection closed after an error")


class _Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on our connections, and hangs up on those that are too slow."""

    def __init__(self, app: web.Application, deadlines: Deadlines) -> None:
        # Inflating what clients send costs us far more than them; an encoded body is refused instead.
        super().__init__(
            app,
            access_log_class=Access,
            auto_decompress=False,
            keepalive_timeout=deadlines.idle,
            shutdown_timeout=deadlines.finish,
        )
        self._deadlines = deadlines
        self._sweeping: asyncio.Task[None] | None = None

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp makes its server itself and offers no way to name the class of its connections.
        server.__class__ = _Server
        self._sweeping = asyncio.create_task(_sweep(server, self._deadlines), name="sweeper")
        return server

    async def drain(self) -> None:
        """Announce the stop, take no more connections, let what is under way finish."""
        self.app[DRAINING].append(True)
        await asyncio.sleep(self._deadlines.drain)
        await self.cleanup()

    async def cleanup(self) -> None:
        """Stop at once."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await super().cleanup()


async def _sweep(server: web.Server, deadlines: Deadlines) -> None:
    """Hang up on connections that have sent no whole request header for too long (aiohttp has no such deadline)."""
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
    return connection._current_request is not None  # noqa: SLF001 -- aiohttp tells it nowhere else


def _between_requests(connection: Any) -> bool:
    """Whether a connection has been of use before; aiohttp itself ends it when it was idle for too long."""
    return bool(connection._request_count)  # noqa: SLF001 -- likewise
