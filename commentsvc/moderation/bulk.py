"""Actions on many comments: one action, worked on in pieces.

Ids and versions are fixed first. A small action is finished in the unit that starts it. A large one is stored with its
remaining comments, and each piece is a unit of its own, so that others can write in between. If the
server stops, ``resume`` continues. The action is undone as a whole.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from commentsvc.audit import log
from commentsvc.audit.schemas import ActionItem, ActionResult
from commentsvc.domain.models import ActionVerb, Actor, Comment, Principal
from commentsvc.moderation.decide import Decide, decide_by_verb, take_back
from commentsvc.moderation.withdraw import withdraw_rule
from commentsvc.service import Service, private_read, write
from commentsvc.storage import actions, comments, threads
from commentsvc.storage.actors import actor_of
from commentsvc.storage.database import Environment, PrivateRead, Write

LOG: Final = logging.getLogger(__name__)

UNDO_DAYS: Final = 30
IDS_PER_STATEMENT: Final = 100  # SQLite looks names up one by one, so long statements cost more
PIECE_SIZE: Final = 100  # comments; a piece takes about 20 ms, and a new comment waits that long at most


@dataclass(frozen=True)
class StartedAction:
    """An action after its first unit: what it did so far, and whether pieces remain."""

    id: str
    verb: str
    items: list[ActionItem]
    running: bool


@dataclass(frozen=True)
class Piece:
    """Part of an action."""

    action_id: str
    verb: str
    actor: Actor
    note: str | None
    targets: Mapping[str, int | None]  # comment id -> expected version; None: any version


async def start(
    unit: Write,
    who: Principal,
    verb: str,
    note: str | None,
    targets: Mapping[str, int | None],
    decide: Decide,
) -> StartedAction:
    """Start an action on these comments, and finish it if it is small.

    ``targets`` maps comment ids to expected versions; None accepts any version. A comment that cannot be changed is
    named in the result, and does not stop the others.
    """
    action_id = unit.new_id()
    frozen, missing = await freeze(unit, who, targets)  # first: no action is dated before its comments
    await actions.add_action(unit, action_id, verb, who, note, unit.now())
    piece = Piece(action_id, verb, who.actor, note, targets)
    return await extend(unit, who, piece, decide, frozen, missing)


async def extend(
    unit: Write,
    who: Principal,
    piece: Piece,
    decide: Decide,
    frozen: Mapping[str, int],
    missing: list[ActionItem],
) -> StartedAction:
    """Let a stored action, which may have changed something else, also change comments; finish it if they are few.

    ``frozen`` and ``missing`` are what ``freeze`` returned before the action was stored.
    """
    if len(piece.targets) <= PIECE_SIZE:
        return StartedAction(piece.action_id, piece.verb, await apply_piece(unit, who, piece, decide), running=False)
    await actions.mark_running(unit, piece.action_id)
    await actions.add_targets(unit, piece.action_id, frozen)
    return StartedAction(piece.action_id, piece.verb, missing, running=True)


async def freeze(
    unit: Write, who: Principal, targets: Mapping[str, int | None]
) -> tuple[dict[str, int], list[ActionItem]]:
    """Return the version of each comment on the principal's sites, and results for the others."""
    current: dict[str, int] = {}
    ids = list(targets)
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        rows = await comments.list_versions(unit, ids[start : start + IDS_PER_STATEMENT])
        current |= {row["id"]: row["version"] for row in rows if who.reaches(row["site_id"])}
    frozen = {id_: current[id_] if seen is None else seen for id_, seen in targets.items() if id_ in current}
    return frozen, [_item(id_, None, None) for id_ in targets if id_ not in current]


