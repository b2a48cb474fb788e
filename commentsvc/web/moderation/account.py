"""The account page: a moderator's sessions and keys, and signing out."""

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.access import preferences, sessions
from commentsvc.access.preferences import Preferences
from commentsvc.access.schemas import CreatedKey
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.pages.i18n import LANGUAGE_NAMES
from commentsvc.web.server import security
from commentsvc.web.server.routing import SERVICE, SESSION, WHO

ACCOUNT: Final = "/moderate/account"


class SignOutForm(Struct, frozen=True, kw_only=True):
    """The session to end; without one, this session."""

    session: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


class PreferencesForm(Struct, frozen=True, kw_only=True):
    """The language of the page, and whether single keys act."""

    language: Literal["", "en", "de", "fr", "es", "pt", "it", "nl", "pl", "uk", "ar", "he", "fa", "zh", "ja", "ko"] = ""
    shortcuts: Literal["on"] | None = None
    back: Back | None = None


class RevokeKeyForm(Struct, frozen=True, kw_only=True):
    """The id of the key to revoke."""

    key: Annotated[str, Meta(max_length=100)]


async def show_account(request: web.Request, query: ResultQuery) -> web.Response:
    """Show the moderator's sessions and keys."""
    return await _render_account(request, result=query)


async def _render_account(
    request: web.Request, *, created: CreatedKey | None = None, result: ResultQuery | None = None
) -> web.Response:
    service, session = request.app[SERVICE], request[SESSION]
    shown: dict[str, Any] = {
        "sessions": await sessions.list_sessions(service, session),
        "keys": await sessions.list_own_keys(service, session),
        "created": created,
        "languages": LANGUAGE_NAMES,
        "idle_hours": sessions.IDLE_HOURS,
        "max_age_days": sessions.MAX_AGE_DAYS,
    }
    return await layout.render_page(request, "account.html", result=result, tab="account", **shown)


async def save_preferences(request: web.Request, form: PreferencesForm) -> web.Response:
    """Keep the language and the keyboard shortcuts of the moderator."""
    chosen = Preferences(form.language, form.shortcuts == "on")
    await preferences.save_preferences(request.app[SERVICE], request[WHO], chosen)
    return layout.redirect_back(form.back or ACCOUNT)


async def create_key(request: web.Request) -> web.Response:
    """Create a key for the moderator, and show it once."""
    created = await sessions.create_session_key(request.app[SERVICE], request[SESSION])
    return await _render_account(request, created=created)


async def revoke_key(request: web.Request, form: RevokeKeyForm) -> web.Response:
    """Revoke a key of the moderator."""
    await sessions.revoke_own_key(request.app[SERVICE], request[SESSION], form.key)
    return layout.redirect_back(ACCOUNT)


async def sign_out(request: web.Request, form: SignOutForm) -> web.Response:
    """End this session, or another session of the same moderator."""
    session, config = request[SESSION], request.app[SERVICE].config
    await sessions.revoke_session(request.app[SERVICE], session, form.session or session.id)
    response = layout.redirect_back(ACCOUNT if form.session else None)
    if form.session in {None, session.id}:
        response.del_cookie(
            security.session_cookie(request, config) or "",
            path=config.base_path or "/",
            secure=config.own_origin.startswith("https://"),
            httponly=True,
            samesite="Strict",
        )
    return response
