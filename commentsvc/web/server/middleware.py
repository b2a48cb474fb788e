"""What every answer carries: a request id, safe headers, CORS, and words for whatever went wrong."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from commentsvc.domain.errors import Refusal
from commentsvc.sites import resolve
from commentsvc.web.pages import messages
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import words_of
from commentsvc.web.server import problems, security
from commentsvc.web.server.responses import fragment_wanted
from commentsvc.web.server.routing import SERVICE

LOG: Final = logging.getLogger(__name__)
REQUEST_ID: Final = web.RequestKey("request_id", str)
DRAINING: Final = web.AppKey("draining", list[bool])
CORS_PATHS: Final = web.AppKey("cors_paths", tuple[str, ...])


@web.middleware
async def answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever happens inside, a proper answer leaves."""
    request[REQUEST_ID] = secrets.token_hex(8)
    response = await _answer(request, handler)
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    for name, value in security.HEADERS.items():
        response.headers.setdefault(name, value)
    await _cross_origin(request, response)
    if request.app[DRAINING]:
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()
    return response


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as error:
        if error.__cause__ is not None:
            LOG.warning("request %s: service unavailable", request[REQUEST_ID], exc_info=error.__cause__)
        return problems.refusal(error, _for_people(request, error))
    except web.HTTPException as error:
        return _framework(error)
    except Exception:
        LOG.exception("request %s failed", request[REQUEST_ID])
        return problems.respond(problems.framework_problem(500))


def _for_people(request: web.Request, error: Refusal) -> Explanation | None:
    """What the widget shows of a refusal, in its reader's language; programs are answered in English."""
    if not fragment_wanted(request):
        return None
    return messages.explained(words_of(request), error, request.app[SERVICE].config.limits)


def _framework(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:  # noqa: PLR2004 -- the first status that refuses
        return error
    # Of the framework's own words only ours are passed on: the others may repeat what was sent.
    detail = error.text or "" if isinstance(error, web.HTTPUnsupportedMediaType) else ""
    response = problems.respond(problems.framework_problem(error.status, detail))
    for name in (hdrs.ALLOW, hdrs.ACCEPT_ENCODING):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


async def _cross_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Exact origins of the sites, never credentials (Fetch standard, CORS protocol)."""
    resource = request.match_info.route.resource
    if resource is None or resource.canonical not in request.app[CORS_PATHS]:
        return
    response.headers[hdrs.VARY] = ", ".join(filter(None, [response.headers.get(hdrs.VARY), hdrs.ORIGIN]))
    origin = request.headers.get(hdrs.ORIGIN)
    if not origin:
        return
    try:
        welcome = await resolve.is_allowed_origin(request.app[SERVICE], origin)
    except Refusal:
        return  # the database is away; the refusal says so already
    if welcome:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = security.EXPOSED


async def preflight(_request: web.Request) -> web.Response:
    """What a browser asks before a page of another origin may call."""
    return web.Response(status=204, headers=security.CORS)
