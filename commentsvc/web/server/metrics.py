"""Answer ``GET /metrics``: with a token on the address of the service, or without one on an address of its own."""

import asyncio
import errno
import hmac
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import hdrs, web

from commentsvc.access import rate_limit
from commentsvc.config import PREFIX
from commentsvc.domain.errors import ConfigurationError, Unauthorized
from commentsvc.operations import metrics
from commentsvc.service import Service
from commentsvc.web.server import security
from commentsvc.web.server.connection_class import serve_with
from commentsvc.web.server.routing import SERVICE

KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST_CONNECTIONS: Final = 32  # to the address of metrics alone, which usually has one reader
SETTING: Final = f"{PREFIX}METRICS_LISTEN"


async def answer_with_token(request: web.Request) -> web.Response:
    """Return the metrics to who has the token. Wrong tokens have the rate limit of wrong API keys."""
    service = request.app[SERVICE]
    sent = (security.bearer(request) or "").encode()
    if not hmac.compare_digest(sent, service.config.metrics_token.encode()):
        rate_limit.count_in_memory(service, security.visit(request, service.config), "metrics ")
        raise Unauthorized
    return await _answer(service)


async def _answer(service: Service) -> web.Response:
    body = await metrics.write_metrics(service)
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: KIND, hdrs.CACHE_CONTROL: "no-store"})


@asynccontextmanager
async def listen_for_metrics(service: Service) -> AsyncIterator[None]:
    """Answer ``GET /metrics`` on the address of ``COMMENTSVC_METRICS_LISTEN``, if it is set.

    Raises:
        ConfigurationError: the service cannot listen there.
    """
    if not service.config.metrics_listen:
        yield
        return
    listener = _open_listener(service.config.metrics_listen)

    async def answer(_request: web.BaseRequest) -> web.Response:
        return await _answer(service)

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = _Runner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        yield
    finally:
        await runner.cleanup()


class _Connection(web.RequestHandler):
    """A connection of a program that reads metrics. If there are too many, the oldest one is closed.

    A program that reads is done at once, so this closes those that only wait.
    """

    __slots__ = ("_open",)

    def __init__(self, opened: "dict[_Connection, None]", *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the client; if there are too many, no longer the one that came first."""
        super().connection_made(transport)
        self._open[self] = None
        if len(self._open) > MOST_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            if oldest.transport is not None:
                oldest.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        self._open.pop(self, None)
        super().connection_lost(exc)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        serve_with(server, partial(_Connection, {}))
        return server


def _open_listener(place: str) -> socket.socket:
    path = place.removeprefix("unix:")
    try:
        return _listen_on_file(Path(path)) if path != place else _listen_on_address(place)
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise ConfigurationError(
            f"{SETTING}: cannot listen on {place}: {reason}. Set another address of this computer, such as "
            "127.0.0.1:9464."
        ) from None


def _listen_on_address(place: str) -> socket.socket:
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # During a reload, the new workers listen before the old ones end.
    listener = socket.create_server((host, int(port)), family=family, reuse_port=True)
    listener.setblocking(False)
    return listener


def _listen_on_file(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            fresh.unlink()
        listener.bind(str(fresh))
        fresh.chmod(0o660)
        listener.listen()
        fresh.replace(path)  # those who ask during a reload find one or the other
    except OSError:
        listener.close()
        raise
    return listener
