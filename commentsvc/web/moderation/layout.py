"""The layout of every moderation page, redirects after a form, and error pages."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import hdrs, web
from msgspec import Meta, Struct, field

from commentsvc.access import sessions
from commentsvc.audit import lookup
from commentsvc.audit.lookup import ActionSummary
from commentsvc.delivery import webhooks
from commentsvc.domain.errors import (
    Invalid,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Refusal,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Scope
from commentsvc.moderation import queue
from commentsvc.rules import manage
from commentsvc.rules.schemas import RuleRecord
from commentsvc.sites import resolve
from commentsvc.web.moderation import filters
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.messages import show_texts
from commentsvc.web.pages.templates import render_template, request_locale
from commentsvc.web.server import forms, problems, security
from commentsvc.web.server.cache_headers import Body, make_body
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import HTML, SERVICE, SESSION, WHO

HOME: Final = "/moderate"
MAIL_DOCUMENT: Final = "https://github.com/commentsvc/commentsvc/blob/main/docs/mail.md"
UNCHANGED: Final = "unchanged"  # the result of a form that changed nothing
# A path and query below /moderate. A redirect may lead nowhere else.
MODERATION_PATH: Final = re.compile(r"/moderate(?:/[\w-]+)*(?:\?[^\s#\\]*)?", re.ASCII)
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
RESULT_PARAMETERS: Final = ("done", "skipped", "shown", "more")  # left out of links: they are about one request

Day: TypeAlias = Annotated[str, Meta(max_length=40, description="A date, as a date input sends it.")]
Back: TypeAlias = Annotated[str, Meta(max_length=3000, description="The page the form was sent from.")]


class ResultQuery(Struct, frozen=True, kw_only=True):
    """The result of the form that redirected here: action ids, and comments that were skipped."""

    done: Annotated[str, Meta(max_length=100)] | None = None
    skipped: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)


class Result(Protocol):
    """A query that has the fields of ``ResultQuery``."""

    @property
    def done(self) -> str | None:
        """The action."""

    @property
    def skipped(self) -> list[str]:
        """The comments."""


class BackQuery(Struct, frozen=True, kw_only=True):
    """The page to go back to."""

    back: Back | None = None


def safe_back_url(text: str | None) -> str:
    """Return the moderation page that a form named, without its result; the queue for anything else."""
    if not text or not MODERATION_PATH.fullmatch(text):
        return HOME
    parts = urlsplit(text)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in RESULT_PARAMETERS]
    return f"{parts.path}?{urlencode(kept)}" if kept else parts.path


def current_url(request: web.Request) -> str:
    """Return the moderation page of a request as a form names it: without the path that a proxy may have kept."""
    path, base = request.raw_path, request.app[SERVICE].config.base_path
    if base:
        inner = path.removeprefix(base) if path.startswith(f"{base}/") else f"/{path.lstrip('/')}"
        path = inner if MODERATION_PATH.fullmatch(inner) else path
    return safe_back_url(path)


def start_of_day(day: str | None) -> str | None:
    """Return the first moment of a day (UTC, ISO 8601). Anything but a date is returned as it is."""
    return f"{day}T00:00:00Z" if day and DATE.fullmatch(day) else day


def build_url(path: str = HOME, **query: str | None) -> str:
    """Return a URL with the query parameters that have a value."""
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def redirect_back(back: str | None, *, anchor: str = "", **result: str | list[str] | None) -> web.Response:
    """Redirect to the page of a form, which then shows the result."""
    target = safe_back_url(back)
    query = urlencode({name: value for name, value in result.items() if value}, doseq=True)
    if query:
        target += ("&" if "?" in target else "?") + query
    return web.Response(status=303, headers={hdrs.LOCATION: target + anchor, hdrs.CACHE_CONTROL: "no-store"})


def page_locale(request: web.Request) -> Locale:
    """Return the language of a moderation page: the moderator's choice, else that of the browser."""
    return request_locale(request, request[SESSION].preferences.language if SESSION in request else None)


async def render_page(
    request: web.Request, template: str, *, status: int = 200, result: "Result | None" = None, **values: Any
) -> web.Response:
    """Return a moderation page in its layout: tabs, counts, and the result of the last form."""
    service, who = request.app[SERVICE], request[WHO]
    directory = await resolve.read_directory(service)
    shared = {
        "session": request[SESSION],
        "csrf": service.keyring.token("csrf", request[SESSION].id),
        "may": {scope.value: who.may(scope) for scope in Scope},
        "sites": [site.name for site in directory.sites if who.reaches(site.id)],
        "limited": who.sites is not None,
        "totals": values.pop("totals", None) or await queue.count_by_status(service, who),
        "toast": await _load_toast(request, result) if result else None,
        "needs_key": values.get("tab") != "account" and await sessions.needs_key(service, request[SESSION]),
        "failing_webhooks": who.may(Scope.ADMIN) and await webhooks.has_failed(service, who),
        "done": result.done if result else None,
        "skipped": await queue.get_comments(service, who, result.skipped) if result and result.skipped else [],
        "current_url": current_url(request),
        "now": service.clock(),
        "as_of": service.now(),
    }
    shown = filters.template_functions(page_locale(request)) | shared | values
    return await render_response(request, template, status, **shown)


