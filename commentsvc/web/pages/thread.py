"""The HTML, for people: a thread with its form, the demonstration, the contract."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web

from commentsvc.comments import read
from commentsvc.comments.form import create_form_token
from commentsvc.comments.schemas import NewComment, PublicThread, Stub, ThreadQuery, ThreadTree
from commentsvc.domain import urls
from commentsvc.domain.errors import Gone, NotFound, RateLimited, Refusal
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.web.pages import fragments, messages, redirects
from commentsvc.web.pages.templates import page, words_of
from commentsvc.web.server import parsing, problems
from commentsvc.web.server.routing import SERVICE, VISIT

ID: Final = re.compile(r"[0-9a-f-]{36}")


ON_A_PAGE: Final = 200


KEPT_FIELDS: Final = ("title", "subscribe")  # what a page's own form may say beside these


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which thread to show, and perhaps which comment is being answered."""

    thread: ThreadName
    site: SiteName | None = None
    reply_to: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    receipt: (
        Annotated[
            str,
            msgspec.Meta(max_length=200, description="Shows a writer's own waiting comment, for an hour."),
        ]
        | None
    ) = None
    order: Literal["oldest", "newest"] | None = None
    cursor: Cursor | None = None
    lang: Language | None = None


async def thread(request: web.Request, query: PageQuery) -> web.Response:
    """A thread as a page of its own, form and all; needs no script."""
    return await thread_page(request, query)


async def thread_page(
    request: web.Request,
    query: PageQuery,
    *,
    filled: dict[str, str] | None = None,
    refused: Refusal | None = None,
    template: str = "thread.html",
    **more: Any,
) -> web.Response:
    service, words = request.app[SERVICE], words_of(request, query.lang)
    own = service.keyring.subject("receipt", query.receipt, service.clock()) if query.receipt else None
    listing = await _listing(request, query, own)
    parent = await _parent(request, listing, query.reply_to)
    form = fragments.Form(
        hidden=_hidden(service, query, parent, filled or {}),
        filled=filled or {},
        refused=messages.explained(words, refused, service.config.limits) if refused else None,
        parent=parent,
    )
    return page(
        request,
        template,
        words,
        status=problems.STATUS_OF_ERROR[type(refused)] if refused else HTTPStatus.OK,
        **fragments.shown(listing, "", query.thread, query.site, order=query.order, lang=query.lang),
        **form.shown(),
        back=_page_of(listing.thread, query.thread),
        received=_received(listing.comments, own) if query.receipt else None,
        own=own,
        **more,
    )


def _hidden(service: Service, query: PageQuery, parent: Any, filled: dict[str, str]) -> dict[str, str | None]:
    """What the form sends beside what is typed.

    This page is kept by nobody, so it may name its submission, and say when it was opened. A form that is given
    back was opened when it first was.
    """
    return {
        "thread": query.thread,
        "site": query.site,
        "parent": parent and parent.id,
        "submission": service.new_id(),
        "started": filled.get("started") or create_form_token(service),
    } | {name: filled.get(name) for name in KEPT_FIELDS}


async def _listing(request: web.Request, query: PageQuery, own: str | None) -> ThreadTree:
    asked = ThreadQuery(
        thread=query.thread, site=query.site, order=query.order or "oldest", limit=ON_A_PAGE, cursor=query.cursor
    )
    page = await read.list_thread(request.app[SERVICE], asked, request[VISIT], own=own)
    return await redirects.with_own(request.app[SERVICE], page, None if query.cursor else own)


def _page_of(public: PublicThread, asked: str) -> str | None:
    """The article's address, if anybody said it; in canonical form, whose host is surely the site's."""
    return public.url or urls.parse_thread(asked).url


async def _parent(request: web.Request, listing: ThreadTree, reply_to: str | None) -> Any:
    """The comment that is being answered, also where it stands on another page; None if it is not shown."""
    if reply_to is None:
        return None
    shown = (node for node in redirects.walk(listing.comments) if node.id == reply_to and not _empty(node))
    try:
        return next(shown, None) or await read.get_comment(request.app[SERVICE], reply_to, None)
    except (NotFound, Gone):
        return None


def _empty(node: Any) -> bool:
    """Whether only the place of a comment is shown."""
    return isinstance(node, Stub) or node.deleted


def _received(nodes: list[Any], own: str | None) -> str:
    """What has become of the writer's own comment, as far as the page shows it."""
    if own is None:
        return "late"
    mine = next((node for node in redirects.walk(nodes) if node.id == own and not _empty(node)), None)
    if mine is None:
        return "gone"
    return "approved" if mine.status is msgspec.UNSET else "pending"


async def form_again(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """The thread's page again: what is wrong, and the form as it was filled in."""
    values = parsing.filled_in(NewComment, body)
    reply_to = values.get("parent") if ID.fullmatch(values.get("parent", "")) else None
    try:
        site, lang = await _site(request, values), request.query.get("lang")
        query = PageQuery(thread=values.get("thread", ""), site=site, reply_to=reply_to, lang=lang)
        response = await thread_page(request, query, filled=values, refused=refused)
    except Refusal:
        response = await not_shown(request, refused, body)
    if isinstance(refused, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(refused.retry_after)
    return response


async def _site(request: web.Request, values: dict[str, str]) -> str | None:
    """The form's site, also where only the page that sent it told: the page that shows it again is not there."""
    everything = await resolve.read_directory(request.app[SERVICE])
    return redirects.site_to_say(
        everything, values.get("thread", ""), values.get("site") or None, request[VISIT].origin
    )


async def not_shown(request: web.Request, refused: Refusal, body: bytes) -> web.Response:
    """Why a page cannot be shown."""
    words = words_of(request, request.query.get("lang"))
    told = messages.explained(words, refused, request.app[SERVICE].config.limits)
    return page(
        request, "refused.html", words, status=problems.STATUS_OF_ERROR[type(refused)], refused=told, wrote=bool(body)
    )
