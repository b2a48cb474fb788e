"""Find past actions."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@private_read
async def find_actions(unit: PrivateRead, who: Principal, action_ids: Sequence[str]) -> dict[str, ActionSummary]:
    """Return actions by id, without those on other sites than this principal's."""
    rows = await actions.list_summaries(unit, action_ids)
    return {row["id"]: _summary(row) for row in rows if await _may_see(unit, who, row)}


def _summary(row: Row) -> ActionSummary:
    fields = {name: row[name] for name in ActionSummary.__dataclass_fields__ if name != "actor"}
    return ActionSummary(actor=actor_of(row), **fields)


async def _may_see(unit: PrivateRead, who: Principal, row: Row) -> bool:
    if who.sites is None:
        return True
    if row["subject"]:
        return await undoable_changes.may_see_subject(unit, who, row["subject"])
    sites = await actions.list_sites(unit, row["id"])
    return all(who.reaches(site) for site in sites) and (bool(sites) or actor_of(row) == who.actor)
