"""The pages on which people see, change and delete their own comments, by a link that is mailed to them."""

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta, Struct

from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.errors import FieldError, Invalid, NotFound, Refusal
from commentsvc.domain.fields import REQUIRED_MESSAGES, Address, Language, Text
from commentsvc.domain.models import Actor, ActorKind
from commentsvc.privacy import erase, export
from commentsvc.subscriptions import confirm, own_comments
from commentsvc.web.pages.confirm import find_address, redirect_with_proof
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.mailed_links import LinkQuery, private
from commentsvc.web.pages.messages import explain_to_person
from commentsvc.web.pages.refused import show_refusal
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server import forms, problems
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import JSON, SERVICE, VISIT

OWNER: Final = Actor(ActorKind.AUTHOR, None, "author")  # of an address; its name is not known
CommentId: TypeAlias = Annotated[str, Meta(max_length=100)]


class LinkRequest(Struct, frozen=True, kw_only=True):
    """The address whose comments somebody wants to see."""

    email: Address


class OwnQuery(Struct, frozen=True, kw_only=True):
    """The page of comments to show, or the comment to change or delete."""

    before: CommentId | None = None
    edit: CommentId | None = None
    erase: CommentId | None = None  # ``all``: every comment
    done: Literal["edited", "erased"] | None = None
    lang: Language | None = None


class OwnForm(Struct, frozen=True, kw_only=True):
    """A change of a comment, or of all. ``prove``: comments of this browser count as verified on its site."""

    act: Literal["edit", "erase", "erase_all", "prove"]
    id: CommentId | None = None
    comment: Text | None = None


async def show_request_form(request: web.Request, query: LinkQuery) -> web.Response:
    """Show the form that asks for a link to a person's comments."""
    return await _show_form(request, request_locale(request, query.lang))


async def request_link(request: web.Request, query: LinkQuery, form: LinkRequest) -> web.Response:
    """Send a link to an address, if it has comments or mails. The answer is always the same.

    Raises:
        NotFound: the service sends no mail.
        RateLimited: the network has asked too often.
    """
    service, locale = request.app[SERVICE], request_locale(request, query.lang)
    if not service.config.smtp_url:
        raise NotFound
    await own_comments.request_link(service, form.email, locale.lang, request[VISIT])
    return await _show_form(request, locale, sent=True)


