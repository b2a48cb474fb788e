"""The audit log as a page: who did what, with a button to undo it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from commentsvc.audit import lookup
from commentsvc.audit.schemas import AuditEntry, AuditQuery
from commentsvc.domain.fields import Cursor, SiteName
from commentsvc.moderation import audit, bulk, queue
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.verbs import count_comments
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Day, ResultQuery
from commentsvc.web.server.routing import SERVICE, WHO

MAX_LINKS: Final = 3  # to comments, of one entry
SUBJECT_PAGES: Final = {"thread": "/moderate/threads/", "rule": "/moderate/rules/"}
# Verbs whose text names the change already.
PLAIN_VERBS: Final = frozenset({"withdraw"})


class AuditPageQuery(ResultQuery, frozen=True, kw_only=True):
    """Filters and page of the audit log."""

    site: SiteName | None = None
    since: Day | None = None
    until: Day | None = None
    cursor: Cursor | None = None


@dataclass(frozen=True)
class AuditLine:
    """An entry and what its line shows."""

    entry: AuditEntry
    number: int  # of comments
    comments: list[ModeratorComment]  # the first of them
    more: int  # of them
    change: tuple[str, str] | None  # the statuses before and after, if they are the same for all comments
    subject: tuple[str, str] | None  # kind and URL of a thread or rule
    changed: list[str]  # the names of its changed fields
    undo: str | None  # the action, if it can be undone


async def show_audit_log(request: web.Request, query: AuditPageQuery) -> web.Response:
    """Show the audit log, newest first."""
    service, who = request.app[SERVICE], request[WHO]
    since, until = layout.start_of_day(query.since), layout.start_of_day(query.until)
    filters = AuditQuery(site=query.site, since=since, until=until, cursor=query.cursor)
    found = await audit.list_entries(service, who, filters)
    undoable = await _list_undoable(request, found.entries)
    # An action may have several entries; the newest gets the button.
    newest = {entry.body.get("action"): entry.seq for entry in reversed(found.entries)}
    linked = {item[0] for entry in found.entries for item in _items(entry)[:MAX_LINKS]}
    cards = {card.id: card for card in await queue.get_comments(service, who, sorted(linked))}
    following = {"site": query.site, "since": query.since, "until": query.until, "cursor": found.next_cursor}
    return await layout.render_page(
        request,
        "audit.html",
        result=query,
        tab="audit",
        query=query,
        lines=[
            _build_line(entry, cards, undoable if newest[entry.body.get("action")] == entry.seq else set())
            for entry in found.entries
        ],
        next_page=layout.build_url("/moderate/audit", **following) if found.next_cursor else None,
    )


async def _list_undoable(request: web.Request, entries: Sequence[AuditEntry]) -> set[str]:
    """Return the actions that can still be undone, and by this moderator."""
    service = request.app[SERVICE]
    too_old = service.ago(days=bulk.UNDO_DAYS)
    recent = [entry.body["action"] for entry in entries if entry.body.get("action") and entry.created_at > too_old]
    found = await lookup.find_actions(service, request[WHO], recent)
    return {
        one.id for one in found.values() if not one.undone_by and one.verb != "erase" and (one.number or one.subject)
    }


def _items(entry: AuditEntry) -> list[Any]:
    """Return ``[comment, from, to, version]`` for each comment of an entry."""
    found: list[Any] = entry.body.get("items", [])
    return found


def _build_line(entry: AuditEntry, cards: Mapping[str, ModeratorComment], undoable: set[str]) -> AuditLine:
    items = [] if entry.verb in PLAIN_VERBS else _items(entry)
    kind = next((kind for kind in SUBJECT_PAGES if entry.body.get(kind)), None)
    changes = {(item[1], item[2]) for item in items}
    action = entry.body.get("action")
    shown = [cards[item[0]] for item in items[:MAX_LINKS] if item[0] in cards]
    return AuditLine(
        entry=entry,
        number=count_comments(entry.body),
        more=len(items) - len(shown),
        comments=shown,
        change=changes.pop() if len(changes) == 1 else None,
        subject=(kind, SUBJECT_PAGES[kind] + entry.body[kind]) if kind else None,
        changed=entry.body.get("changed", []) if entry.verb.endswith("_change") else [],
        undo=action if action in undoable else None,
    )
