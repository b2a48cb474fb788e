"""Read and check a request, call its handler, and send the result. Every route uses this."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec
from aiohttp import hdrs, web

from commentsvc.access import keys, permissions, rate_limit, sessions
from commentsvc.domain import fields, validation
from commentsvc.domain.errors import (
    Forbidden,
    Invalid,
    MalformedRequest,
    NotFound,
    Refusal,
    Unauthorized,
    UnsupportedMediaType,
)
from commentsvc.domain.models import Principal, Scope
from commentsvc.web.server import forms, parsing, security
from commentsvc.web.server.body import read_body
from commentsvc.web.server.responses import is_navigation, respond
from commentsvc.web.server.routing import (
    BODY,
    FORM,
    FORMS,
    JSON,
    MOST_BYTES,
    MULTIPART,
    SERVICE,
    SESSION,
    VISIT,
    WHO,
    Route,
)

WRONG_KEY: Final = "key "  # counted apart from the errors of readers


def endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        service = request.app[SERVICE]
        request[VISIT] = security.visit(request, service.config)
        request[BODY] = b""
        # Read the body first, even without a session: the error page gives the text of the form back.
        sign_in_error = await _load_session(request) if route.session_scope else None
        try:
            await _read_body(route, request, MOST_BYTES if sign_in_error else route.most_bytes)
            body = request[BODY]
            if sign_in_error is not None:
                raise sign_in_error
            _require_plain_names(request)
            if route.scope is not None:
                request[WHO] = await _authenticate(request, route.scope)
            if route.session_scope is not None:
                _authorize(request, route.session_scope, body)
            answer = await route.handler(request, *await _parse_request(route, request, body))
        except Refusal as error:
            if route.again is None or not (route.session_scope or is_navigation(request)):
                raise
            return cast(web.StreamResponse, await route.again(request, error, request[BODY]))
        return answer if isinstance(answer, web.StreamResponse) else respond(answer, route.status[0])

    return handle


def _require_plain_names(request: web.Request) -> None:
    """Check that ids and tokens in the path are plain ASCII. All existing ones are.

    Raises:
        NotFound: they are not.
    """
    if not all(re.fullmatch(r"[\w-]{1,200}", name, re.ASCII) for name in request.match_info.values()):
        raise NotFound


async def _authenticate(request: web.Request, scope: Scope) -> Principal:
    try:
        who = await keys.authenticate_key(request.app[SERVICE], security.bearer(request))
    except Unauthorized:
        rate_limit.count_in_memory(request.app[SERVICE], request[VISIT], WRONG_KEY)
        raise
    return permissions.require_scope(who, scope)


async def _load_session(request: web.Request) -> Refusal | None:
    """Load the session into the request; return None, or the error if there is no valid one."""
    service = request.app[SERVICE]
    try:
        if request.method == "POST":
            security.require_own_page(request, service.config)
        token = security.session_token(request, service.config)
        session = await sessions.authenticate_session(service, token, extend=not security.is_background_poll(request))
    except Refusal as error:
        return error
    request[SESSION], request[WHO] = session, session.who
    return None


def _authorize(request: web.Request, scope: Scope, body: bytes) -> None:
    """Check the session's scope, and the CSRF token of a form.

    Raises:
        Forbidden: the scope is missing, or the token is not one of this session.
    """
    if request.method == "POST":
        service = request.app[SERVICE]
        sent = forms.read_field("csrf", body) if request.content_type in FORMS else ""
        if service.keyring.subject("csrf", sent, service.clock()) != request[SESSION].id:
            raise Forbidden("Your session has changed. Reload the page and try again.")
    permissions.require_scope(request[WHO], scope)


async def _parse_request(route: Route, request: web.Request, body: bytes) -> list[Any]:
    try:
        return _parse_arguments(route, request, body)
    except Refusal as error:
        _count_unreadable(route, request)
        if route.more_faults is None or not isinstance(error, Invalid):
            raise
        raise await route.more_faults(request, error) from None


def _count_unreadable(route: Route, request: web.Request) -> None:
    if route.limited:
        rate_limit.count_in_memory(request.app[SERVICE], request[VISIT])


def _parse_arguments(route: Route, request: web.Request, body: bytes) -> list[Any]:
    """Return the handler's arguments: the query string and the body, as instances of the route's schemas."""
    limits = request.app[SERVICE].config.limits
    arguments = [_parse_query(route, route.asks, request, limits)] if route.asks is not None else []
    if route.takes is not None:
        arguments.append(_parse_body(route, route.takes, request, body, limits))
    return arguments


async def _read_body(route: Route, request: web.Request, most: int) -> None:
    try:
        await read_body(request, most)
    except Refusal:
        _count_unreadable(route, request)
        raise


def _parse_query(route: Route, schema: type[msgspec.Struct], request: web.Request, limits: fields.Limits) -> Any:
    parse = parsing.parse_shared_query if route.shared else parsing.parse_query
    values = parse(schema, request.rel_url.raw_query_string)
    return validation.validate(schema, values, limits, strict=False)


def _parse_body(
    route: Route, schema: type[msgspec.Struct], request: web.Request, body: bytes, limits: fields.Limits
) -> Any:
    kind = request.content_type if hdrs.CONTENT_TYPE in request.headers else ""
    if route.form and kind in FORMS:
        if kind == MULTIPART and not body:
            raise MalformedRequest("The form has no fields.")
        return validation.validate(
            schema, _with_idempotency_key(request, schema, forms.parse_form(schema, body)), limits, strict=False
        )
    if kind != JSON:
        accepted = f"{JSON}, {FORM} or {MULTIPART}" if route.form else JSON
        raise UnsupportedMediaType(f"Send the body as {accepted}.")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise MalformedRequest("The body must be UTF-8.")
    return validation.validate(schema, _with_idempotency_key(request, schema, parsing.parse_json_object(body)), limits)


def _with_idempotency_key(request: web.Request, schema: type[msgspec.Struct], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values, with the ``Idempotency-Key`` header as the field ``submission`` if that is missing."""
    key = request.headers.get("Idempotency-Key")
    has_field = "submission" in schema.__struct_fields__
    return values | {"submission": key.strip('"')} if key and has_field and not values.get("submission") else values
