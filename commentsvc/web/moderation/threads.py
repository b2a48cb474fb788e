"""Threads: find, close, rename, move and merge them."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc.audit import lookup
from commentsvc.audit.lookup import SubjectChange
from commentsvc.domain.errors import Invalid, Refusal, VersionConflict
from commentsvc.domain.fields import Cursor, SiteName, ThreadName, Title
from commentsvc.domain.models import Mode, Scope
from commentsvc.domain.validation import validate
from commentsvc.moderation import queue, thread_removal, threads
from commentsvc.moderation.schemas import (
    ModeratorComment,
    ThreadChange,
    ThreadListQuery,
    ThreadRemoval,
    ThreadsRemoval,
    UnpublishedThreads,
)
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Day, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO

EXAMPLES: Final = 5  # comments that are shown before threads are deleted permanently
NO_ACTION: Final = "none"  # the last action on a thread that nobody changed yet


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
    seen: Annotated[str, Meta(max_length=100, description="The last action on the thread, or none.")] | None = None
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


class ThreadRemovalForm(Struct, frozen=True, kw_only=True):
    """The number of comments that the page showed."""

    expect: Annotated[int, Meta(ge=0)] = 0
    back: Back | None = None


class UnpublishedForm(Struct, frozen=True, kw_only=True):
    """Conditions on threads that were never public, and the number of threads that the page showed."""

    site: Annotated[str, Meta(max_length=100)] | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    network: Annotated[str, Meta(max_length=50)] | None = None
    since: Day | None = None
    until: Day | None = None
    expect: Annotated[int, Meta(ge=1, le=thread_removal.MAX_THREADS + 1)] | None = None
    back: Back | None = None


async def show_threads(request: web.Request, query: ThreadsPageQuery) -> web.Response:
    """Show the threads, newest first."""
    filters = ThreadListQuery(site=query.site, q=query.q, cursor=query.cursor)
    found = await threads.list_threads(request.app[SERVICE], request[WHO], filters)
    next_page = layout.build_url("/moderate/threads", site=query.site, q=query.q, cursor=found.next_cursor)
    return await layout.render_page(
        request,
        "threads.html",
        result=query,
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
    typed: Mapping[str, Any] | None = None,
    changes: Sequence[SubjectChange] = (),
) -> web.Response:
    """Show a thread. ``typed`` is what was typed into the form that failed; ``changes`` are someone else's."""
    service, who = request.app[SERVICE], request[WHO]
    last = await lookup.list_changes(service, f"thread:{request.match_info['id']}", 1)  # before the thread is read
    thread = await threads.get_thread(service, who, request.match_info["id"])
    total = await thread_removal.count_comments(request.app[SERVICE], request[WHO], thread.id)
    title = thread.title or thread.key
    examples = await _load_examples(request, [thread.id]) if who.may(Scope.ADMIN) else []
    shown: dict[str, Any] = {"title": title, "thread": thread, "total": total, "error": error, "examples": examples}
    shown |= {"typed": typed or {}, "changes": changes, "seen": last[0].id if last else NO_ACTION}
    return await layout.render_page(request, "thread.html", status=status, result=result, tab="threads", **shown)


async def _load_examples(request: web.Request, thread_ids: Sequence[str]) -> list[ModeratorComment]:
    """Return some comments of these threads."""
    service, who = request.app[SERVICE], request[WHO]
    ids = await thread_removal.list_examples(service, who, thread_ids, EXAMPLES)
    return await queue.get_comments(service, who, ids)


async def change_thread(request: web.Request, form: ThreadForm) -> web.Response:
    """Open, close, rename, move or merge a thread, or change how it is moderated."""
    service, who = request.app[SERVICE], request[WHO]
    thread_id, change = request.match_info["id"], form.to_change()
    try:
        changed = await threads.change_thread(service, who, thread_id, change, form.seen)
    except VersionConflict:
        changes = await lookup.list_changes(service, f"thread:{thread_id}", threads.MAX_CHANGES)
        since = list(takewhile(lambda one: one.id != form.seen, changes))
        status, typed = problems.STATUS_OF_ERROR[VersionConflict], msgspec.structs.asdict(form)
        return await _render_thread(request, status=status, typed=typed, changes=since)
    back = f"/moderate/threads/{changed.id}" if form.do == "merge" else form.back
    return layout.redirect_back(back, done=changed.action or (None if form.do == "alias" else layout.UNCHANGED))


async def remove_thread(request: web.Request, form: ThreadRemovalForm) -> web.Response:
    """Delete a thread permanently, with its comments."""
    removal = ThreadRemoval(expect=form.expect)
    await thread_removal.remove_thread(request.app[SERVICE], request[WHO], request.match_info["id"], removal)
    return layout.redirect_back("/moderate/threads")


async def remove_unpublished(request: web.Request, form: UnpublishedForm) -> web.Response:
    """Show threads that were never public; with the number that was shown, delete them permanently."""
    service, who = request.app[SERVICE], request[WHO]
    fields = {
        "site": form.site,
        "q": form.q,
        "since": layout.start_of_day(form.since),
        "until": layout.start_of_day(form.until),
        "network": form.network,
    }
    where = validate(UnpublishedThreads, {name: one for name, one in fields.items() if one}, service.config.limits)
    removal = ThreadsRemoval(where=where, expect=form.expect or 0)
    if form.expect:
        await thread_removal.remove_threads(service, who, removal)
        if form.expect <= thread_removal.MAX_THREADS:
            return layout.redirect_back("/moderate/threads")
    found = await thread_removal.match_threads(service, who, removal)
    return await layout.render_page(
        request,
        "unpublished.html",
        tab="threads",
        form=form,
        number=len(found),
        most=thread_removal.MAX_THREADS,
        examples=await _load_examples(request, found),
    )


@layout.on_field_errors
async def show_thread_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the thread again with the error of its form."""
    typed = forms.parse_leniently(ThreadForm, body)
    return await _render_thread(request, status=problems.STATUS_OF_ERROR[Invalid], error=error, typed=typed)
