"""Sign in to the moderation page with a sign-in link or a key."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.access import sessions, sign_in
from commentsvc.domain.errors import NotFound, Refusal
from commentsvc.web.moderation import layout
from commentsvc.web.pages.templates import render_template
from commentsvc.web.server import problems, security
from commentsvc.web.server.routing import SERVICE, VISIT

COOKIE_SECONDS = sessions.MAX_AGE_DAYS * 86_400


class SignInForm(Struct, frozen=True, kw_only=True):
    """The key that somebody typed."""

    key: Annotated[str, Meta(max_length=200)] | None = None


async def show_sign_in_link(request: web.Request) -> web.Response:
    """Show the button that uses a sign-in link. A GET changes nothing, so mail scanners do no harm."""
    name = await sign_in.find_invited_name(request.app[SERVICE], request.match_info["token"])
    return _render_link(request, name)


def _render_link(request: web.Request, name: str | None) -> web.Response:
    config = request.app[SERVICE].config
    secure = security.session_cookie(request, config) is not None
    text = render_template("moderation/sign_in_link.html", layout.ENGLISH, config, name=name, secure=secure)
    return layout.html_response(request, text, HTTPStatus.OK if name else HTTPStatus.NOT_FOUND)


async def sign_in_by_link(request: web.Request) -> web.Response:
    """Sign a moderator in, and use up the link."""
    _require_secure_form(request)
    service, token = request.app[SERVICE], request.match_info["token"]
    try:
        session = await sign_in.sign_in_by_link(service, token, request[VISIT])
    except NotFound:
        return _render_link(request, None)
    return _start_session(request, session)


async def sign_in_by_key(request: web.Request, form: SignInForm) -> web.Response:
    """Sign in with a key."""
    _require_secure_form(request)
    session = await sign_in.sign_in_by_key(request.app[SERVICE], form.key or "", request[VISIT])
    return _start_session(request, session)


def _require_secure_form(request: web.Request) -> None:
    """Refuse forms of other websites, and connections on which others could read the cookie.

    Raises:
        OriginNotAllowed: another website sent the form.
        NotFound: the connection is neither https nor on this computer.
    """
    config = request.app[SERVICE].config
    security.require_own_page(request, config)
    if security.session_cookie(request, config) is None:
        raise NotFound("You can sign in only over https.")


def _start_session(request: web.Request, session: str) -> web.Response:
    config = request.app[SERVICE].config
    response = layout.redirect_back(None)
    response.set_cookie(
        security.session_cookie(request, config) or "",
        session,
        max_age=COOKIE_SECONDS,
        path=config.base_path or "/",
        secure=config.own_origin.startswith("https://"),
        httponly=True,
        samesite="Strict",
    )
    return response


async def show_sign_in_error(request: web.Request, error: Refusal, _body: bytes) -> web.Response:
    """Show the sign-in page with the reason why a sign-in failed."""
    return layout.show_sign_in(request, problems.STATUS_OF_ERROR[type(error)], error)
