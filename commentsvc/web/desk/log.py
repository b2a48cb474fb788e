"""Who did what; and whatever can still be taken back, from there."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc import auditing, deciding, retracing
from commentsvc.shapes import AuditEntry, AuditQuery, Cursor, SiteName
from commentsvc.web.desk import frame
from commentsvc.web.desk.frame import Done
from commentsvc.web.endpoint import SERVICE, WHO

MOST_LINKS: Final = 5
PLACES: Final = {"thread": "/moderate/threads/", "rule": "/moderate/rules/"}


class Asked(Struct, frozen=True, kw_only=True):
    """Which part of the log is read."""

    site: SiteName | None = None
    since: Annotated[str, Meta(max_length=40)] | None = None
    until: Annotated[str, Meta(max_length=40)] | None = None
    cursor: Cursor | None = None
    done: Done | None = None


@dataclass(frozen=True)
class Line:
    """An entry as it is read."""

    entry: AuditEntry
    number: int  # of comments
    comments: list[tuple[str, str, str]]  # of some: id, from, to
    link: tuple[str, str] | None  # to what else was changed: its kind, and where it is
    changed: str
    undo: str | None  # the action, where it can be taken back


async def show(request: web.Request, asked: Asked) -> web.Response:
    """Who did what, newest first."""
    service, who = request.app[SERVICE], request[WHO]
    query = AuditQuery(site=asked.site, since=asked.since, until=asked.until, cursor=asked.cursor)
    found = await auditing.entries(service, who, query)
    actions = [entry.body["action"] for entry in found.entries if entry.body.get("action")]
    deeds = await retracing.deeds(service, who, actions)
    too_old = service.ago(days=deciding.UNDO_DAYS)
    open_ones = {
        one.id
        for one in deeds.values()
        if one.undone_by is None and one.verb != "erase" and (one.number or one.subject)
    }
    return await frame.page(
        request,
        "audit.html",
        done=asked.done,
        title="Audit",
        tab="audit",
        asked=asked,
        lines=[_line(entry, open_ones if entry.created_at > too_old else set()) for entry in found.entries],
        following=found.next_cursor
        and frame.address(
            "/moderate/audit", site=asked.site, since=asked.since, until=asked.until, cursor=found.next_cursor
        ),
    )


def _line(entry: AuditEntry, open_ones: set[str]) -> Line:
    items: list[Any] = entry.body.get("items", [])
    kind = next((kind for kind in PLACES if entry.body.get(kind)), None)
    action = entry.body.get("action")
    return Line(
        entry=entry,
        number=len(items),
        comments=[(item[0], item[1], item[2]) for item in items[:MOST_LINKS]],
        link=(kind, PLACES[kind] + entry.body[kind]) if kind else None,
        changed=", ".join(entry.body.get("changed", [])),
        undo=action if action in open_ones else None,
    )
