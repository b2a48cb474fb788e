"""A thread or one comment as HTML for another site's page: for the widget and for static builds."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, Meta

from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import (
    Order,
    OwnComment,
    PublicComment,
    Receipt,
    SoughtId,
    Stub,
    ThreadLimit,
    ThreadQuery,
    ThreadTree,
    TreeComment,
)
from commentsvc.comments.surroundings import Surroundings
from commentsvc.domain.email_typos import suggest_address
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName, sent_time
from commentsvc.domain.models import Site
from commentsvc.service import Service
from commentsvc.web.pages import redirects
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import language_header, render_template, request_locale
from commentsvc.web.server.cache_headers import respond_with_thread
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import HTML, SERVICE

FORM_FIELDS: Final = ("comment", "name", "email", "website", "consent", "subscribe")
MIN_FOLDED: Final = 2  # replies below a top-level comment, so that they can be folded
MAX_OPEN: Final = 10  # more replies are folded until a reader opens them
# A deadline further away than this is shown with its date.
TIME_ALONE_MINUTES: Final = 12 * 60


@dataclass(frozen=True, kw_only=True)
class Form:
    """A thread's form: its hidden fields, the values filled in, and their errors."""

    site: Site
    hidden: dict[str, str | None]
    filled: dict[str, str] = field(default_factory=dict)
    refused: Explanation | None = None
    parent: PublicComment | None = None
    unsaved: str = ""  # text from fields that the form does not have
    comment_length: int = 10_000
    preview: str = ""  # HTML

    def template_values(self) -> dict[str, Any]:
        """Return the variables of ``form.html``."""
        faults = self.refused.fields if self.refused else {}
        return {
            "hidden": self.hidden,
            "values": {name: self.filled.get(name, "") for name in FORM_FIELDS},
            "faults": faults,
            "general": [detail for name, detail in faults.items() if name not in FORM_FIELDS],
            "refused": self.refused,
            "parent": self.parent,
            "unsaved": self.unsaved,
            "asks": self.site,
            "comment_length": self.comment_length,
            "preview": self.preview,
            "meant": suggest_address(self.filled.get("email", "")),
        }


@dataclass(frozen=True)
class Branch:
    """The replies below a top-level comment: how many, when the latest was written, and whether they are shown.

    None means many, or a time on another page.
    """

    replies: int | None
    latest: str | None
    is_open: bool


@dataclass(frozen=True)
class Address:
    """The address of a thread: its links go to ``/t`` below ``home`` with the same query.

    ``order`` is that of the page. ``is_page``: it is shown at ``/t`` itself.
    """

    home: str
    thread: str
    site: str | None
    order: str
    lang: str | None
    is_page: bool = False

    def link(self, **more: str) -> str:
        """Return the address of the thread's page."""
        query = {"order": self.order if self.order == "newest" else None, "lang": self.lang} | more
        return self.home + redirects.thread_page(self.thread, self.site, **query)

    def feed(self) -> str:
        """Return the address of the thread's feed."""
        query = {"thread": self.thread, "site": self.site, "lang": self.lang}
        return f"{self.home}/v1/comments.atom?{urlencode({name: one for name, one in query.items() if one})}"


def thread_values(listing: ThreadTree, around: Surroundings, address: Address, *opened: str | None) -> dict[str, Any]:
    """Return the variables of ``comments.html``. Branches with one of the comments ``opened`` are not folded."""
    # One page may have two threads, so the ids of their fields must differ.
    uid = f"ct{hashlib.blake2b(listing.thread.key.encode(), digest_size=4).hexdigest()}"
    return {
        "listing": listing,
        "at": listing.at or "",
        "closed": listing.thread.closed,
        "last": max(
            (node.created_at for node in redirects.flatten_tree(listing.comments) if not isinstance(node, Stub)),
            default="",
        ),
        "fresh": 0,
        "around": around,
        "names": around.names,
        "branches": {node.id: branch for node in listing.comments if (branch := _branch(node, around, opened))},
        "order": address.order,
        "permanent": address.is_page,
        "home": address.home,
        "link": address.link,
        "feed": address.feed(),
        "uid": uid,
    }


