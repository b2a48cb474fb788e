"""Undo everything that one rule did since a time, as one action."""

from collections.abc import Mapping
from typing import Final

import msgspec

from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, ExpectationFailed, FieldError, Invalid, NotFound
from commentsvc.domain.messages import translatable, translatable_plural
from commentsvc.domain.models import Actor, ActorKind, Principal, RuleKind
from commentsvc.moderation import bulk
from commentsvc.moderation.actions import MAX_COMMENTS
from commentsvc.moderation.bulk import StartedAction
from commentsvc.moderation.withdraw import BY_ADDRESS, is_decided_by, withdraw_rule
from commentsvc.moderation.wording import BUILT_IN_RULES, describe_mismatch
from commentsvc.rules.schemas import RuleUndo, RuleUndone
from commentsvc.service import Service, search_read, write
from commentsvc.storage import actions, decisions, rule_decisions, rules, threads
from commentsvc.storage.database import PrivateRead, Write

PREFIX: Final = "rule:"
# Moderation modes hold what no rule caught, and readers' reports are decided on in the queue.
NO_RULES: Final = frozenset({"mode", "new_author", "known_author", "none", "reports"})
NAMES: Final = frozenset({*BUILT_IN_RULES, *RuleKind}) - NO_RULES


async def undo_rule(service: Service, who: Principal, rule: str, undo: RuleUndo) -> RuleUndone:
    """Decide without a rule on the comments that it held or marked as spam since a time, and nobody decided on since.

    ``rule`` is an id, or ``rule:`` with a name: of a built-in rule, or of a kind, which means all rules of that kind.
    Without ``expect``, nothing is changed, and the result says how many comments match.

    Raises:
        NotFound: no rule has this id, or it is for another site.
        Invalid: for the field ``since``.
        ExpectationFailed: another number of comments match than expected.
        Conflict: more comments match than one action changes.
    """
    since = validation.parse_time_field("since", undo.since)
    if since is None:
        raise Invalid(
            FieldError(
                "since", "required", translatable("Enter a time. Everything that the rule did since then is undone.")
            )
        )
    actor, matching = await _list_matching(service, who, rule, since)
    if len(matching) > MAX_COMMENTS:
        raise Conflict(
            translatable_plural(
                "More than %(num)s comment matches. Undo the newest first: choose a later time.",
                "More than %(num)s comments match. Undo the newest first: choose a later time.",
                MAX_COMMENTS,
            )
        )
    if undo.expect is None:
        return RuleUndone(matching=len(matching))
    if undo.expect != len(matching):
        raise ExpectationFailed(describe_mismatch(len(matching), MAX_COMMENTS, undo.expect))
    result = await bulk.finish(service, await _start(service, who, actor, matching))
    return RuleUndone(matching=len(matching), action=result)


@search_read
async def _list_matching(unit: PrivateRead, who: Principal, rule: str, since: str) -> tuple[Actor, dict[str, int]]:
    actor = await _find_rule(unit, who, rule)
    found = await rule_decisions.list_decided_by_rule(
        unit, actor.name, actor.id, since=since, sites=who.sites, limit=MAX_COMMENTS + 1
    )
    on_top = await rule_decisions.list_also_by_rule(
        unit, BY_ADDRESS, actor.id or actor.name, since=since, sites=who.sites, limit=MAX_COMMENTS + 1
    )
    latest = await decisions.list_latest(unit, list(on_top)) if on_top else {}
    return actor, found | {id_: on_top[id_] for id_, one in latest.items() if is_decided_by(one, actor)}


async def _find_rule(unit: PrivateRead, who: Principal, rule: str) -> Actor:
    """Return a rule as the actor of its decisions, also one that was deleted lately.

    Raises:
        NotFound: no rule has this id, or it is for another site.
    """
    name = rule.removeprefix(PREFIX)
    if name != rule and name in NAMES:
        return Actor(ActorKind.RULE, None, name)
    stored = await rules.get(unit, rule)
    if stored is None or (stored.site_id and not who.reaches(stored.site_id)):
        raise NotFound
    return Actor(ActorKind.RULE, stored.id, stored.kind)


@write
async def _start(unit: Write, who: Principal, rule: Actor, targets: Mapping[str, int | None]) -> StartedAction:
    if len(targets) <= bulk.PIECE_SIZE:  # as a ban does: see ``lock_of_comments``
        await threads.lock_of_comments(unit, sorted(targets))
    frozen, missing = await bulk.freeze(unit, who, targets)  # first: no action is dated before its comments
    action_id, note = unit.new_id(), f"{PREFIX}{rule.name}"
    stored = msgspec.json.encode(rule).decode()
    await actions.add_action(unit, action_id, "rule_undo", who, note, unit.now(), was=stored)
    piece = bulk.Piece(action_id, "rule_undo", who.actor, note, targets)
    return await bulk.extend(unit, who, piece, withdraw_rule(rule), frozen, missing)
