"""Handlers for health checks, the version and the OpenAPI document."""

from typing import Final

import msgspec
from aiohttp import hdrs, web

import commentsvc
from commentsvc.domain.errors import Unavailable
from commentsvc.operations import health
from commentsvc.web.server.middleware import DRAINING
from commentsvc.web.server.routing import JSON, SERVICE

DOCUMENT: Final = web.AppKey("document", dict)


class Health(msgspec.Struct, frozen=True):
    """State of the service."""

    status: str


class Version(msgspec.Struct, frozen=True):
    """Name and version of the program."""

    name: str
    version: str


async def healthz(_request: web.Request) -> Health:
    """Check that the process is alive."""
    return Health("ok")


async def readyz(request: web.Request) -> Health:
    """Check that the service can store a comment now: it is not stopping, and its database has room and answers."""
    if request.app[DRAINING]:
        raise Unavailable("The service is stopping.")
    await health.check_ready(request.app[SERVICE])
    return Health("ready")


async def version(_request: web.Request) -> Version:
    """Return the version of the service."""
    return Version("commentsvc", commentsvc.__version__)


async def openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI 3.1 document of this API."""
    body = msgspec.json.encode(request.app[DOCUMENT])
    return web.Response(body=body, content_type=JSON, headers={hdrs.CACHE_CONTROL: "public, max-age=300"})