def _branch(top: Any, around: Surroundings, opened: tuple[str | None, ...]) -> Branch | None:
    """Return the branch below a top-level comment, if it has enough replies to be folded."""
    below = redirects.flatten_tree(top.replies)
    shown = [node for node in below if not (isinstance(node, Stub) or node.deleted or node.status is not UNSET)]
    is_cut = top.id in around.branches
    replies = around.branches[top.id] if is_cut else len(shown)
    if replies is not None and replies < MIN_FOLDED:
        return None
    is_short = replies is not None and replies <= MAX_OPEN
    is_open = is_short or isinstance(top, Stub) or any(node.id in opened for node in below)
    return Branch(replies, None if is_cut else max(node.created_at for node in shown), is_open)


class FragmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a thread, and the language."""

    thread: ThreadName
    site: SiteName | None = None
    order: Order = "oldest"
    limit: ThreadLimit = 50
    cursor: Cursor | None = None
    since: Annotated[str, sent_time("Only comments published after this time.")] | None = None
    at: SoughtId | None = None
    lang: Language | None = None
    known: Annotated[
        int | None, Meta(description="Number of comments the reader has; a button offers the newer ones.")
    ] = None


async def thread(request: web.Request, query: FragmentQuery) -> web.Response:
    """Return a thread as HTML with its form."""
    locale = request_locale(request, query.lang)
    thread_query = ThreadQuery(
        thread=query.thread,
        site=query.site,
        order=query.order,
        limit=query.limit,
        cursor=query.cursor,
        since=query.since,
        at=query.at,
    )
    return await respond_with_thread(
        request,
        thread_query,
        partial(_render, request.app[SERVICE], query, locale),
        kind=HTML,
        vary=language_header(query.lang),
    )


def _render(service: Service, query: FragmentQuery, locale: Locale, page: ThreadPage) -> bytes:
    listing = page.listing
    if not isinstance(listing, ThreadTree):
        raise TypeError("the page must be a tree")
    site = query.site or (None if page.place.ref.host else page.within)
    address = Address(service.config.own_url, query.thread, site, query.order, query.lang)
    values = thread_values(listing, page.around, address, query.at)
    hidden = {"thread": query.thread, "site": site, "parent": ""}
    form = Form(
        hidden=hidden,
        site=page.place.site,
        comment_length=service.config.comment_length,
    )
    fresh = 0 if query.known is None else max(0, listing.thread.count - query.known)
    values |= form.template_values() | {"fresh": fresh}
    return render_template("comments.html", locale, service.config, **values).encode()


async def receipt(
    request: web.Request, receipt: Receipt, text: str, status: int, *, asks_mail: bool = False
) -> web.Response:
    """Return a receipt as the HTML of its comment, with its tokens as attributes. ``asks_mail``: it asked for mail."""
    fields = {name: getattr(receipt, name) for name in TreeComment.__struct_fields__ if hasattr(receipt, name)}
    comment = TreeComment(
        **fields | {"depth": 1 if receipt.parent else 0, "by_moderator": False, "deleted": False},
    )
    if receipt.status == "approved":
        comment = msgspec.structs.replace(comment, status=UNSET)
    return await _item(request, comment, text, receipt.edit_until, receipt, status, asks_mail=asks_mail)


async def own(request: web.Request, comment: PublicComment) -> web.Response:
    """Return one comment as HTML, with buttons to edit and delete if it is the reader's own."""
    fields = {name: getattr(comment, name) for name in PublicComment.__struct_fields__}
    text, until = (comment.comment, comment.edit_until) if isinstance(comment, OwnComment) else ("", "")
    return await _item(request, TreeComment(**fields), text, until)


async def _item(
    request: web.Request,
    comment: TreeComment,
    text: str,
    until: str,
    receipt: Receipt | None = None,
    status: int = 200,
    *,
    asks_mail: bool = False,
) -> web.Response:
    service = request.app[SERVICE]
    render = partial(
        render_template,
        "item.html",
        request_locale(request),
        service.config,
        comment=comment,
        receipt=receipt,
        asks_mail=asks_mail,
        text=text,
        changeable=service.now() < until,
        until=until,
        long_window=service.config.edit_minutes > TIME_ALONE_MINUTES,
        closed=False,
        link=None,
        permanent=False,
        names={},
        branches={},
    )
    html = await run_off_loop(render)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, text=html, content_type=HTML, headers=headers)
