"""Sign in to the moderation page with a sign-in link or a key."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.access import sessions, sign_in
from commentsvc.delivery import sign_in_mail
from commentsvc.domain.errors import HttpsRequired, NotFound, Refusal
from commentsvc.domain.fields import Address
from commentsvc.web.moderation import layout
from commentsvc.web.server import problems, security
from commentsvc.web.server.routing import SERVICE, VISIT

COOKIE_SECONDS = sessions.MAX_AGE_DAYS * 86_400


class SignInForm(Struct, frozen=True, kw_only=True):
    """The key that somebody typed."""

    key: Annotated[str, Meta(max_length=200)] | None = None


class SignInLinkForm(Struct, frozen=True, kw_only=True):
    """The email address that asks for a sign-in link."""

    email: Address


async def show_sign_in_link(request: web.Request) -> web.Response:
    """Show the button that uses a sign-in link. A GET changes nothing, so mail scanners do no harm."""
    name = await sign_in.find_invited_name(request.app[SERVICE], request.match_info["token"])
    return await _render_link(request, name)


async def _render_link(request: web.Request, name: str | None) -> web.Response:
    config = request.app[SERVICE].config
    secure = security.session_cookie(request, config) is not None
    shown = {"name": name, "secure": secure, "advice": security.explain_https(config)}
    status = HTTPStatus.OK if name else HTTPStatus.NOT_FOUND
    return await layout.render_response(request, "sign_in_link.html", status, **shown)


async def sign_in_by_link(request: web.Request) -> web.Response:
    """Sign a moderator in, and use up the link."""
    _require_secure_form(request)
    service, token = request.app[SERVICE], request.match_info["token"]
    try:
        session = await sign_in.sign_in_by_link(service, token, request[VISIT])
    except NotFound:
        return await _render_link(request, None)
    return _start_session(request, session)


async def sign_in_by_key(request: web.Request, form: SignInForm) -> web.Response:
    """Sign in with a key."""
    _require_secure_form(request)
    session = await sign_in.sign_in_by_key(request.app[SERVICE], form.key or "", request[VISIT])
    return _start_session(request, session)


async def request_sign_in_link(request: web.Request, form: SignInLinkForm) -> web.Response:
    """Mail a sign-in link to a moderator. The response is the same for every address."""
    _require_secure_form(request)
    language = layout.page_locale(request).lang
    await sign_in.request_sign_in_link(request.app[SERVICE], form.email, language, request[VISIT])
    return await layout.show_sign_in(request, mailed_minutes=sign_in_mail.LINK_MINUTES)


def _require_secure_form(request: web.Request) -> None:
    """Refuse connections on which others could read the cookie, and forms of other websites.

    Raises:
        HttpsRequired: the service has no https address, and the browser is not on this computer.
        OriginNotAllowed: another website sent the form.
    """
    config = request.app[SERVICE].config
    if security.session_cookie(request, config) is None:
        raise HttpsRequired(security.explain_https(config))
    security.require_own_page(request, config)


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
    return await layout.show_sign_in(request, problems.STATUS_OF_ERROR[type(error)], error)
