"""The page of a thread at ``/t``, which works without a script."""

import re
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from commentsvc.comments import read
from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import NewComment, PublicComment, PublicThread, SoughtId, Stub, ThreadQuery, ThreadTree
from commentsvc.domain import urls
from commentsvc.domain.errors import Gone, NotFound, Refusal
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName
from commentsvc.domain.models import Site
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.storage.public_state import Basis
from commentsvc.web.pages import blanks, fragments, redirects
from commentsvc.web.pages.blanks import fill_blanks, split_at_blanks
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.messages import explain_to_person
from commentsvc.web.pages.refused import show_refusal
from commentsvc.web.pages.templates import html, render_template, request_locale
from commentsvc.web.server import forms, problems
from commentsvc.web.server.cache_headers import depend_on
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import SERVICE, UNFILLED, VISIT

ID: Final = re.compile(r"[0-9a-f-]{36}")
COMMENTS_PER_PAGE: Final = 200
PASSED_FIELDS: Final = ("title",)  # fields that a page's own form may send besides FORM_FIELDS


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The thread to show, and the comment to reply to or to report."""

    thread: ThreadName
    site: SiteName | None = None
    reply_to: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    receipt: (
        Annotated[
            str,
            msgspec.Meta(max_length=200, description="Shows the commenter's own pending comment, for one hour."),
        ]
        | None
    ) = None
    report: (
        Annotated[str, msgspec.Meta(max_length=100, description="Id of a comment: shows a form to report it.")] | None
    ) = None
    reported: Literal["1"] | None = None
    mail: Annotated[Literal["1"], msgspec.Meta(description="With receipt: the commenter asked for mail.")] | None = None
    order: Literal["oldest", "newest"] | None = None
    cursor: Cursor | None = None
    at: SoughtId | None = None
    lang: Language | None = None


@dataclass(frozen=True)
class Sent:
    """A form that was sent, and why its page is shown again."""

    values: dict[str, str] = field(default_factory=dict)
    unsaved: str = ""  # text from fields that the form does not have
    refused: Refusal | None = None
    preview: str = ""  # HTML


async def thread(request: web.Request, query: PageQuery) -> web.Response:
    """Show a thread with its form, without scripts."""
    return await thread_page(request, query)


async def thread_page(
    request: web.Request,
    query: PageQuery,
    *,
    sent: Sent | None = None,
    template: str = "thread.html",
    **more: Any,
) -> web.Response:
    """Show a thread, perhaps with a form as it was sent."""
    service, locale = request.app[SERVICE], request_locale(request, query.lang)
    own = service.keyring.subject("receipt", query.receipt, service.clock()) if query.receipt else None
    found, listing = await _listing(request, query, own)
    site, directory = found.place.site, await resolve.current_directory(service)
    parent = await _parent(request, listing, query.reply_to)
    form = _form(service, locale, query, site, parent, sent or Sent())
    address = fragments.Address(
        service.config.base_path, query.thread, query.site, query.order or "oldest", query.lang, is_page=True
    )
    render = partial(
        render_template,
        template,
        locale,
        service.config,
        **fragments.thread_values(listing, found.around, address, own, query.at, query.reply_to),
        **form.template_values(),
        **_way_back(request, query, listing.thread, directory, site),
        received=_own_state(listing.comments, own) if query.receipt else None,
        own=own,
        query=query,
        report=await _parent(request, listing, query.report),
        link_to_report=redirects.report_address(address.home, query.report, query.thread, query.site, query.lang),
        **more,
    )
    for_all = not (query.receipt or query.reply_to or query.report or sent or more)
    text = _fill(request, (await run_off_loop(render)).encode(), found.basis if for_all else None)
    refused = sent.refused if sent else None
    return html(text, status=problems.STATUS_OF_ERROR[type(refused)] if refused else HTTPStatus.OK)


def _form(
    service: Service, locale: Locale, query: PageQuery, site: Site, parent: PublicComment | None, sent: Sent
) -> fragments.Form:
    return fragments.Form(
        hidden=_hidden_fields(query, parent, sent.values),
        filled=sent.values,
        refused=explain_to_person(locale, sent.refused) if sent.refused else None,
        parent=parent,
        unsaved=sent.unsaved,
        site=site,
        comment_length=service.config.comment_length,
        preview=sent.preview,
    )


def _fill(request: web.Request, unfilled: bytes, basis: Basis | None) -> str:
    """Fill in the blanks. With a basis, keep the page with its blanks for all who ask for it."""
    if basis is not None:
        depend_on(request, basis)
        request[UNFILLED] = unfilled
    return fill_blanks(request.app[SERVICE], split_at_blanks(unfilled)).decode()


def _hidden_fields(query: PageQuery, parent: Any, filled: dict[str, str]) -> dict[str, str | None]:
    """Return the form's hidden fields. A form that is shown again keeps its first time."""
    return {
        "thread": query.thread,
        "site": query.site,
        "parent": parent and parent.id,
        "submission": blanks.SUBMISSION,
        "started": filled.get("started") or blanks.STARTED,
    } | {name: filled.get(name) for name in PASSED_FIELDS}


