"""A thread or one comment as HTML for another site's page: for the widget and for static builds."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, Meta

from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import OwnComment, PublicComment, Receipt, Stub, ThreadQuery, ThreadTree, TreeComment
from commentsvc.domain import urls
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName
from commentsvc.web.pages import redirects
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import render_template, request_locale, templates_digest
from commentsvc.web.server.cache_headers import respond_with_thread
from commentsvc.web.server.routing import HTML, SERVICE

FORM_FIELDS: Final = ("comment", "name", "email", "website")
# A deadline further away than this is shown with its date.
TIME_ALONE_MINUTES: Final = 12 * 60


@dataclass(frozen=True, kw_only=True)
class Form:
    """A thread's form: its hidden fields, the values filled in, and their errors."""

    hidden: dict[str, str | None]
    filled: dict[str, str] = field(default_factory=dict)
    refused: Explanation | None = None
    parent: PublicComment | None = None
    unsaved: str = ""  # text from fields that the form does not have
    email_required: bool = True

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
            "email_required": self.email_required,
        }


def thread_values(listing: ThreadTree, home: str, thread: str, site: str | None, **query: str | None) -> dict[str, Any]:
    """Return the variables of ``comments.html``; its links go to ``/t`` below ``home`` with the same query."""

    def link(**more: str) -> str:
        return home + redirects.thread_page(thread, site, **query | more)

    # One page may have two threads, so the ids of their fields must differ.
    uid = f"ct{hashlib.blake2b(listing.thread.key.encode(), digest_size=4).hexdigest()}"
    return {
        "listing": listing,
        "closed": listing.thread.closed,
        "last": max(
            (node.created_at for node in redirects.flatten_tree(listing.comments) if not isinstance(node, Stub)),
            default="",
        ),
        "fresh": 0,
        "home": home,
        "link": link,
        "uid": uid,
    }


class FragmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a thread, and the language."""

    thread: ThreadName
    site: SiteName | None = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: Cursor | None = None
    since: Annotated[str, Meta(max_length=40, description="Only comments published after this time.")] | None = None
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
    )
    return await respond_with_thread(
        request,
        thread_query,
        f"html.{locale.lang}{'.explicit' if query.lang else ''}.{query.known}.{templates_digest()}",
        partial(_render, request, query, locale),
        links=True,
        kind=HTML,
        vary="" if query.lang else hdrs.ACCEPT_LANGUAGE,
    )


async def _render(request: web.Request, query: FragmentQuery, locale: Locale, page: ThreadPage) -> bytes:
    service, listing = request.app[SERVICE], page.listing
    if not isinstance(listing, ThreadTree):
        raise TypeError("the page must be a tree")
    site = query.site or (None if urls.parse_thread(query.thread).host else page.within)
    order = query.order if query.order == "newest" else None
    values = thread_values(listing, service.config.own_url, query.thread, site, order=order, lang=query.lang)
    form = Form(hidden={"thread": query.thread, "site": site, "parent": ""}, email_required=page.email_required)
    fresh = 0 if query.known is None else max(0, listing.thread.count - query.known)
    values |= form.template_values() | {"fresh": fresh}
    return render_template("comments.html", locale, service.config, **values).encode()


def receipt(request: web.Request, receipt: Receipt, text: str, status: int) -> web.Response:
    """Return a receipt as the comment's HTML; its tokens are attributes of it."""
    fields = {name: getattr(receipt, name) for name in TreeComment.__struct_fields__ if hasattr(receipt, name)}
    comment = TreeComment(
        **fields | {"depth": 1 if receipt.parent else 0, "by_moderator": False, "deleted": False},
    )
    if receipt.status == "approved":
        comment = msgspec.structs.replace(comment, status=UNSET)
    return _item(request, comment, text, receipt.edit_until, receipt, status)


def own(request: web.Request, comment: PublicComment) -> web.Response:
    """Return one comment as HTML, with buttons to edit and delete if it is the reader's own."""
    fields = {name: getattr(comment, name) for name in PublicComment.__struct_fields__}
    text, until = (comment.comment, comment.edit_until) if isinstance(comment, OwnComment) else ("", "")
    return _item(request, TreeComment(**fields), text, until)


def _item(
    request: web.Request, comment: TreeComment, text: str, until: str, receipt: Receipt | None = None, status: int = 200
) -> web.Response:
    service = request.app[SERVICE]
    html = render_template(
        "item.html",
        request_locale(request),
        service.config,
        comment=comment,
        receipt=receipt,
        text=text,
        changeable=service.now() < until,
        until=until,
        long_window=service.config.edit_minutes > TIME_ALONE_MINUTES,
        closed=False,
        link=None,
    )
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, text=html, content_type=HTML, headers=headers)
