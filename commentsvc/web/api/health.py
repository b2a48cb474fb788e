"""What operators' machines call, and what developers read."""

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
    """Whether all is well."""

    status: str


class Version(msgspec.Struct, frozen=True):
    """Which program this is."""

    name: str
    version: str


async def healthz(_request: web.Request) -> Health:
    """Whether the process is alive."""
    return Health("ok")


async def readyz(request: web.Request) -> Health:
    """Whether it can take a comment: the database is writable, its schema current, and no stop is under way."""
    if request.app[DRAINING]:
        raise Unavailable("The service is stopping.")
    await health.check_writable(request.app[SERVICE])
    return Health("ready")


async def version(_request: web.Request) -> Version:
    """Which version runs."""
    return Version("commentsvc", commentsvc.__version__)


async def openapi(request: web.Request) -> web.Response:
    """This contract, as OpenAPI 3.1."""
    body = msgspec.json.encode(request.app[DOCUMENT])
    return web.Response(body=body, content_type=JSON, headers={hdrs.CACHE_CONTROL: "public, max-age=300"})
