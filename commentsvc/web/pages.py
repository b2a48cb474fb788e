"""The HTML, for people: a thread with its form, the demonstration, the contract, the sign-in link."""

import re
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus
from importlib import resources
from typing import Annotated, Any, Final

import jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup

import commentsvc
from commentsvc import addresses, administering, admitting, places, reading
from commentsvc.errors import Gone, Invalid, NotFound, Refused, TooFast
from commentsvc.model import Principal, time_of
from commentsvc.shapes import (
    Cursor,
    Draft,
    MadeKey,
    PublicThread,
    SiteName,
    Stub,
    ThreadName,
    ThreadQuery,
    TreeListing,
)
from commentsvc.web import guards, leading, problems, wire
from commentsvc.web.endpoint import SERVICE, VISIT
from commentsvc.web.operations import DOCUMENT

ID: Final = re.compile(r"[0-9a-f-]{36}")
DEMO_THREAD: Final = "demo"
ON_A_PAGE: Final = 200
FORM_FIELDS: Final = ("comment", "name", "email", "website")
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
    cursor: Cursor | None = None


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commentsvc.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = _when
    environment.filters["words"] = _words
    return environment


def _when(text: str) -> str:
    moment: datetime = time_of(text)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def _words(html: str) -> Markup:
    """A comment's text, only ever as markup.render made it."""
    return Markup(html)  # noqa: S704 -- see above


def _page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    return _html(_rendered(template, own_origin=request.app[SERVICE].config.own_origin, **values), status=status)


