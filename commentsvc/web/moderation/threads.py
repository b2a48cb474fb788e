"""Threads: find, close, rename, move and merge them."""

from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.domain.fields import Cursor, SiteName, ThreadName, Title
from commentsvc.domain.models import Mode
from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Day, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO


class ThreadsPageQuery(ResultQuery, frozen=True, kw_only=True):
    """Filters and page of the list of threads."""

    site: SiteName | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    cursor: Cursor | None = None


class ThreadForm(Struct, frozen=True, kw_only=True):
    """The button that was pressed, and the field beside it."""

    do: Literal["close", "open", "title", "mode", "alias", "move", "merge"]
    title: Title | None = None
    mode: Mode | None = None
    name: ThreadName | None = None
    until: Day | None = None
    back: Back | None = None

    def to_change(self) -> ThreadChange:
        """Return the change that the button makes."""
        match self.do:
            case "close" | "open":
                until = layout.start_of_day(self.until) if self.do == "open" else None
                return ThreadChange(closed=self.do == "close", open_until=until or UNSET)
            case "title":
                return ThreadChange(title=self.title)
            case "mode":
                return ThreadChange(mode=self.mode)
            case "alias":
                return ThreadChange(alias=self.name)
            case "move":
                return ThreadChange(thread=self.name)
            case "merge":
                return ThreadChange(merge_into=self.name)


async def show_threads(request: web.Request, query: ThreadsPageQuery) -> web.Response:
    """Show the threads, newest first."""
    filters = ThreadListQuery(site=query.site, q=query.q, cursor=query.cursor)
    found = await threads.list_threads(request.app[SERVICE], request[WHO], filters)
    next_page = layout.build_url("/moderate/threads", site=query.site, q=query.q, cursor=found.next_cursor)
    return await layout.render_page(
        request,
        "threads.html",
        result=query,
        title="Threads",
        tab="threads",
        threads=found.threads,
        query=query,
        next_page=next_page if found.next_cursor else None,
    )


async def show_thread(request: web.Request, query: ResultQuery) -> web.Response:
    """Show one thread, with forms to change it."""
    return await _render_thread(request, result=query)


async def _render_thread(
    request: web.Request,
    *,
    status: int = 200,
    result: ResultQuery | None = None,
    error: Refusal | None = None,
    name: str = "",
) -> web.Response:
    thread = await threads.get_thread(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {"title": thread.title or thread.key, "thread": thread, "error": error, "name": name}
    return await layout.render_page(request, "thread.html", status=status, result=result, tab="threads", **shown)


async def change_thread(request: web.Request, form: ThreadForm) -> web.Response:
    """Open, close, rename, move or merge a thread, or change how it is moderated."""
    service, who = request.app[SERVICE], request[WHO]
    changed = await threads.change_thread(service, who, request.match_info["id"], form.to_change())
    back = f"/moderate/threads/{changed.id}" if form.do == "merge" else form.back
    return layout.redirect_back(back, done=changed.action)


@layout.on_field_errors
async def show_thread_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the thread again with the error of its form."""
    name = forms.parse_leniently(ThreadForm, body).get("name", "")
    return await _render_thread(request, status=problems.STATUS_OF_ERROR[Invalid], error=error, name=name)
