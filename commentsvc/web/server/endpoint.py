"""From the wire to a handler and back. Every route passes through here."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec
from aiohttp import hdrs, web

from commentsvc.access import keys, permissions, sessions
from commentsvc.domain import fields, validation
from commentsvc.domain.errors import Forbidden, MalformedRequest, NotFound, Refusal
from commentsvc.domain.models import Principal, Scope
from commentsvc.web.server import parsing, security
from commentsvc.web.server.responses import is_navigation, respond
from commentsvc.web.server.routing import FORM, JSON, MOST_BYTES, SERVICE, SESSION, VISIT, WHO, Route

BODY_SECONDS: Final = 10.0


def endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make an aiohttp handler of a row of the table."""

    async def handle(request: web.Request) -> web.StreamResponse:
        service = request.app[SERVICE]
        request[VISIT] = security.visit(request, service.config)
        stranger = await _stranger(request) if route.session_scope else None
        body = await read_body(request, MOST_BYTES if stranger else route.most_bytes)
        try:
            if stranger is not None:
                raise stranger
            _refuse_odd_names(request)
            if route.scope is not None:
                request[WHO] = await _known(request, route.scope)
            if route.session_scope is not None:
                _admit(request, route.session_scope, body)
            answer = await route.handler(request, *_given(route, request, body))
        except Refusal as error:
            if route.again is None or not (route.session_scope or is_navigation(request)):
                raise
            return cast(web.StreamResponse, await route.again(request, error, body))
        return answer if isinstance(answer, web.StreamResponse) else respond(answer, route.status[0])

    return handle


def _refuse_odd_names(request: web.Request) -> None:
    """Ids and tokens in a path are plain ASCII; nothing has another name.

    Raises:
        NotFound: as for any other unknown name.
    """
    if not all(re.fullmatch(r"[\w-]{1,200}", name, re.ASCII) for name in request.match_info.values()):
        raise NotFound


async def _known(request: web.Request, scope: Scope) -> Principal:
    who = await keys.authenticate_key(request.app[SERVICE], security.bearer(request))
    return permissions.require_scope(who, scope)


async def _stranger(request: web.Request) -> Refusal | None:
    """Why nobody is signed in who could send this; None where somebody is."""
    service = request.app[SERVICE]
    try:
        if request.method == "POST":
            security.require_own_page(request, service.config)
        token = security.session_token(request, service.config)
        session = await sessions.authenticate_session(service, token, of_use=not security.is_background_poll(request))
    except Refusal as error:
        return error
    request[SESSION], request[WHO] = session, session.who
    return None


def _admit(request: web.Request, scope: Scope, body: bytes) -> None:
    """Let whoever is signed in pass; what changes something must come from a form of their own session's pages.

    Raises:
        Forbidden: it does not, or they may not.
    """
    if request.method == "POST":
        service = request.app[SERVICE]
        sent = parsing.read_field("csrf", body) if request.content_type == FORM else ""
        if service.keyring.subject("csrf", sent, service.clock()) != request[SESSION].id:
            raise Forbidden("This form is of an earlier visit. Open the page anew, and send it from there.")
    permissions.require_scope(request[WHO], scope)


def _given(route: Route, request: web.Request, body: bytes) -> list[Any]:
    """What the handler takes: the query string and the body, as the shapes of its row."""
    limits = request.app[SERVICE].config.limits
    given = [_asked(route.asks, request, limits)] if route.asks is not None else []
    if route.takes is not None:
        given.append(_taken(route, route.takes, request, body, limits))
    return given


async def read_body(request: web.Request, most: int = MOST_BYTES) -> bytes:
    """The whole body, if it is neither encoded, nor too long, nor too slow.

    Raises:
        aiohttp.web.HTTPException: 408, 413 or 415.
    """
    if not request.body_exists:
        return b""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise web.HTTPUnsupportedMediaType(headers={hdrs.ACCEPT_ENCODING: "identity"}, text="Send the body unencoded.")
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length or 0)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise web.HTTPRequestEntityTooLarge(most, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    return bytes(body)


def _asked(shape: type[msgspec.Struct], request: web.Request, limits: fields.Limits) -> Any:
    values = parsing.parse_query(shape, request.rel_url.raw_query_string)
    parsing.refuse_unknown_parameters(shape, values)
    return validation.validate(shape, values, limits, strict=False)


def _taken(route: Route, shape: type[msgspec.Struct], request: web.Request, body: bytes, limits: fields.Limits) -> Any:
    kind = request.content_type if hdrs.CONTENT_TYPE in request.headers else ""
    if route.form and kind == FORM:
        return validation.validate(
            shape, _with_key(request, shape, parsing.parse_form(shape, body)), limits, strict=False
        )
    if kind != JSON:
        wanted = f"{JSON} or {FORM}" if route.form else JSON
        raise web.HTTPUnsupportedMediaType(text=f"Send the body as {wanted}.")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise MalformedRequest("The body must be UTF-8.")
    return validation.validate(shape, _with_key(request, shape, parsing.parse_json_object(body)), limits)


def _with_key(request: web.Request, shape: type[msgspec.Struct], values: dict[str, Any]) -> dict[str, Any]:
    """An ``Idempotency-Key`` header stands for the field ``submission`` where that was not sent."""
    key = request.headers.get("Idempotency-Key")
    named = "submission" in shape.__struct_fields__
    return values | {"submission": key.strip('"')} if key and named and not values.get("submission") else values
