"""What every part of the moderation page stands in, and where its forms lead."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import hdrs, web
from msgspec import Meta, Struct, field

from commentsvc.audit import lookup
from commentsvc.domain.errors import (
    Invalid,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Refusal,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.moderation import queue
from commentsvc.sites import resolve
from commentsvc.web.moderation import filters
from commentsvc.web.pages.i18n import words_for
from commentsvc.web.pages.templates import rendered
from commentsvc.web.server import parsing, problems, security
from commentsvc.web.server.cache_headers import GZIP_MAGIC, packed, takes_gzip
from commentsvc.web.server.routing import HTML, SERVICE, SESSION, WHO

ENGLISH: Final = words_for()  # what moderators read
HOME: Final = "/moderate"
# A page of ours, by path and query; never another host.
OURS: Final = re.compile(r"/moderate(?:/[\w-]+)*(?:\?[^\s#\\]*)?", re.ASCII)
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
SAID: Final = ("done", "also", "left", "shown")  # what a page says once of what was just done

Day: TypeAlias = Annotated[str, Meta(max_length=40, description="As a browser's field for days says it.")]
Back: TypeAlias = Annotated[str, Meta(max_length=3000, description="The page a form was sent from.")]


class Told(Struct, frozen=True, kw_only=True):
    """What a page says once: what was just done, and what was left because somebody decided meanwhile."""

    done: Annotated[str, Meta(max_length=100)] | None = None
    also: Annotated[str, Meta(max_length=100)] | None = None  # done just before that
    left: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)


def back_to(text: str | None) -> str:
    """A page of the moderation page's, as a form named it; else its first."""
    if not text or not OURS.fullmatch(text):
        return HOME
    parts = urlsplit(text)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in SAID]
    return f"{parts.path}?{urlencode(kept)}" if kept else parts.path


def moment(day: str | None) -> str | None:
    """The first moment of a day, as times travel; what is no day is for others to refuse."""
    return f"{day}T00:00:00Z" if day and DAY.fullmatch(day) else day


def address(place: str = HOME, **asked: str | None) -> str:
    """A page of the moderation page's."""
    named = {name: value for name, value in asked.items() if value}
    return f"{place}?{urlencode(named)}" if named else place


def led(back: str | None, *, anchor: str = "", **said: str | list[str] | None) -> web.Response:
    """Send a browser back to where its form stood, to read there what came of it."""
    target = back_to(back)
    more = urlencode({name: value for name, value in said.items() if value}, doseq=True)
    if more:
        target += ("&" if "?" in target else "?") + more
    return web.Response(status=303, headers={hdrs.LOCATION: target + anchor, hdrs.CACHE_CONTROL: "no-store"})


async def page(
    request: web.Request, template: str, *, status: int = 200, told: Told | None = None, **values: Any
) -> web.Response:
    """A part of the moderation page, with all that stands around it."""
    service, who = request.app[SERVICE], request[WHO]
    everything = await resolve.read_directory(service)
    about = {
        "me": request[SESSION],
        "csrf": service.keyring.token("csrf", request[SESSION].id),
        "may": {scope.value: who.may(scope) for scope in Scope},
        "sites": [site.name for site in everything.sites if who.reaches(site.id)],
        "totals": values.pop("totals", None) or await queue.count_by_status(service, who),
        "said": await _said(request, told) if told else None,
        "done": told.done if told else None,
        "left": await queue.get_comments(service, who, told.left) if told and told.left else [],
        "here": back_to(request.raw_path),
        "now": service.clock(),
        "as_of": service.now(),
    }
    return html(request, rendered(f"moderation/{template}", ENGLISH, **filters.WORDS | about | values), status)


async def _said(request: web.Request, told: Told) -> tuple[str, bool] | None:
    """What was done, and whether the last of it can be taken back from here."""
    asked = [one for one in (told.also, told.done) if one]
    found = await lookup.find_actions(request.app[SERVICE], request[WHO], asked) if asked else {}
    deeds = [found[one] for one in asked if one in found]
    if not deeds:
        return None
    undoable = deeds[-1].undone_by is None and deeds[-1].verb not in {"undo", "erase"}
    return " ".join(map(filters.done, deeds)), undoable


def html(request: web.Request, text: str, status: int = 200) -> web.Response:
    """A page that is a moderator's alone.

    It travels compressed. Its size tells nothing to other sites' pages: they cannot ask for it with the cookie.
    """
    body = packed(text.encode(), packs=takes_gzip(request))
    headers = {**security.MODERATION_HEADERS, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if body.startswith(GZIP_MAGIC):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(status=status, body=body, content_type=HTML, charset="utf-8", headers=headers)


async def refused(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """Why something was not done; whoever is not signed in is asked to sign in, and what they wrote is shown."""
    wrote = "" if isinstance(error, OriginNotAllowed) else _written(body)
    status = problems.STATUS_OF_ERROR[type(error)]
    if isinstance(error, Unauthorized) or SESSION not in request:
        return sign_in_page(request, status, error, wrote)
    if isinstance(error, Unavailable):  # nothing more can be asked of the database now
        return html(request, rendered("moderation/plain.html", ENGLISH, error=error, faults=[], wrote=wrote), status)
    faults = [fault.detail for fault in error.faults] if isinstance(error, Invalid) else []
    title = "There is nothing here" if isinstance(error, NotFound) and error.detail == error.title else error.title
    back = back_to(_field("back", body))
    shown: dict[str, Any] = {"title": title, "error": error, "faults": faults, "wrote": wrote, "back": back}
    return await page(request, "refused.html", status=status, tab=None, **shown)


def where_fields_are_at_fault(
    show: Callable[[web.Request, Invalid, bytes], Awaitable[web.Response]],
) -> Callable[[web.Request, Refusal, bytes], Awaitable[web.Response]]:
    """Show a form once more where its fields are at fault; whatever else is wrong is said on a page of its own."""

    @wraps(show)
    async def answer(request: web.Request, error: Refusal, body: bytes) -> web.Response:
        if SESSION in request and isinstance(error, Invalid):
            return await show(request, error, body)
        return await refused(request, error, body)

    return answer


def sign_in_page(
    request: web.Request, status: int = HTTPStatus.OK, error: Refusal | None = None, wrote: str = ""
) -> web.Response:
    """Where somebody who is not signed in can do so."""
    config = request.app[SERVICE].config
    # A link elsewhere led here, so the cookie stayed away (SameSite=Strict). Asked again from here it comes along.
    again = request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site"
    shown = rendered(
        "moderation/sign_in.html",
        ENGLISH,
        error=error if (error and not isinstance(error, Unauthorized)) or request.method == "POST" else None,
        wrote=wrote,
        safe=security.session_cookie(request, config) is not None,
        own_origin=config.own_origin,
        again=back_to(request.raw_path) if again else None,
    )
    response = html(request, shown, status)
    if isinstance(error, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    return response


def _written(body: bytes) -> str:
    """The longest text of a form, so that nobody's words are lost."""
    return max((_field(name, body) for name in ("comment", "note", "match")), key=len)


def _field(name: str, body: bytes) -> str:
    try:
        return parsing.one_field(name, body)
    except Refusal:
        return ""
