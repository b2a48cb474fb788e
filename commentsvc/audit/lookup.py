"""A moderator looks back at what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

from commentsvc.audit import undoable_changes
from commentsvc.domain.models import Principal
from commentsvc.service import Service
from commentsvc.storage import actions
from commentsvc.storage.database import Row, Transaction


@dataclass(frozen=True)
class Deed:
    """One action, or what one undid: to how many comments, or to which other thing."""

    id: str
    verb: str
    made_by: str
    number: int
    subject: str | None
    undone_by: str | None
    undid: str | None  # the verb of what it took back


async def deed(service: Service, who: Principal, action_id: str) -> Deed | None:
    """An action on this principal's sites, or None."""
    return (await deeds(service, who, [action_id])).get(action_id)


async def deeds(service: Service, who: Principal, action_ids: Sequence[str]) -> dict[str, Deed]:
    """Those of these actions that touched something on this principal's sites, by id."""
    return await service.db.read_private(_deeds, who, action_ids)


async def _deeds(tx: Transaction, who: Principal, action_ids: Sequence[str]) -> dict[str, Deed]:
    rows = await actions.summaries(tx, action_ids)
    return {row["id"]: _deed(row) for row in rows if await _reached(tx, who, row)}


def _deed(row: Row) -> Deed:
    return Deed(**{name: row[name] for name in Deed.__dataclass_fields__})


async def _reached(tx: Transaction, who: Principal, row: Row) -> bool:
    if who.sites is None:
        return True
    if row["subject"]:
        return await undoable_changes.reaches(tx, who, row["subject"])
    sites = await actions.sites_of(tx, row["id"])
    return all(who.reaches(site) for site in sites) and (bool(sites) or row["made_by"] == who.name)
