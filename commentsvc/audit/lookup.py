"""A moderator looks back at what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

from commentsvc.audit import undoable_changes
from commentsvc.domain.models import Principal
from commentsvc.service import Service
from commentsvc.storage import actions
from commentsvc.storage.database import Row, Transaction


@dataclass(frozen=True)
class ActionSummary:
    """One action, or what one undid: to how many comments, or to which other thing."""

    id: str
    verb: str
    made_by: str
    number: int
    subject: str | None
    undone_by: str | None
    undid: str | None  # the verb of what it took back


async def find_action(service: Service, who: Principal, action_id: str) -> ActionSummary | None:
    """An action on this principal's sites, or None."""
    return (await find_actions(service, who, [action_id])).get(action_id)


async def find_actions(service: Service, who: Principal, action_ids: Sequence[str]) -> dict[str, ActionSummary]:
    """Those of these actions that touched something on this principal's sites, by id."""
    return await service.db.read_private(_find_actions, who, action_ids)


async def _find_actions(tx: Transaction, who: Principal, action_ids: Sequence[str]) -> dict[str, ActionSummary]:
    rows = await actions.list_summaries(tx, action_ids)
    return {row["id"]: _summary(row) for row in rows if await _may_see(tx, who, row)}


def _summary(row: Row) -> ActionSummary:
    return ActionSummary(**{name: row[name] for name in ActionSummary.__dataclass_fields__})


async def _may_see(tx: Transaction, who: Principal, row: Row) -> bool:
    if who.sites is None:
        return True
    if row["subject"]:
        return await undoable_changes.may_see_subject(tx, who, row["subject"])
    sites = await actions.list_sites(tx, row["id"])
    return all(who.reaches(site) for site in sites) and (bool(sites) or row["made_by"] == who.name)