async def show_request_error(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show the form again, with the reason why nothing was sent."""
    locale = request_locale(request, request.query.get("lang"))
    status = problems.STATUS_OF_ERROR[type(refused)]
    if not request.app[SERVICE].config.smtp_url:
        return await _show_form(request, locale, status=status)
    typed = _read_field("email", body)
    response = await _show_form(request, locale, status=status, refused=explain_to_person(locale, refused), typed=typed)
    response.headers.update(problems.headers_of(refused))
    return response


async def _show_form(request: web.Request, locale: Locale, *, status: int = 200, **more: Any) -> web.Response:
    values = {"sent": False, "refused": None, "typed": "", "sends": bool(request.app[SERVICE].config.smtp_url)} | more
    return private(await page(request, "mine.html", locale, status=status, **values))


async def show_own(request: web.Request, query: OwnQuery) -> web.Response:
    """Show the comments with the address of a link, or one of them to change or delete. It changes nothing."""
    service, token = request.app[SERVICE], request.match_info["token"]
    chosen = query.edit or query.erase
    if chosen and chosen != "all":
        own = await own_comments.get_own(service, token, chosen)
        return await _show_one(request, query.lang, own, "edit" if query.edit else "erase")
    listed = await own_comments.list_own(service, token, query.before)
    newest = {one.site.id: one for one in reversed(listed.comments)}.values()
    pages = {one.comment.id: await find_address(request, one.page) for one in newest}
    provable = [one for one in newest if pages[one.comment.id]]
    response = await _show(request, query.lang, "own_comments.html", listed=listed, query=query, provable=provable)
    return private(response, pages.values())


async def change_own(request: web.Request, query: LinkQuery, form: OwnForm) -> web.Response:
    """Change or delete comments with the address of a link.

    Raises:
        NotFound: the link is not valid any more, or the comment has another address.
        Refusal: see ``own_comments.edit_own``.
    """
    service, token, comment_id = request.app[SERVICE], request.match_info["token"], form.id or ""
    match form.act:
        case "edit":
            if form.comment is None:  # an empty field of a form
                raise Invalid(FieldError("comment", "required", REQUIRED_MESSAGES["comment"]))
            change = CommentEdit(comment=form.comment)
            await own_comments.edit_own(service, token, comment_id, change, request[VISIT])
        case "erase":
            await own_comments.erase_own(service, token, comment_id)
        case "erase_all":
            _, email = await own_comments.find_owner(service, token)
            erasure = await erase.erase_person(service, email, actor=OWNER)
            return await _show(request, query.lang, "own_comments_erased.html", number=erasure.before.contacts)
        case "prove":
            return await _prove(request, query, token, comment_id)
    return _redirect(request, query.lang, "edited" if form.act == "edit" else "erased")


async def _prove(request: web.Request, query: LinkQuery, token: str, comment_id: str) -> web.Response:
    service = request.app[SERVICE]
    await own_comments.get_own(service, token, comment_id)
    address_id, _ = await own_comments.find_owner(service, token)
    confirmed = await confirm.prove_browser(service, address_id, comment_id)
    redirect = await redirect_with_proof(request, confirmed) if confirmed else None
    return redirect or _redirect(request, query.lang, None)


def _redirect(request: web.Request, lang: str | None, done: str | None) -> web.Response:
    query = "&".join(f"{name}={value}" for name, value in (("done", done), ("lang", _plain(lang))) if value)
    target = f"/mine/{request.match_info['token']}?{query}".rstrip("?")
    return web.Response(status=303, headers={hdrs.LOCATION: target, hdrs.CACHE_CONTROL: "no-store"})


def _plain(lang: str | None) -> str | None:
    return lang if lang and lang.isascii() and lang.replace("-", "").isalnum() else None


async def show_change_error(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show why a comment was not changed, with the text as it was typed; or that the link does not work."""
    service, token, lang = request.app[SERVICE], request.match_info["token"], request.query.get("lang")
    status = problems.STATUS_OF_ERROR[type(refused)]
    try:
        own = await own_comments.get_own(service, token, _read_field("id", body))
    except NotFound:
        return await _show_missing(request, refused, body)
    explanation = explain_to_person(request_locale(request, lang), refused)
    typed = _read_field("comment", body)
    return await _show_one(request, lang, own, "edit", status=status, refused=explanation, typed=typed)


async def _show_missing(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show why a request about no comment of the address failed: mostly, the link is too old."""
    try:
        await own_comments.find_owner(request.app[SERVICE], request.match_info["token"])
    except NotFound:
        lang = request.query.get("lang")
        return await _show(request, lang, "own_comments_expired.html", status=HTTPStatus.NOT_FOUND)
    return private(await show_refusal(request, refused, body))


def _read_field(name: str, body: bytes) -> str:
    try:
        return forms.read_field(name, body)
    except Refusal:
        return ""


async def _show_one(
    request: web.Request, lang: str | None, own: own_comments.OwnComment, act: str, **more: Any
) -> web.Response:
    values = {"refused": None, "typed": own.comment.text, "act": act} | more
    return await _show(request, lang, "own_comment.html", own=own, **values)


async def _show(
    request: web.Request, lang: str | None, template: str, *, status: int = 200, **values: Any
) -> web.Response:
    known = _plain(lang)
    link = f"{request.app[SERVICE].config.base_path}/mine/{request.match_info['token']}"
    shown = {"link": link, "lang": f"lang={known}" if known else ""} | values
    return private(await page(request, template, request_locale(request, lang), status=status, **shown))


async def export_own(request: web.Request) -> web.Response:
    """Return everything that is stored about the owner of a link, as JSON to download.

    Raises:
        NotFound: the link is not valid any more.
    """
    service = request.app[SERVICE]
    _, email = await own_comments.find_owner(service, request.match_info["token"])
    whole = await export.export_person(service, email, for_themselves=True)
    cursor = whole.next_cursor
    while cursor:
        more = await export.export_person(service, email, for_themselves=True, cursor=cursor)
        whole.comments.extend(more.comments)
        cursor = more.next_cursor
    whole = msgspec.structs.replace(whole, next_cursor=None)
    body = await run_off_loop(lambda: msgspec.json.format(msgspec.json.encode(whole), indent=2), len(whole.comments))
    headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_DISPOSITION: 'attachment; filename="comments.json"'}
    return private(web.Response(body=body, content_type=JSON, headers=headers))