async def _load_toast(request: web.Request, result: "Result") -> tuple[str, str] | None:
    """Return what was done as a sentence, and how to take it back: undo, redo, or not at all."""
    if result.done == UNCHANGED:
        return page_locale(request).translate(translatable("Nothing was changed.")), ""
    last = await lookup.find_action(request.app[SERVICE], request[WHO], result.done) if result.done else None
    if last is None:
        return None
    way_back = "" if last.undone_by or last.verb == "erase" else "redo" if last.verb == "undo" != last.undid else "undo"
    sentence = filters.describe_action(last, await _added_rule(request, last))
    return page_locale(request).translate(sentence), way_back


async def _added_rule(request: web.Request, action: ActionSummary) -> RuleRecord | None:
    if action.verb != "rule_add" or not action.subject:
        return None
    try:
        return await manage.get_rule(request.app[SERVICE], request[WHO], action.subject.partition(":")[2])
    except NotFound:  # deleted since
        return None


async def render_response(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Return a page that no cache keeps.

    Compression leaks nothing here (BREACH): another site's page cannot request it with the cookie.
    """
    config, locale = request.app[SERVICE].config, page_locale(request)
    if isinstance(values.get("error"), Refusal):
        values["error"] = show_texts(locale, values["error"])

    def render() -> Body:
        return make_body(request, render_template(f"moderation/{template}", locale, config, **values).encode())

    body = await run_off_loop(render)
    headers = {**security.MODERATION_HEADERS, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if body.gzipped:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(status=status, body=body.content, content_type=HTML, charset="utf-8", headers=headers)


async def show_error(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """Show why a request failed, and the text of its form so that nobody loses it. Ask for a sign-in if needed."""
    unsaved = "" if isinstance(error, OriginNotAllowed) else await run_off_loop(lambda: _longest_text(body))
    status = problems.STATUS_OF_ERROR[type(error)]
    if isinstance(error, Unauthorized) or SESSION not in request:
        return await show_sign_in(request, status, error, unsaved)
    if isinstance(error, Unavailable):  # the layout would need the database
        return await render_response(request, "unavailable.html", status, error=error, unsaved=unsaved)
    shown: dict[str, Any] = {"error": error, "back": safe_back_url(_read_field("back", body))}
    return await render_page(request, "error.html", status=status, tab=None, unsaved=unsaved, **shown)


def on_field_errors(
    show: Callable[[web.Request, Invalid, bytes], Awaitable[web.Response]],
) -> Callable[[web.Request, Refusal, bytes], Awaitable[web.Response]]:
    """Make ``show`` handle wrong fields alone. Every other error gets a page of its own."""

    @wraps(show)
    async def handle(request: web.Request, error: Refusal, body: bytes) -> web.Response:
        if SESSION in request and isinstance(error, Invalid):
            return await show(request, error, body)
        return await show_error(request, error, body)

    return handle


async def show_sign_in(
    request: web.Request,
    status: int = HTTPStatus.OK,
    error: Refusal | None = None,
    unsaved: str = "",
    *,
    mailed_minutes: int = 0,
) -> web.Response:
    """Show the sign-in page. ``mailed_minutes``: a link was requested, and works for so long."""
    config = request.app[SERVICE].config
    # After a link on another site the browser sends no cookie (SameSite=Strict). A reload from here sends it.
    reload = request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site"
    response = await render_response(
        request,
        "sign_in.html",
        status,
        error=error if (error and not isinstance(error, Unauthorized)) or request.method == "POST" else None,
        unsaved=unsaved,
        secure=security.session_cookie(request, config) is not None,
        advice=security.explain_https(config),
        reload_url=current_url(request) if reload else None,
        sends_mail=bool(config.smtp_url),
        mailed_minutes=mailed_minutes,
    )
    if isinstance(error, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    return response


def _longest_text(body: bytes) -> str:
    return max((_read_field(name, body) for name in ("comment", "note", "match")), key=len)


def _read_field(name: str, body: bytes) -> str:
    try:
        return forms.read_field(name, body)
    except Refusal:
        return ""