async def apply_piece(unit: Write, who: Principal | None, piece: Piece, decide: Decide) -> list[ActionItem]:
    """Do one piece of an action, and log it. ``who`` limits it to some sites; None means they were checked before."""
    await threads.lock_of_comments(unit, sorted(piece.targets))
    by_id = await comments.get_many(unit, list(piece.targets))
    known = {one.id: one for one in by_id.values() if who is None or who.reaches(one.site_id)}
    changed_since = {
        id_ for id_, seen in piece.targets.items() if id_ in known and seen not in {None, known[id_].version}
    }
    open_ = [known[id_] for id_ in piece.targets if id_ in known and not known[id_].erased_at]
    after = dict(await decide(unit, [one for one in open_ if one.id not in changed_since], piece.action_id))
    changed = [(known[id_], now) for id_, now in after.items() if now.version != known[id_].version]
    if changed:
        await actions.add_items(unit, piece.action_id, changed)
    await log.add_status_changes(
        unit, actor=piece.actor, verb=piece.verb, changes=changed, action_id=piece.action_id, why=piece.note
    )
    after |= {one.id: one for one in open_ if one.id in changed_since}
    return [
        _item(id_, known.get(id_), after.get(id_), "changed_since" if id_ in changed_since else None)
        for id_ in piece.targets
    ]


def _item(
    comment_id: str, before: Comment | None, after: Comment | None, skipped: Literal["changed_since"] | None = None
) -> ActionItem:
    if before is None:
        return ActionItem(comment=comment_id, ok=False, code="not_found")
    if after is None:
        return ActionItem(comment=comment_id, ok=False, code="erased")
    code: Any = skipped or (None if after.version != before.version else "unchanged")
    return ActionItem(comment=comment_id, from_=before.status, to=after.status, ok=skipped is None, code=code)


async def finish(service: Service, started: StartedAction) -> ActionResult:
    """Work on the remaining pieces of an action, and return the result of the whole.

    Raises:
        Unavailable: the database could not store a piece. ``resume`` continues the action later.
    """
    items = list(started.items)
    while started.running:
        piece = await _work_on_next_piece(service, started.id)
        if piece is None:
            break
        items += piece
    return action_result(service, started.id, started.verb, items)


def action_result(env: Environment, action_id: str, verb: str, items: list[ActionItem]) -> ActionResult:
    """Return the result of an action."""
    return ActionResult(
        id=action_id,
        action=verb,
        changed=sum(item.ok and item.code is None for item in items),
        undo_until=env.ahead(days=UNDO_DAYS),
        results=items,
    )


@write
async def _work_on_next_piece(unit: Write, action_id: str) -> list[ActionItem] | None:
    """Do the next piece of a running action; return None if all are done."""
    action = await actions.get_action(unit, action_id)
    targets = await actions.take_targets(unit, action_id, PIECE_SIZE)
    if action is None or not targets:
        await actions.mark_done(unit, action_id)
        return None
    actor = actor_of(action)
    # A ban is a new rule that also marks comments as spam.
    verb = action["verb"] if not action["subject"] or action["verb"] == "undo" else ActionVerb.SPAM.value
    if verb == "undo":
        undone = await actions.get_undone_by(unit, action_id)
        items = {row["comment_id"]: row for row in await actions.list_items_of(unit, undone["id"], list(targets))}
        decide = take_back(undone, items, actor)
    elif verb == "rule_undo":
        decide = withdraw_rule(msgspec.json.decode(action["was"], type=Actor))
    else:
        decide = decide_by_verb(ActionVerb(verb), actor, action["note"])
    piece = Piece(action_id, verb, actor, action["note"], targets)
    return await apply_piece(unit, None, piece, decide)


async def resume(service: Service, started_before: str) -> int:
    """Finish actions that were started before this time and are still running, as after a restart; return how many."""
    running = await _list_running(service, started_before)
    for action_id in running:
        LOG.info("continuing action %s, which was interrupted", action_id)
        while await _work_on_next_piece(service, action_id) is not None:
            pass
    return len(running)


@private_read
async def _list_running(unit: PrivateRead, started_before: str) -> list[str]:
    return await actions.list_running(unit, started_before)
