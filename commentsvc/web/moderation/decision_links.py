"""Pages behind the links in mails to moderators: decide on a comment, and stop the mails. None needs a sign-in.

The token in the address is the authority, so these pages are not kept, sent elsewhere or indexed. GET changes nothing:
mail programs and scanners open links.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from commentsvc.access import mail_stop, rate_limit
from commentsvc.access.mail_stop import MailedModerator
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.errors import Conflict, FieldError, Invalid, NotFound, OriginNotAllowed, Refusal, VersionConflict
from commentsvc.domain.messages import Message, translatable
from commentsvc.domain.models import ActionVerb, Status
from commentsvc.moderation import decision_links
from commentsvc.moderation.decision_links import OpenLink
from commentsvc.web.moderation import filters
from commentsvc.web.pages import refused
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server import problems
from commentsvc.web.server.routing import SERVICE, VISIT

WRONG_LINK: Final = "mail link "  # counted apart from other unreadable requests
HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
QUESTIONS: Final = {
    ActionVerb.APPROVE: translatable("Approve this comment?"),
    ActionVerb.SPAM: translatable("Mark this as spam?"),
    ActionVerb.TRASH: translatable("Move this to the trash?"),
}
ALREADY: Final = {
    Status.APPROVED: translatable("Already approved"),
    Status.SPAM: translatable("Already marked as spam"),
    Status.TRASH: translatable("Already in the trash"),
}
TIME: Final = r"^[0-9TZ:.-]{24}$"


class DecisionForm(Struct, frozen=True, kw_only=True):
    """The button that was pressed, the version that was shown, and when."""

    act: Literal["approve", "spam", "trash", "network", "undo"]
    version: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    as_of: Annotated[str, Meta(pattern=TIME)] | None = None


async def show_decision(request: web.Request) -> web.Response:
    """Show the comment of a link, and the buttons that decide. Nothing changes."""
    return await _show_link(request, await _open_link(request))


async def _open_link(request: web.Request) -> OpenLink:
    try:
        return await decision_links.open_link(request.app[SERVICE], request.match_info["token"])
    except NotFound:
        rate_limit.count_in_memory(request.app[SERVICE], request[VISIT], WRONG_LINK)
        raise


async def _show_link(request: web.Request, link: OpenLink, status: int = HTTPStatus.OK) -> web.Response:
    service, locale = request.app[SERVICE], request_locale(request, link.language or None)
    card = link.comment
    is_waiting = card.status is Status.PENDING and link.stored.used_at is None
    shown: dict[str, Any] = {
        "card": card,
        "link": link,
        "title": locale.translate(_describe_state(link, is_waiting=is_waiting)),
        "is_waiting": is_waiting,
        "was_used": link.stored.used_at is not None,
        "can_undo": bool(link.did and not link.did.undone_by and link.did.verb in decision_links.SIMPLE),
        "decided_at": link.decided and locale.format_time(link.decided.created_at),
        "order": [link.verb, *(verb for verb in decision_links.VERBS if verb is not link.verb)],
        "until": locale.format_day(link.stored.expires_at),
        "now": service.clock(),
        "as_of": service.now(),
    }
    return await _respond(request, "decision_link.html", locale, status, **shown)


def _describe_state(link: OpenLink, *, is_waiting: bool) -> Message:
    """Return the title of the page: a question, the effect of this link as it is now, or a decision by others."""
    if is_waiting:
        return QUESTIONS[link.verb]
    if link.did is not None and link.comment.status is Status.PENDING:  # it was undone
        return translatable("It is waiting again.")
    if link.did is not None:
        return filters.describe_action(link.did)
    return ALREADY.get(link.comment.status, translatable("This link was used before."))


async def decide(request: web.Request, form: DecisionForm) -> web.Response:
    """Decide on the comment of a link, or undo that. Then show the page again."""
    _refuse_foreign_page(request)
    link = await _open_link(request)
    try:
        await _act(request, link, form)
    except (Conflict, VersionConflict):  # somebody was faster, or the comment was edited: show what is now
        return await _show_link(request, await _open_link(request), HTTPStatus.CONFLICT)
    target = f"/m/{request.match_info['token']}"
    return web.Response(
        status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: target, hdrs.CACHE_CONTROL: "no-store", **HEADERS}
    )


async def _act(request: web.Request, link: OpenLink, form: DecisionForm) -> None:
    service = request.app[SERVICE]
    if form.version is None:
        raise Invalid(FieldError("version", "required", translatable("Reload the page and try again.")))
    if form.act == "undo" and link.stored.used_at:
        await decision_links.undo_own(service, link)
    elif form.act == "undo":
        await decision_links.undo_others(service, link, form.version)
    elif form.act == "network":
        await decision_links.mark_network_as_spam(service, link, form.version, form.as_of or service.now())
    else:
        await decision_links.decide(service, link, ActionVerb(form.act), form.version)


def _refuse_foreign_page(request: web.Request) -> None:
    """Refuse a form that another website sent. Without a referrer, old browsers send our own form's origin as null.

    Raises:
        OriginNotAllowed: another website sent it.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN, "null")
    own = {"null", request.app[SERVICE].config.own_origin}
    is_own = origin in own or origin.partition("://")[2] == request.host
    if not (site in {"same-origin", "none"} if site else is_own):
        raise OriginNotAllowed(translatable("Open the link in the mail again."))


async def show_stop(request: web.Request) -> web.Response:
    """Show the button that stops the mails to a moderator. Nothing changes."""
    return await _show_stop(request, await _find_moderator(request))


async def stop(request: web.Request) -> web.Response:
    """Stop the mails to a moderator. Mail programs send this too (RFC 8058)."""
    moderator = await _find_moderator(request)
    await mail_stop.stop_mails(request.app[SERVICE], moderator.id)
    return await _show_stop(request, await _find_moderator(request))


async def _find_moderator(request: web.Request) -> MailedModerator:
    try:
        return await mail_stop.find_mailed_moderator(request.app[SERVICE], request.match_info["token"])
    except NotFound:
        rate_limit.count_in_memory(request.app[SERVICE], request[VISIT], WRONG_LINK)
        raise


async def _show_stop(request: web.Request, moderator: MailedModerator) -> web.Response:
    locale = request_locale(request, moderator.language or None)
    is_off = moderator.mode is MailMode.OFF
    return await _respond(request, "mail_stop.html", locale, name=moderator.name, is_off=is_off)


async def show_link_error(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """Show that a link is not valid, without a word about what it was for; or why a form was refused."""
    if not isinstance(error, NotFound):
        response = await refused.show_refusal(request, error, body)
        response.headers.update(HEADERS)
        return response
    return await _respond(request, "link_not_valid.html", request_locale(request), problems.STATUS_OF_ERROR[NotFound])


async def _respond(
    request: web.Request, template: str, locale: Locale, status: int = HTTPStatus.OK, **values: Any
) -> web.Response:
    functions = filters.template_functions(locale)
    response = await page(request, f"moderation/{template}", locale, status=status, **functions, **values)
    response.headers.update(HEADERS)
    return response
