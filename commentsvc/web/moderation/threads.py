"""The threads: opened, closed, named, moved, made one."""

from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.domain.errors import Invalid, Refusal
from commentsvc.domain.fields import Cursor, SiteName, ThreadName, Title
from commentsvc.domain.models import Mode
from commentsvc.moderation import threads
from commentsvc.moderation.schemas import ThreadChange, ThreadListQuery
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Told
from commentsvc.web.server import parsing, problems
from commentsvc.web.server.routing import SERVICE, WHO


class Asked(Told, frozen=True, kw_only=True):
    """Which threads are looked at."""

    site: SiteName | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    cursor: Cursor | None = None


class Looked(Told, frozen=True, kw_only=True):
    """What was just done to a thread."""


class Change(Struct, frozen=True, kw_only=True):
    """A button, and the fields beside it."""

    do: Literal["close", "open", "title", "mode", "alias", "move", "merge"]
    title: Title | None = None
    mode: Mode | None = None
    name: ThreadName | None = None
    back: Back | None = None

    def asked(self) -> ThreadChange:
        """What is to become of the thread."""
        match self.do:
            case "close" | "open":
                return ThreadChange(closed=self.do == "close")
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


async def show(request: web.Request, asked: Asked) -> web.Response:
    """The threads, newest first."""
    query = ThreadListQuery(site=asked.site, q=asked.q, cursor=asked.cursor)
    found = await threads.list_threads(request.app[SERVICE], request[WHO], query)
    address = "/moderate/threads"
    following = layout.address(address, site=asked.site, q=asked.q, cursor=found.next_cursor)
    return await layout.page(
        request,
        "threads.html",
        told=asked,
        title="Threads",
        tab="threads",
        threads=found.threads,
        asked=asked,
        following=following if found.next_cursor else None,
    )


async def look(request: web.Request, looked: Looked) -> web.Response:
    """One thread, and what can become of it."""
    return await _look(request, told=looked)


async def _look(
    request: web.Request, *, status: int = 200, told: Told | None = None, error: Refusal | None = None, name: str = ""
) -> web.Response:
    thread = await threads.get_thread(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {"title": thread.title or thread.key, "thread": thread, "error": error, "name": name}
    return await layout.page(request, "thread.html", status=status, told=told, tab="threads", modes=Mode, **shown)


async def change(request: web.Request, change: Change) -> web.Response:
    """Open, close, retitle, rename or move a thread, or make it one with another."""
    service, who = request.app[SERVICE], request[WHO]
    changed = await threads.change_thread(service, who, request.match_info["id"], change.asked())
    back = f"/moderate/threads/{changed.id}" if change.do == "merge" else change.back
    return layout.led(back, done=changed.action)


@layout.where_fields_are_at_fault
async def again(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """The thread once more, and what is wrong with what was wanted."""
    name = parsing.filled_in(Change, body).get("name", "")
    return await _look(request, status=problems.STATUS_OF_ERROR[Invalid], error=error, name=name)
