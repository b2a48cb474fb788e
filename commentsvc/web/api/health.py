"""Handlers for health checks, the version and the OpenAPI document."""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

import commentsvc
from commentsvc.domain.errors import Unavailable
from commentsvc.operations import health
from commentsvc.web.server.middleware import DRAINING
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import JSON, SERVICE

# The OpenAPI document, made at its first use: that takes 30 ms and 0.8 MB.
DOCUMENT: Final[web.AppKey[Callable[[], bytes]]] = web.AppKey("document")


class Health(msgspec.Struct, frozen=True):
    """State of the service."""

    status: str


class Program(msgspec.Struct, frozen=True):
    """Name and version of the program."""

    name: str
    version: str


async def check_health(_request: web.Request) -> Health:
    """Check that the process is alive."""
    return Health("ok")


async def check_readiness(request: web.Request) -> Health:
    """Check that the service can store a comment now: it is not stopping, and its database has room and answers."""
    if request.app[DRAINING].service:
        raise Unavailable("The service is stopping.")
    await health.check_ready(request.app[SERVICE])
    return Health("ready")


async def get_version(_request: web.Request) -> Program:
    """Return the version of the service."""
    return Program("commentsvc", commentsvc.__version__)


async def get_openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI 3.1 document of this API."""
    body = await run_off_loop(request.app[DOCUMENT])
    return web.Response(body=body, content_type=JSON, headers={hdrs.CACHE_CONTROL: "public, max-age=300"})
