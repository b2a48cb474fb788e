"""The page of a thread at ``/t``, which works without a script."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from commentsvc.comments import read
from commentsvc.comments.form import create_form_token
from commentsvc.comments.schemas import NewComment, PublicThread, Stub, ThreadQuery, ThreadTree
from commentsvc.domain import urls
from commentsvc.domain.errors import Gone, NotFound, Refusal
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName
from commentsvc.domain.models import Site
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.web.pages import fragments, messages, redirects
from commentsvc.web.pages.refused import show_refusal
from commentsvc.web.pages.templates import page, request_locale
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, VISIT

ID: Final = re.compile(r"[0-9a-f-]{36}")
COMMENTS_PER_PAGE: Final = 200
PASSED_FIELDS: Final = ("title", "subscribe")  # fields that a page's own form may send besides FORM_FIELDS


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The thread to show, and the comment to reply to."""

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
    order: Literal["oldest", "newest"] | None = None
    cursor: Cursor | None = None
    lang: Language | None = None


async def thread(request: web.Request, query: PageQuery) -> web.Response:
    """Show a thread with its form, without scripts."""
    return await thread_page(request, query)


async def thread_page(
    request: web.Request,
    query: PageQuery,
    *,
    filled: dict[str, str] | None = None,
    refused: Refusal | None = None,
    unsaved: str = "",
    template: str = "thread.html",
    **more: Any,
) -> web.Response:
    """Show a thread, perhaps with the form filled in and the reason why it was refused."""
    service, locale = request.app[SERVICE], request_locale(request, query.lang)
    own = service.keyring.subject("receipt", query.receipt, service.clock()) if query.receipt else None
    listing = await _listing(request, query, own)
    directory = await resolve.read_directory(service)
    site = resolve.resolve_thread(directory, query.thread, query.site, request[VISIT].origin).site
    parent = await _parent(request, listing, query.reply_to)
    form = fragments.Form(
        hidden=_hidden_fields(service, query, parent, filled or {}),
        filled=filled or {},
        refused=messages.explain_refusal(locale, refused) if refused else None,
        parent=parent,
        unsaved=unsaved,
        email_required=site.email_required,
    )
    return page(
        request,
        template,
        locale,
        status=problems.STATUS_OF_ERROR[type(refused)] if refused else HTTPStatus.OK,
        **fragments.thread_values(
            listing, service.config.base_path, query.thread, query.site, order=query.order, lang=query.lang
        ),
        **form.template_values(),
        **_way_back(request, query, listing.thread, directory, site),
        received=_own_state(listing.comments, own) if query.receipt else None,
        own=own,
        **more,
    )


def _hidden_fields(service: Service, query: PageQuery, parent: Any, filled: dict[str, str]) -> dict[str, str | None]:
    """Return the form's hidden fields.

    No cache keeps this page, so it may contain a submission id and the time. A form that is shown again keeps
    its first time.
    """
    return {
        "thread": query.thread,
        "site": query.site,
        "parent": parent and parent.id,
        "submission": service.new_id(),
        "started": filled.get("started") or create_form_token(service),
    } | {name: filled.get(name) for name in PASSED_FIELDS}


async def _listing(request: web.Request, query: PageQuery, own: str | None) -> ThreadTree:
    thread_query = ThreadQuery(
        thread=query.thread,
        site=query.site,
        order=query.order or "oldest",
        limit=COMMENTS_PER_PAGE,
        cursor=query.cursor,
    )
    page = await read.list_thread(request.app[SERVICE], thread_query, request[VISIT], own=own)
    return await redirects.include_own_comment(request.app[SERVICE], page, None if query.cursor else own)


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
    values = forms.parse_leniently(NewComment, body)
    reply_to = values.get("parent") if ID.fullmatch(values.get("parent", "")) else None
    try:
        site, lang = await _site_name(request, values), request.query.get("lang")
        query = PageQuery(thread=values.get("thread", ""), site=site, reply_to=reply_to, lang=lang)
        response = await thread_page(
            request, query, filled=values, refused=refused, unsaved=forms.read_lost_text(NewComment, body)
        )
    except Refusal:
        response = await show_refusal(request, refused, body)
    response.headers.update(problems.headers_of(refused))
    return response


async def _site_name(request: web.Request, values: dict[str, str]) -> str | None:
    """Return the form's site, even if only the Origin tells: the page that shows the form again has none."""
    directory = await resolve.read_directory(request.app[SERVICE])
    return redirects.site_to_say(directory, values.get("thread", ""), values.get("site") or None, request[VISIT].origin)