def _rendered(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(version=commentsvc.__version__, **values)


def _html(text: str, *, status: int = 200, private: bool = True) -> web.Response:
    return web.Response(
        status=status,
        text=text,
        content_type="text/html",
        headers={
            hdrs.CACHE_CONTROL: "no-store" if private else "public, max-age=300",
            "Content-Security-Policy": guards.PAGE_POLICY,
            "X-Frame-Options": "DENY",
        },
    )


# --------------------------------------------------------------------------------- a thread


async def thread(request: web.Request, query: PageQuery) -> web.Response:
    """A thread as a page of its own, form and all; needs no script."""
    return await _thread_page(request, query)


async def _thread_page(
    request: web.Request,
    query: PageQuery,
    *,
    values: dict[str, str] | None = None,
    refused: Refused | None = None,
    template: str = "thread.html",
    **more: Any,
) -> web.Response:
    service = request.app[SERVICE]
    own = service.keyring.subject("receipt", query.receipt, service.clock()) if query.receipt else None
    listing = await _listing(request, query, own)
    parent = await _parent(request, listing, query.reply_to)
    faults = refused.faults if isinstance(refused, Invalid) else ()
    return _page(
        request,
        template,
        status=problems.STATUS[type(refused)] if refused else HTTPStatus.OK,
        listing=listing,
        link=partial(leading.thread_page, query.thread, query.site),
        back=_page_of(listing.thread, query.thread),
        parent=parent,
        hidden={
            "thread": query.thread,
            "site": query.site,
            "parent": parent and parent.id,
            "submission": service.new_id(),
            **{name: (values or {}).get(name) for name in KEPT_FIELDS},
        },
        values={name: (values or {}).get(name, "") for name in FORM_FIELDS},
        receipt=query.receipt,
        receipt_status=_receipt_status(listing.comments, own),
        own=own,
        refused=refused,
        faults={fault.field: fault.detail for fault in reversed(faults)},
        general=[fault.detail for fault in faults if fault.field not in FORM_FIELDS],
        **more,
    )


async def _listing(request: web.Request, query: PageQuery, own: str | None) -> TreeListing:
    asked = ThreadQuery(thread=query.thread, site=query.site, limit=ON_A_PAGE, cursor=query.cursor)
    page = await reading.list_thread(request.app[SERVICE], asked, request[VISIT], own=own)
    return await leading.with_own(request.app[SERVICE], page, None if query.cursor else own)


def _page_of(public: PublicThread, asked: str) -> str | None:
    """The article's address, if anybody said it; in canonical form, whose host is surely the site's."""
    return public.url or addresses.read(asked).url


async def _parent(request: web.Request, listing: TreeListing, reply_to: str | None) -> Any:
    """The comment that is being answered, also where it stands on another page; None if it is not shown."""
    if reply_to is None:
        return None
    shown = (node for node in leading.walk(listing.comments) if node.id == reply_to and not _empty(node))
    try:
        return next(shown, None) or await reading.get_comment(request.app[SERVICE], reply_to, None)
    except (NotFound, Gone):
        return None


def _empty(node: Any) -> bool:
    """Whether only the place of a comment is shown."""
    return isinstance(node, Stub) or node.deleted


def _receipt_status(nodes: list[Any], own: str | None) -> str | None:
    """What has become of the writer's own comment, as far as the page shows it."""
    mine = next((node for node in leading.walk(nodes) if own and node.id == own and not _empty(node)), None)
    if mine is None:
        return None
    return "approved" if mine.status is msgspec.UNSET else "pending"


async def form_again(request: web.Request, refused: Refused, body: bytes) -> web.Response:
    """The thread's page again: what is wrong, and the form as it was filled in."""
    try:
        values = wire.form(Draft, body)
    except Refused:
        values = {}
    reply_to = values.get("parent") if ID.fullmatch(values.get("parent", "")) else None
    try:
        query = PageQuery(thread=values.get("thread", ""), site=await _site(request, values), reply_to=reply_to)
        response = await _thread_page(request, query, values=values, refused=refused)
    except Refused:
        response = await not_shown(request, refused, body)
    if isinstance(refused, TooFast):
        response.headers[hdrs.RETRY_AFTER] = str(refused.retry_after)
    return response


async def _site(request: web.Request, values: dict[str, str]) -> str | None:
    """The form's site, also where only the page that sent it told: the page that shows it again is not there."""
    everything = await places.consult(request.app[SERVICE])
    return leading.site_to_say(everything, values.get("thread", ""), values.get("site") or None, request[VISIT].origin)


async def not_shown(request: web.Request, refused: Refused, body: bytes) -> web.Response:
    """Why a page cannot be shown."""
    status = problems.STATUS[type(refused)]
    return _page(request, "refused.html", status=status, refused=refused, wrote=bool(body))


# --------------------------------------------------------------------------------- the demonstration


async def demo(request: web.Request) -> web.Response:
    """The service at work: a thread, its form, and what to do next."""
    service = request.app[SERVICE]
    everything = await administering.list_sites(service, Principal("demo", frozenset(), None))
    query = PageQuery(thread=DEMO_THREAD, site=everything.sites[0].name)
    return await _thread_page(
        request,
        query,
        template="demo.html",
        sites=everything.sites[:1] if len(everything.sites) == 1 else [],
        moderation=service.config.moderation,
    )


# --------------------------------------------------------------------------------- the contract


async def docs(request: web.Request) -> web.Response:
    """The contract, for people to read."""
    return _html(_contract(msgspec.json.encode(request.app[DOCUMENT])), private=False)


@cache
def _contract(document: bytes) -> str:
    """Made once: it takes a tenth of a second, for which everybody else would wait."""
    return _rendered("docs.html", document=msgspec.json.decode(document), problems=_refusals())


def _refusals() -> list[tuple[int, str, str]]:
    """Status, code and title of every refusal."""
    ours = [(status, error.code, error.title) for error, status in problems.STATUS.items()]
    codes = {code for _, code, _ in ours}
    framework = [(status, code, title) for status, (code, title) in problems.FRAMEWORK.items() if code not in codes]
    return sorted({code: (status, code, title) for status, code, title in framework + ours}.values())


# --------------------------------------------------------------------------------- signing in


async def sign_in(request: web.Request) -> web.Response:
    """Ask whether to use a one-time link; looking changes nothing, so a mail scanner may look."""
    name = await admitting.invited(request.app[SERVICE], request.match_info["token"])
    status = HTTPStatus.OK if name else HTTPStatus.NOT_FOUND
    return _page(request, "sign_in.html", status=status, name=name, key=None)


async def signed_in(request: web.Request) -> web.Response:
    """Use a one-time link up: its moderator gets a key, shown this once."""
    try:
        made: MadeKey = await admitting.sign_in(request.app[SERVICE], request.match_info["token"])
    except NotFound:
        return _page(request, "sign_in.html", status=HTTPStatus.NOT_FOUND, name=None, key=None)
    return _page(request, "sign_in.html", name=made.name, key=made)


async def stylesheet(_request: web.Request) -> web.Response:
    """The style of these pages."""
    text = resources.files("commentsvc.web").joinpath("static", "page.css").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/css", headers={hdrs.CACHE_CONTROL: "public, max-age=300"})