async def _listing(request: web.Request, query: PageQuery, own: str | None) -> tuple[ThreadPage, ThreadTree]:
    thread_query = ThreadQuery(
        thread=query.thread,
        site=query.site,
        order=query.order or "oldest",
        limit=COMMENTS_PER_PAGE,
        cursor=query.cursor,
        at=None if query.cursor else query.at,
    )
    page = await read.list_thread(request.app[SERVICE], thread_query, request[VISIT], own=own, for_people=True)
    return page, await redirects.include_own_comment(request.app[SERVICE], page, None if query.cursor else own)


def _way_back(
    request: web.Request, query: PageQuery, public: PublicThread, directory: SiteDirectory, site: Site
) -> dict[str, str | None]:
    """Return the blog's name and address, and the article's address if it is known. The site lists its host itself."""
    home = redirects.site_address(directory, site, request[VISIT].origin)
    named = f"{home}{query.thread}" if home and query.thread.startswith("/") else query.thread
    ref = urls.parse_thread(named, directory.dropped)
    article = public.url or (ref.url if directory.vouches_for(ref, None) else None)
    return {"blog": site.name, "blog_url": home and f"{home}/", "back": article}


async def _parent(request: web.Request, listing: ThreadTree, reply_to: str | None) -> Any:
    """Return the comment to reply to, even if it is on another page; None if it is not public."""
    if reply_to is None:
        return None
    visible = (
        node for node in redirects.flatten_tree(listing.comments) if node.id == reply_to and not _is_placeholder(node)
    )
    try:
        return next(visible, None) or await read.get_comment(request.app[SERVICE], reply_to, None)
    except (NotFound, Gone):
        return None


def _is_placeholder(node: Any) -> bool:
    """Tell whether only a comment's place is shown."""
    return isinstance(node, Stub) or node.deleted


def _own_state(nodes: list[Any], own: str | None) -> str:
    """Return the state of the reader's own comment, as far as the page shows it."""
    if own is None:
        return "late"
    mine = next((node for node in redirects.flatten_tree(nodes) if node.id == own and not _is_placeholder(node)), None)
    if mine is None:
        return "gone"
    return "approved" if mine.status is msgspec.UNSET else "pending"


async def show_form_again(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Show the thread's page again, with the errors and the form filled in."""
    values, unsaved = await run_off_loop(lambda: forms.read_again(NewComment, body))
    try:
        query = await _form_query(request, values)
        response = await thread_page(request, query, sent=Sent(values, unsaved, refused=refused))
    except Refusal:
        response = await show_refusal(request, refused, body)
    response.headers.update(problems.headers_of(refused))
    return response


async def show_preview(request: web.Request, rendered: str, body: bytes) -> web.Response:
    """Show the thread's page again, with the form filled in and its comment as readers will see it. Nothing is saved.

    Raises:
        Refusal: the form names no thread of the service.
    """
    values, unsaved = await run_off_loop(lambda: forms.read_again(NewComment, body))
    query = await _form_query(request, values)
    return await thread_page(request, query, sent=Sent(values, unsaved, preview=rendered))


async def _form_query(request: web.Request, values: dict[str, str]) -> PageQuery:
    """Return the page that a form was on."""
    reply_to = values.get("parent") if ID.fullmatch(values.get("parent", "")) else None
    site, lang = await _site_name(request, values), request.query.get("lang")
    return PageQuery(thread=values.get("thread", ""), site=site, reply_to=reply_to, lang=lang)


async def _site_name(request: web.Request, values: dict[str, str]) -> str | None:
    """Return the form's site, even if only the Origin tells: the page that shows the form again has none."""
    directory = await resolve.read_directory(request.app[SERVICE])
    return redirects.site_to_say(directory, values.get("thread", ""), values.get("site") or None, request[VISIT].origin)
