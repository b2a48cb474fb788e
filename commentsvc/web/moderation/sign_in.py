"""The way in to the moderation page, and out of it."""

from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.access import sessions, sign_in
from commentsvc.access.schemas import CreatedKey
from commentsvc.domain.errors import NotFound, Refusal
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Told
from commentsvc.web.pages.templates import rendered
from commentsvc.web.server import problems, security
from commentsvc.web.server.routing import SERVICE, SESSION, VISIT

COOKIE_SECONDS = sessions.MAX_AGE_DAYS * 86_400


class Key(Struct, frozen=True, kw_only=True):
    """A key, typed or pasted."""

    key: Annotated[str, Meta(max_length=200)] | None = None


class Ending(Struct, frozen=True, kw_only=True):
    """A session to be ended; without one, this."""

    session: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


class EndingKey(Struct, frozen=True, kw_only=True):
    """A key of one's own, to be ended."""

    key: Annotated[str, Meta(max_length=100)]


class Yours(Told, frozen=True, kw_only=True):
    """What was just done to one's own way in."""


async def invited(request: web.Request) -> web.Response:
    """Ask whether to use a one-time link; looking changes nothing, so a mail scanner may look."""
    name = await sign_in.find_invited_name(request.app[SERVICE], request.match_info["token"])
    return _link_page(request, name)


def _link_page(request: web.Request, name: str | None) -> web.Response:
    safe = security.session_cookie(request, request.app[SERVICE].config) is not None
    own_origin = request.app[SERVICE].config.own_origin
    text = rendered("moderation/link.html", layout.ENGLISH, name=name, safe=safe, own_origin=own_origin)
    return layout.html(request, text, HTTPStatus.OK if name else HTTPStatus.NOT_FOUND)


async def by_link(request: web.Request) -> web.Response:
    """Use a one-time link up: its moderator is signed in."""
    _require_a_safe_place(request)
    service, token = request.app[SERVICE], request.match_info["token"]
    try:
        session = await sign_in.sign_in_by_link(service, token, request[VISIT])
    except NotFound:
        return _link_page(request, None)
    return _come_in(request, session)


async def by_key(request: web.Request, given: Key) -> web.Response:
    """Sign in with a key."""
    _require_a_safe_place(request)
    session = await sign_in.sign_in_by_key(request.app[SERVICE], given.key or "", request[VISIT])
    return _come_in(request, session)


def _require_a_safe_place(request: web.Request) -> None:
    """Let nobody be signed in by another page, or where the cookie could be read on its way.

    Raises:
        ForeignOrigin, NotFound: it would be so.
    """
    config = request.app[SERVICE].config
    security.require_own_page(request, config)
    if security.session_cookie(request, config) is None:
        raise NotFound("Nobody can sign in without https.")


def _come_in(request: web.Request, session: str) -> web.Response:
    config = request.app[SERVICE].config
    response = layout.led(None)
    response.set_cookie(
        security.session_cookie(request, config) or "",
        session,
        max_age=COOKIE_SECONDS,
        path="/",
        secure=config.own_origin.startswith("https://"),
        httponly=True,
        samesite="Strict",
    )
    return response


async def not_in(request: web.Request, error: Refusal, _body: bytes) -> web.Response:
    """Why somebody was not signed in."""
    return layout.sign_in_page(request, problems.STATUS_OF_ERROR[type(error)], error)


async def you(request: web.Request, yours: Yours) -> web.Response:
    """Where one is signed in, and a key for the next time."""
    return await _you(request, told=yours)


async def _you(request: web.Request, *, made: CreatedKey | None = None, told: Told | None = None) -> web.Response:
    session = request[SESSION]
    found = await sessions.list_sessions(request.app[SERVICE], session)
    keys = await sessions.list_own_keys(request.app[SERVICE], session)
    shown: dict[str, Any] = {
        "title": "You",
        "tab": "you",
        "sessions": found,
        "keys": keys,
        "made": made,
        "idle": sessions.IDLE_HOURS,
    }
    return await layout.page(request, "you.html", told=told, longest=sessions.MAX_AGE_DAYS, **shown)


async def make_key(request: web.Request) -> web.Response:
    """Make a key to sign in with next time. It is shown this once."""
    return await _you(request, made=await sessions.create_session_key(request.app[SERVICE], request[SESSION]))


async def end_key(request: web.Request, ending: EndingKey) -> web.Response:
    """End a key of one's own at once."""
    await sessions.revoke_own_key(request.app[SERVICE], request[SESSION], ending.key)
    return layout.led("/moderate/you")


async def sign_out(request: web.Request, ending: Ending) -> web.Response:
    """End this session at once, or another of one's own."""
    session = request[SESSION]
    await sessions.revoke_session(request.app[SERVICE], session, ending.session or session.id)
    response = layout.led("/moderate/you" if ending.session else None)
    if ending.session in {None, session.id}:
        response.del_cookie(
            security.session_cookie(request, request.app[SERVICE].config) or "",
            path="/",
            secure=request.app[SERVICE].config.own_origin.startswith("https://"),
            httponly=True,
            samesite="Strict",
        )
    return response
