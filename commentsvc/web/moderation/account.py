"""The account page: a moderator's sessions and keys, and signing out."""

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.access import mail_preferences, preferences, queue_feeds, sessions
from commentsvc.access.preferences import Preferences
from commentsvc.access.schemas import CreatedKey, MailPreference
from commentsvc.delivery import mail_state
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.domain.fields import SiteName
from commentsvc.domain.messages import translatable
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, BackQuery, ResultQuery
from commentsvc.web.pages.i18n import LANGUAGE_NAMES
from commentsvc.web.server import security
from commentsvc.web.server.routing import SERVICE, SESSION, WHO

ACCOUNT: Final = "/moderate/account"
MAIL_MODES: Final = {
    MailMode.NOW: translatable("At once, then a digest"),
    MailMode.DIGEST: translatable("Only a digest"),
    MailMode.OFF: translatable("No mail"),
}


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


class MailForm(Struct, frozen=True, kw_only=True):
    """When the moderator gets mails about waiting comments."""

    mode: MailMode
    minutes: Annotated[int, Meta(ge=1, le=1440)] | None = None


class FeedForm(Struct, frozen=True, kw_only=True):
    """The site of a new feed, and whether it shows what commenters wrote."""

    site: SiteName
    text: Literal["on"] | None = None


class RevokeFeedForm(Struct, frozen=True, kw_only=True):
    """The id of the feed to revoke."""

    feed: Annotated[str, Meta(max_length=100)]


async def show_account(request: web.Request, query: ResultQuery) -> web.Response:
    """Show the moderator's sessions and keys."""
    return await _render_account(request, result=query)


async def _render_account(
    request: web.Request,
    *,
    created: CreatedKey | None = None,
    feed_url: str | None = None,
    result: ResultQuery | None = None,
    error: Refusal | None = None,
    status: int = 200,
) -> web.Response:
    service, session = request.app[SERVICE], request[SESSION]
    config, translate = service.config, layout.page_locale(request).translate
    shown: dict[str, Any] = {
        "sessions": await sessions.list_sessions(service, session),
        "keys": await sessions.list_own_keys(service, session),
        "created": created,
        "languages": LANGUAGE_NAMES,
        "idle_hours": sessions.IDLE_HOURS,
        "max_age_days": sessions.MAX_AGE_DAYS,
        "sends_mail": bool(config.smtp_url),
        "mail": await mail_preferences.read_own_mail(service, session.who),
        "mail_modes": {mode.value: translate(words) for mode, words in MAIL_MODES.items()},
        "mail_minutes": config.mail_minutes,
        "mail_failure": await mail_state.read_mail_failure(service),
        "mail_document": layout.MAIL_DOCUMENT,
        "feeds": await queue_feeds.list_queue_feeds(service, session.who),
        "feed_url": feed_url,
        "error": error,
    }
    return await layout.render_page(request, "account.html", status=status, result=result, tab="account", **shown)


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


async def save_mail_preference(request: web.Request, form: MailForm) -> web.Response:
    """Keep which mails about waiting comments the moderator gets."""
    chosen = MailPreference(mode=form.mode, minutes=form.minutes)
    await mail_preferences.save_own_mail(request.app[SERVICE], request[WHO], chosen)
    return layout.redirect_back(ACCOUNT, anchor="#mail")


async def create_feed(request: web.Request, form: FeedForm) -> web.Response:
    """Create a feed of a site's queue for the moderator, and show its address once."""
    url = await queue_feeds.create_queue_feed(
        request.app[SERVICE], request[WHO], form.site, shows_text=form.text == "on"
    )
    return await _render_account(request, feed_url=url)


async def revoke_feed(request: web.Request, form: RevokeFeedForm) -> web.Response:
    """Revoke a feed of the moderator."""
    await queue_feeds.revoke_queue_feed(request.app[SERVICE], request[WHO], form.feed)
    return layout.redirect_back(ACCOUNT, anchor="#feeds")


async def close_mail_notice(request: web.Request, form: BackQuery) -> web.Response:
    """Never again show the moderator that no mail is sent."""
    await preferences.close_mail_notice(request.app[SERVICE], request[WHO])
    return layout.redirect_back(form.back)


@layout.on_field_errors
async def show_account_error(request: web.Request, error: Invalid, _body: bytes) -> web.Response:
    """Show the account page with the errors of its forms."""
    return await _render_account(request, error=error, status=422)


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
