"""Read and check a request, call its handler, and send the result. Every route uses this."""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from functools import partial
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
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from commentsvc.domain.messages import translatable
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.metrics import REFUSALS
from commentsvc.domain.models import Principal, Scope
from commentsvc.web.server import forms, parsing, security
from commentsvc.web.server.admission import ADMISSION
from commentsvc.web.server.body import read_body
from commentsvc.web.server.off_loop import run_off_loop
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
        service, admission = request.app[SERVICE], request.app[ADMISSION]
        request[VISIT] = security.visit(request, service.config)
        request[BODY] = b""
        try:
            stranger = await _check_credentials(route, request)
            if stranger is not None and not is_navigation(request):
                raise stranger
            # Also of a stranger: the error page gives the text of the form back.
            if not route.takes_file:
                await _read_body(route, request, stranger)
            body = request[BODY]
            if stranger is not None:
                raise stranger
            _require_plain_names(request)
            if route.session_scope is not None:
                _authorize(route, request, route.session_scope, body)
            if route.limited:
                admission.require_budget(request)
            async with admission.enter(request) if route.admitted else nullcontext():
                answer = await route.handler(request, *await _parse_request(route, request, body))
        except Refusal as error:
            if (recorder := service.parts.get(Recorder)) is not None:
                recorder.count(REFUSALS, (error.code,))
            if route.again is None or not (route.session_scope or is_navigation(request)):
                raise
            async with admission.enter(request, limited=not (route.free or route.session_scope)):
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


async def _check_credentials(route: Route, request: web.Request) -> Refusal | None:
    """Check the key or load the session, before the body is read. Return the error if there is no valid one."""
    if route.session_scope is not None:
        return await _load_session(request)
    if route.scope is None:
        return None
    try:
        _require_plain_names(request)
        request[WHO] = await _authenticate(request, route.scope)
    except Refusal as error:
        return error
    return None


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


def _authorize(route: Route, request: web.Request, scope: Scope, body: bytes) -> None:
    """Check the session's scope, and the CSRF token of a form.

    Raises:
        Forbidden: the scope is missing, or the token is not one of this session.
    """
    if request.method == "POST" and not route.takes_file:
        require_csrf_token(request, forms.read_field("csrf", body) if request.content_type in FORMS else "")
    permissions.require_scope(request[WHO], scope)


def require_csrf_token(request: web.Request, sent: str) -> None:
    """Check the CSRF token of a form.

    Raises:
        Forbidden: it is not one of this session.
    """
    service = request.app[SERVICE]
    if service.keyring.subject("csrf", sent, service.clock()) != request[SESSION].id:
        raise Forbidden(translatable("Your session has changed. Reload the page and try again."))


async def _parse_request(route: Route, request: web.Request, body: bytes) -> list[Any]:
    parse = partial(_parse_arguments, route, request, body)
    try:
        # A long word list in a form takes 20 ms.
        return await run_off_loop(parse) if len(body) > MOST_BYTES else parse()
    except Refusal as error:
        _count_unreadable(route, request)
        if route.more_faults is None or not isinstance(error, Invalid):
            raise
        async with request.app[ADMISSION].enter(request):
            raise await route.more_faults(request, error) from None


def _count_unreadable(route: Route, request: web.Request) -> None:
    if route.limited:
        rate_limit.count_in_memory(request.app[SERVICE], request[VISIT])


def _parse_arguments(route: Route, request: web.Request, body: bytes) -> list[Any]:
    """Return the handler's arguments: the query string and the body, as instances of the route's schemas."""
    limits = request.app[SERVICE].config.limits
    arguments = [read_query(route, request, limits)] if route.asks is not None else []
    if route.strict:
        _refuse_unknown(route, request, body)
    if route.takes is not None:
        arguments.append(_parse_body(route, route.takes, request, body, limits))
    return arguments


async def _read_body(route: Route, request: web.Request, stranger: Refusal | None) -> None:
    most, again = (MOST_BYTES, False) if stranger else (route.most_bytes, route.cors or WHO in request)
    try:
        await read_body(request, most, again=again)
    except Refusal as error:
        _count_unreadable(route, request)
        raise stranger if stranger and isinstance(error, TooLarge) else error from None


def read_query(route: Route, request: web.Request, limits: fields.Limits) -> Any:
    """Return the query string as an instance of the route's schema.

    Raises:
        MalformedRequest, Invalid: it does not fit.
    """
    if route.asks is None:
        raise TypeError("the route takes no query")
    parse = parsing.parse_shared_query if route.shared else parsing.parse_query
    # Our own search forms send their empty fields in the address.
    check = partial(validation.validate, route.asks, limits=limits, strict=False, form=route.session_scope is not None)
    try:
        values = parse(route.asks, request.rel_url.raw_query_string)
    except Invalid as error:
        raise _join_faults(error, check) from None
    return check(values)


def _join_faults(error: Invalid, check: Callable[[Mapping[str, Any]], Any]) -> Invalid:
    """Return an error that also names the faults of the other values which were sent."""
    named = {fault.field for fault in error.faults}
    try:
        check(error.valid)
    except Invalid as more:
        return Invalid(*error.faults, *(fault for fault in more.faults if fault.field not in named))
    return error


def _refuse_unknown(route: Route, request: web.Request, body: bytes) -> None:
    """Refuse parameters and bodies where none is known, so that a filter which does not exist does not mean "all".

    Raises:
        MalformedRequest: the body is not JSON, as its type says, or something else than an object.
        Invalid: naming the parameters or fields.
    """
    if route.asks is None:
        parsing.parse_query(_Nothing, request.rel_url.raw_query_string)
    if body and route.takes is None and not route.takes_events:
        _refuse_content(parsing.parse_json(body) if request.content_type == JSON else body)


def _refuse_content(sent: Any) -> None:
    if isinstance(sent, dict) and (faults := validation.unknown_fields(sent, ())):
        raise Invalid(*faults)
    if sent:
        raise MalformedRequest("This request takes no body. Leave it out.")


class _Nothing(msgspec.Struct):
    """The schema of a request without parameters."""


def _parse_body(
    route: Route, schema: type[msgspec.Struct], request: web.Request, body: bytes, limits: fields.Limits
) -> Any:
    kind = request.content_type if hdrs.CONTENT_TYPE in request.headers else ""
    if route.form and kind in FORMS:
        if kind == MULTIPART and not body:
            raise MalformedRequest(translatable("The form has no fields."))
        values = _with_idempotency_key(request, schema, forms.parse_form(schema, body))
        if not request.app[SERVICE].config.smtp_url:
            values.pop("subscribe", None)  # a box of a theme, which cannot know that no mail is sent
        return validation.validate(schema, values, limits, strict=False, form=True)
    if kind != JSON:
        accepted = f"{JSON}, {FORM} or {MULTIPART}" if route.form else JSON
        raise UnsupportedMediaType(f"Send the body as {accepted}.")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise MalformedRequest(translatable("The body must be UTF-8."))
    return validation.validate(schema, _with_idempotency_key(request, schema, parsing.parse_json_object(body)), limits)


def _with_idempotency_key(request: web.Request, schema: type[msgspec.Struct], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values, with the ``Idempotency-Key`` header as the field ``submission`` if that is missing."""
    key = request.headers.get("Idempotency-Key")
    has_field = "submission" in schema.__struct_fields__
    missing = has_field and not values.get("submission")
    return values | {"submission": key.strip('"')} if key is not None and missing else values
