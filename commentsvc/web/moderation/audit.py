"""Who did what; and whatever can still be taken back, from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from commentsvc.audit import lookup
from commentsvc.audit.schemas import AuditEntry, AuditQuery
from commentsvc.domain.fields import Cursor, SiteName
from commentsvc.moderation import audit as moderation_audit
from commentsvc.moderation import bulk, queue
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Day, Told
from commentsvc.web.server.routing import SERVICE, WHO

MOST_LINKS: Final = 3  # of one entry
PLACES: Final = {"thread": "/moderate/threads/", "rule": "/moderate/rules/"}


class Asked(Told, frozen=True, kw_only=True):
    """Which part of the log is read."""

    site: SiteName | None = None
    since: Day | None = None
    until: Day | None = None
    cursor: Cursor | None = None


@dataclass(frozen=True)
class Line:
    """An entry as it is read."""

    entry: AuditEntry
    number: int  # of comments
    comments: list[ModeratorComment]  # some of them
    change: str  # of their status, where all were changed alike
    link: tuple[str, str] | None  # to what else was changed: its kind, and where it is
    changed: str
    undo: str | None  # the action, where it can be taken back


async def show(request: web.Request, asked: Asked) -> web.Response:
    """Who did what, newest first."""
    service, who = request.app[SERVICE], request[WHO]
    query = AuditQuery(
        site=asked.site, since=layout.moment(asked.since), until=layout.moment(asked.until), cursor=asked.cursor
    )
    found = await moderation_audit.list_entries(service, who, query)
    undoable = await _undoable(request, found.entries)
    some = {item[0] for entry in found.entries for item in _items(entry)[:MOST_LINKS]}
    cards = {card.id: card for card in await queue.get_comments(service, who, sorted(some))}
    following = {"site": asked.site, "since": asked.since, "until": asked.until, "cursor": found.next_cursor}
    return await layout.page(
        request,
        "audit.html",
        told=asked,
        title="Audit",
        tab="audit",
        asked=asked,
        lines=[_line(entry, cards, undoable) for entry in found.entries],
        following=layout.address("/moderate/audit", **following) if found.next_cursor else None,
    )


async def _undoable(request: web.Request, entries: Sequence[AuditEntry]) -> set[str]:
    """Those of the entries' actions that can be taken back: by now, by whoever asks."""
    service = request.app[SERVICE]
    too_old = service.ago(days=bulk.UNDO_DAYS)
    recent = [entry.body["action"] for entry in entries if entry.body.get("action") and entry.created_at > too_old]
    deeds = await lookup.find_actions(service, request[WHO], recent)
    return {
        one.id for one in deeds.values() if not one.undone_by and one.verb != "erase" and (one.number or one.subject)
    }


def _items(entry: AuditEntry) -> list[Any]:
    """What became of comments: each its id, from where, to where, and its version."""
    found: list[Any] = entry.body.get("items", [])
    return found


def _line(entry: AuditEntry, cards: Mapping[str, ModeratorComment], undoable: set[str]) -> Line:
    items = _items(entry)
    kind = next((kind for kind in PLACES if entry.body.get(kind)), None)
    changes = {f"{item[1]} → {item[2]}" for item in items}
    action = entry.body.get("action")
    return Line(
        entry=entry,
        number=len(items),
        comments=[cards[item[0]] for item in items[:MOST_LINKS] if item[0] in cards],
        change=changes.pop() if len(changes) == 1 else "",
        link=(kind, PLACES[kind] + entry.body[kind]) if kind else None,
        changed=", ".join(entry.body.get("changed", [])) if entry.verb.endswith("_change") else "",
        undo=action if action in undoable else None,
    )
