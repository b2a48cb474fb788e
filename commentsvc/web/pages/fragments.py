"""A thread, or one comment, as HTML for somebody else's page: for the widget, and for whoever builds pages."""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, Meta

from commentsvc.comments.schemas import OwnComment, PublicComment, Receipt, Stub, ThreadQuery, ThreadTree, TreeComment
from commentsvc.domain.fields import Cursor, Language, SiteName, ThreadName
from commentsvc.sites import resolve
from commentsvc.web.pages import redirects
from commentsvc.web.pages.i18n import Words
from commentsvc.web.pages.messages import Explanation
from commentsvc.web.pages.templates import edition, rendered, words_of
from commentsvc.web.server.cache_headers import thread_in_form
from commentsvc.web.server.routing import HTML, SERVICE, VISIT

FORM_FIELDS: Final = ("comment", "name", "email", "website")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a thread's form shows and sends: what was filled in, and what was wrong with it."""

    hidden: dict[str, str | None]
    filled: dict[str, str] = field(default_factory=dict)
    refused: Explanation | None = None
    parent: PublicComment | None = None

    def shown(self) -> dict[str, Any]:
        """For the template."""
        faults = self.refused.fields if self.refused else {}
        return {
            "hidden": self.hidden,
            "values": {name: self.filled.get(name, "") for name in FORM_FIELDS},
            "faults": faults,
            "general": [detail for name, detail in faults.items() if name not in FORM_FIELDS],
            "refused": self.refused,
            "parent": self.parent,
        }


def shown(listing: ThreadTree, origin: str, thread: str, site: str | None, **asked: str | None) -> dict[str, Any]:
    """A thread for the template; its links lead to the thread's own page at ``origin``, as ``asked`` for."""

    def link(**more: str) -> str:
        return origin + redirects.thread_page(thread, site, **asked | more)

    # Two threads may stand in one page, so that their fields' names there must differ.
    uid = f"ct{hashlib.blake2b(listing.thread.key.encode(), digest_size=4).hexdigest()}"
    return {
        "listing": listing,
        "closed": listing.thread.closed,
        "last": max(
            (node.created_at for node in redirects.walk(listing.comments) if not isinstance(node, Stub)), default=""
        ),
        "fresh": 0,
        "origin": origin,
        "link": link,
        "uid": uid,
    }


class FragmentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a thread, and in which language."""

    thread: ThreadName
    site: SiteName | None = None
    order: Literal["oldest", "newest"] = "oldest"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: Cursor | None = None
    since: Annotated[str, Meta(max_length=40, description="Only what became public after this time.")] | None = None
    lang: Language | None = None
    known: Annotated[
        int | None, Meta(description="How many comments the reader has: if there are more, a button says how many.")
    ] = None


async def thread(request: web.Request, query: FragmentQuery) -> web.Response:
    """A thread as HTML with its form."""
    words = words_of(request, query.lang)
    asked = ThreadQuery(
        thread=query.thread,
        site=query.site,
        order=query.order,
        limit=query.limit,
        cursor=query.cursor,
        since=query.since,
    )
    return await thread_in_form(
        request,
        asked,
        f"html.{words.lang}{'.asked' if query.lang else ''}.{query.known}.{edition()}",
        partial(_fragment, request, query, words),
        kind=HTML,
        vary="" if query.lang else hdrs.ACCEPT_LANGUAGE,
    )


async def _fragment(request: web.Request, query: FragmentQuery, words: Words, listing: ThreadTree) -> bytes:
    service = request.app[SERVICE]
    everything = await resolve.read_directory(service)
    site = redirects.site_to_say(everything, query.thread, query.site, request[VISIT].origin)
    order = query.order if query.order == "newest" else None
    values = shown(listing, service.config.own_origin, query.thread, site, order=order, lang=query.lang)
    form = Form(hidden={"thread": query.thread, "site": site, "parent": ""})
    fresh = 0 if query.known is None else max(0, listing.thread.count - query.known)
    return rendered("comments.html", words, **values | form.shown() | {"fresh": fresh}).encode()


def receipt(request: web.Request, given: Receipt, text: str, status: int) -> web.Response:
    """A receipt as the comment's HTML; what proves that it is the writer's stands in attributes of it."""
    fields = {name: getattr(given, name) for name in TreeComment.__struct_fields__ if hasattr(given, name)}
    comment = TreeComment(
        **fields | {"depth": 1 if given.parent else 0, "by_moderator": False, "deleted": False},
    )
    if given.status == "approved":
        comment = msgspec.structs.replace(comment, status=UNSET)
    return _item(request, comment, text, given.edit_until, given, status)


def own(request: web.Request, comment: PublicComment) -> web.Response:
    """One comment as HTML; its writer's own with what can still be done to it."""
    fields = {name: getattr(comment, name) for name in PublicComment.__struct_fields__}
    text, until = (comment.comment, comment.edit_until) if isinstance(comment, OwnComment) else ("", "")
    return _item(request, TreeComment(**fields), text, until)


def _item(
    request: web.Request, comment: TreeComment, text: str, until: str, given: Receipt | None = None, status: int = 200
) -> web.Response:
    html = rendered(
        "item.html",
        words_of(request),
        comment=comment,
        receipt=given,
        text=text,
        changeable=request.app[SERVICE].now() < until,
        closed=False,
        link=None,
    )
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, text=html, content_type=HTML, headers=headers)
