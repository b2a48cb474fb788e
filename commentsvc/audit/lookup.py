"""Find past actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from commentsvc.audit import undoable_changes
from commentsvc.domain.models import Actor, Principal
from commentsvc.service import Service, private_read
from commentsvc.storage import actions
from commentsvc.storage.actors import actor_of
from commentsvc.storage.database import PrivateRead, Row


@dataclass(frozen=True)
class ActionSummary:
    """An action: the number of comments that it changed, or the other thing that it changed."""

    id: str
    verb: str
    actor: Actor
    number: int
    subject: str | None
    undone_by: str | None
    undid: str | None  # the verb of the action that it undid


async def find_action(service: Service, who: Principal, action_id: str) -> ActionSummary | None:
    """Return an action on this principal's sites."""
    return (await find_actions(service, who, [action_id])).get(action_id)


@dataclass(frozen=True)
class SubjectChange:
    """A change of a thread or a rule: the fields that changed, before and after (empty after 30 days)."""

    id: str
    verb: str
    actor: Actor
    created_at: str
    was: dict[str, Any]
    became: dict[str, Any]


@private_read
async def list_changes(unit: PrivateRead, subject: str, limit: int) -> list[SubjectChange]:
    """Return the last changes of a subject such as ``rule:…``, newest first. The caller checks who may see it."""
    return [
        SubjectChange(
            row["id"],
            row["verb"],
            actor_of(row),
            row["created_at"],
            *(msgspec.json.decode(row[name] or "{}") for name in ("was", "became")),
        )
        for row in await actions.list_of_subject(unit, subject, limit)
    ]


@private_read
async def find_actions(unit: PrivateRead, who: Principal, action_ids: Sequence[str]) -> dict[str, ActionSummary]:
    """Return actions by id, without those on other sites than this principal's."""
    rows = await actions.list_summaries(unit, action_ids)
    visible = await _list_visible(unit, who, rows)
    return {row["id"]: _summary(row) for row in rows if row["id"] in visible}


def _summary(row: Row) -> ActionSummary:
    fields = {name: row[name] for name in ActionSummary.__dataclass_fields__ if name != "actor"}
    return ActionSummary(actor=actor_of(row), **fields)


async def _list_visible(unit: PrivateRead, who: Principal, rows: Sequence[Row]) -> set[str]:
    """Return the ids of the actions on this principal's sites, with few statements for all of them."""
    if who.sites is None:
        return {row["id"] for row in rows}
    subjects = await undoable_changes.visible_subjects(unit, who, [row["subject"] for row in rows if row["subject"]])
    sites = await actions.list_sites(unit, [row["id"] for row in rows if not row["subject"]])
    return {row["id"] for row in rows if row["subject"] in subjects} | {
        row["id"] for row in rows if not row["subject"] and _may_see(who, row, sites.get(row["id"], []))
    }


def _may_see(who: Principal, row: Row, sites: Sequence[str]) -> bool:
    return all(who.reaches(site) for site in sites) and (bool(sites) or actor_of(row) == who.actor)
