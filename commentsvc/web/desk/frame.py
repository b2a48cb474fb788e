"""What every part of the moderation page stands in, and where its forms lead."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import hdrs, web
from msgspec import Meta

from commentsvc import inspecting, places, retracing
from commentsvc.errors import Invalid, NotFound, Refused, TooFast, Unauthorized, Unavailable
from commentsvc.model import Scope
from commentsvc.retracing import Deed
from commentsvc.web import guards, problems
from commentsvc.web.caching import GZIP_MAGIC, packed, takes_gzip
from commentsvc.web.desk import sayings
from commentsvc.web.endpoint import HTML, SERVICE, SESSION, WHO
from commentsvc.web.rendering import rendered
from commentsvc.web.words import words_for

ENGLISH: Final = words_for()  # what moderators read
HOME: Final = "/moderate"
# A page of ours, by path and query; never another host.
OURS: Final = re.compile(r"/moderate(?:/[\w-]+)*(?:\?[^\s#\\]*)?", re.ASCII)
SAID: Final = ("done", "left", "shown")  # what a page says once of what was just done

Back: TypeAlias = Annotated[str, Meta(max_length=3000, description="The page a form was sent from.")]
Done: TypeAlias = Annotated[str, Meta(max_length=100, description="The action that was just done.")]


def back_to(text: str | None) -> str:
    """A page of the moderation page's, as a form named it; else its first."""
    if not text or not OURS.fullmatch(text):
        return HOME
    parts = urlsplit(text)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in SAID]
    return f"{parts.path}?{urlencode(kept)}" if kept else parts.path


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
    request: web.Request, template: str, *, status: int = 200, done: str | None = None, **values: Any
) -> web.Response:
    """A part of the moderation page, with all that stands around it."""
    service, who = request.app[SERVICE], request[WHO]
    everything = await places.consult(service)
    about = {
        "me": request[SESSION],
        "csrf": service.keyring.token("csrf", request[SESSION].id),
        "may": {scope.value: who.may(scope) for scope in Scope},
        "sites": [site.name for site in everything.sites if who.reaches(site.id)],
        "totals": values.pop("totals", None) or await inspecting.totals(service, who),
        "said": _said(await retracing.deed(service, who, done)) if done else None,
        "done": done,
        "here": back_to(request.raw_path),
        "now": service.clock(),
    }
    return html(request, rendered(f"desk/{template}", ENGLISH, **sayings.WORDS | about | values), status)


def _said(deed: Deed | None) -> tuple[str, bool] | None:
    """What was done, and whether it can be taken back from here."""
    return (sayings.done(deed), deed.undone_by is None and deed.verb not in {"undo", "erase"}) if deed else None


def html(request: web.Request, text: str, status: int = 200) -> web.Response:
    """A page that is a moderator's alone.

    It travels compressed. Its size tells nothing to other sites' pages: they cannot ask for it with the cookie.
    """
    body = packed(text.encode(), packs=takes_gzip(request))
    headers = {**guards.DESK_HEADERS, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if body.startswith(GZIP_MAGIC):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(status=status, body=body, content_type=HTML, charset="utf-8", headers=headers)


async def refused(request: web.Request, error: Refused, body: bytes) -> web.Response:
    """Why something was not done; whoever is not signed in is asked to sign in, and what they wrote is shown."""
    wrote = _written(body)
    status = problems.STATUS[type(error)]
    if isinstance(error, Unauthorized) or SESSION not in request:
        return sign_in_page(request, status, error, wrote)
    if isinstance(error, Unavailable):  # nothing more can be asked of the database now
        return html(request, rendered("desk/plain.html", ENGLISH, error=error, faults=[], wrote=wrote), status)
    faults = [fault.detail for fault in error.faults] if isinstance(error, Invalid) else []
    title = "There is nothing here" if isinstance(error, NotFound) and error.detail == error.title else error.title
    shown: dict[str, Any] = {"title": title, "error": error, "faults": faults, "wrote": wrote, "tab": None}
    return await page(request, "refused.html", status=status, **shown)


def sign_in_page(
    request: web.Request, status: int = HTTPStatus.OK, error: Refused | None = None, wrote: str = ""
) -> web.Response:
    """Where somebody who is not signed in can do so."""
    config = request.app[SERVICE].config
    # A link elsewhere led here, so the cookie stayed away (SameSite=Strict). Asked again from here it comes along.
    again = request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site"
    shown = rendered(
        "desk/sign_in.html",
        ENGLISH,
        error=error if (error and not isinstance(error, Unauthorized)) or request.method == "POST" else None,
        wrote=wrote,
        safe=guards.session_cookie(config) is not None,
        own_origin=config.own_origin,
        again=back_to(request.raw_path) if again else None,
    )
    response = html(request, shown, status)
    if isinstance(error, TooFast):
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    return response


def _written(body: bytes) -> str:
    """The longest text of a form, so that nobody's words are lost."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), max_num_fields=1000))
    except ValueError:
        return ""
    return max((fields.get(name, "") for name in ("comment", "note", "match")), key=len)
