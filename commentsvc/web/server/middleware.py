"""The middleware around every handler: request id, security headers, CORS, errors as responses."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import hdrs, web

from commentsvc.domain.errors import OriginNotAllowed, Refusal
from commentsvc.domain.request_id import REQUEST_ID
from commentsvc.sites import resolve
from commentsvc.web.pages import messages, refused
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import request_locale
from commentsvc.web.server import problems, security, trailing_slash
from commentsvc.web.server.admission import ADMISSION
from commentsvc.web.server.body import read_refused_form
from commentsvc.web.server.problems import Problem
from commentsvc.web.server.responses import is_navigation, wants_fragment
from commentsvc.web.server.routing import BODY, ONLY_ORIGIN, REQUEST_ID_HEADER, SERVICE

LOG: Final = logging.getLogger(__name__)


@dataclass
class Draining:
    """The state of a stop: of this process, and of the whole service, which is then not ready."""

    process: bool = False
    service: bool = False


STARTED: Final = web.RequestKey("started", float)  # by ``time.perf_counter``
DRAINING: Final = web.AppKey("draining", Draining)
FOREIGN: Final = web.RequestKey("foreign", bool)  # refused because of its origin
CORS_PATHS: Final = web.AppKey("cors_paths", tuple[str, ...])


@web.middleware
async def finish_response(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Add headers to every response, and turn every exception into one."""
    request[STARTED] = time.perf_counter()
    with _request_id() as request_id:
        response = await _handle(request, handler)
        response.headers[REQUEST_ID_HEADER] = request_id
        for name, value in security.HEADERS.items():
            response.headers.setdefault(name, value)
        if response.headers.get(hdrs.LOCATION, "").startswith("/"):
            response.headers[hdrs.LOCATION] = _base_path(request) + response.headers[hdrs.LOCATION]
        await _cross_origin(request, response)
    if request.app[DRAINING].process:
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()
    return response


def make_request_id() -> str:
    """Return a new id for the header of a response and the log."""
    return secrets.token_hex(8)


@contextmanager
def _request_id() -> Iterator[str]:
    """Make an id for this request, which the log lines of the request carry."""
    token = REQUEST_ID.set(make_request_id())
    try:
        yield REQUEST_ID.get()
    finally:
        REQUEST_ID.reset(token)


async def _handle(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as error:
        if error.__cause__ is not None:
            LOG.warning("service unavailable", exc_info=error.__cause__)
        return await _refuse(request, error)
    except web.HTTPException as error:
        return await _framework_response(request, error)
    except Exception as error:
        is_gone = isinstance(error, ConnectionError) or error is request.content.exception()
        if is_gone and request.transport is None:
            raise ConnectionResetError("the client has gone") from None
        LOG.exception("request failed")
        if is_navigation(request):
            return await refused.show_framework_error(request, 500, request.get(BODY, b""))
        return problems.respond(_framework_problem(request, 500), _base_path(request))


async def _refuse(request: web.Request, error: Refusal) -> web.StreamResponse:
    if is_navigation(request):
        return await refused.show_refusal(request, error, request.get(BODY, b""))
    if isinstance(error, OriginNotAllowed):
        _note_foreign_page(request)
        if request.path.endswith("/comments.html"):
            return await refused.show_in_page(request, error)
    return problems.refusal(error, _translate(request, error), _base_path(request))


def _note_foreign_page(request: web.Request) -> None:
    """Log the origin of a page that was refused, and let the page read why."""
    service, origin = request.app[SERVICE], request.headers.get(hdrs.ORIGIN)
    request[FOREIGN] = True
    request.app[security.REFUSED_ORIGINS].warn(origin, service.clock().timestamp())


def _base_path(request: web.Request) -> str:
    return request.app[SERVICE].config.base_path


def _translate(request: web.Request, error: Refusal) -> Explanation | None:
    """Return a refusal in the reader's language for the widget; None for programs, which get English."""
    if not wants_fragment(request):
        return None
    return messages.explain_refusal(request_locale(request), error)


async def _framework_response(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:  # noqa: PLR2004 -- the first error status
        return error
    if error.status == 404 and (redirect := trailing_slash.find_page(request)):  # noqa: PLR2004 -- not found
        return redirect
    # The framework's texts are not passed on: they may repeat what was sent.
    if is_navigation(request):
        typed = await read_refused_form(request)
        try:
            async with request.app[ADMISSION].enter(request):
                response = await refused.show_framework_error(request, error.status, typed)
        except Refusal as too_much:
            response = problems.refusal(too_much, None, _base_path(request))
    else:
        response = problems.respond(_framework_problem(request, error.status), _base_path(request))
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _framework_problem(request: web.Request, status: int) -> Problem:
    problem = problems.framework_problem(status)
    if not wants_fragment(request):
        return problem
    translate = request_locale(request).translate
    return msgspec.structs.replace(problem, title=translate(problem.title), detail=translate(problem.detail))


async def _cross_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Allow the exact origins of the sites, never credentials (Fetch standard, CORS protocol).

    Every page can read that its origin is not allowed, so that the widget can tell which one to add.
    """
    resource = request.match_info.route.resource
    if resource is None or resource.canonical not in request.app[CORS_PATHS]:
        return
    origin, only = request.headers.get(hdrs.ORIGIN), request.get(ONLY_ORIGIN)
    # A browser may spell the origin in another way: https://blog.example. with a dot at its end.
    if only is not None and origin in {None, only} and response.status < 400:  # noqa: PLR2004 -- the first error status
        # Every request gets the same header, so that caches keep one copy for all.
        response.headers["Access-Control-Allow-Origin"] = only
        response.headers["Access-Control-Expose-Headers"] = security.EXPOSED
        return
    response.headers[hdrs.VARY] = ", ".join(filter(None, [response.headers.get(hdrs.VARY), hdrs.ORIGIN]))
    if not origin:
        return
    try:
        allowed = await resolve.is_allowed_origin(request.app[SERVICE], origin)
    except Refusal:
        return  # no database; the response says so already
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = security.EXPOSED
    elif request.get(FOREIGN) or _asks_to_read(request):
        response.headers["Access-Control-Allow-Origin"] = "*"


def _asks_to_read(request: web.Request) -> bool:
    """Tell whether this is a preflight request for a method that a page may use without one."""
    method = request.headers.get("Access-Control-Request-Method")
    return request.method == hdrs.METH_OPTIONS and method in security.SAFE_METHODS


async def preflight(_request: web.Request) -> web.Response:
    """Answer a preflight request (Fetch standard, CORS protocol)."""
    return web.Response(status=204, headers=security.CORS)
