"""The effect of withdrawing a rule on comments: each gets the status that the other rules gave it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Actor, ActorKind, Comment, Decision, Effect, Status
from commentsvc.domain.reasons import Reason
from commentsvc.moderation.decide import Decide, save_statuses
from commentsvc.rules import engine, verdicts, weak_signals
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.verdicts import Verdict, actor_of
from commentsvc.storage import decisions
from commentsvc.storage.database import Write
from commentsvc.storage.decisions import StoredDecision, StoredVerdict

MODES: Final = frozenset({"rule:mode", "rule:new_author"})
# Rules whose verdicts may depend on what anybody can type, and then decide only what is held anyway.
BY_ADDRESS: Final = ("all", "form_token", "impersonation", *(kind.value for kind, row in KINDS.items() if row.by_email))


def withdraw_rule(rule: Actor) -> Decide:
    """Return the function that decides on comments as if a rule had not run. Without an id it is every one of its name.

    The verdicts that were stored with the latest decision decide, with the mode of the thread among them. So nobody
    judges a comment by facts of today. These are decisions by rules: no filter learns from them.
    """

    async def decide(unit: Write, batch: Sequence[Comment], action_id: str) -> dict[str, Comment]:
        latest = await decisions.list_latest(unit, [comment.id for comment in batch]) if batch else {}
        after = {comment.id: comment for comment in batch}
        moving: defaultdict[Status, list[Comment]] = defaultdict(list)
        same: defaultdict[bytes, list[Comment]] = defaultdict(list)  # most comments get the same decision
        for comment in batch:
            found = latest.get(comment.id)
            if found is not None and is_decided_by(found, rule):  # otherwise somebody decided since
                left = None if is_by_rule(found.actor, rule) else (found.actor, found.reason)
                same[msgspec.json.encode((found.verdicts, found.status, left))].append(comment)
        for group in same.values():
            decision, others = decide_without(latest[group[0].id], rule)
            await decisions.add(unit, [comment.id for comment in group], decision, action_id, others)
            moving[decision.status] += group
        for status, group in moving.items():
            after |= await save_statuses(unit, group, status)
        return after

    return decide


def is_by_rule(actor: Actor, rule: Actor) -> bool:
    """Return whether an actor is a rule: the one with its id, or any of its name if it has none."""
    return actor.kind is ActorKind.RULE and actor.name == rule.name and rule.id in {None, actor.id}


def is_decided_by(latest: StoredDecision, rule: Actor) -> bool:
    """Return whether a decision is by a rule, whatever email address the commenter had typed.

    A rule about the address may have decided on top of a rule that holds the comment anyway. If only comments with
    other addresses were freed of that rule, everybody would see which addresses are banned.
    """
    if is_by_rule(latest.actor, rule):
        return True
    if latest.actor.kind is not ActorKind.RULE or not (latest.reason and verdicts.is_unproven(latest.reason)):
        return False
    proven = _combine([one for one in map(weak_signals.read_verdict, latest.verdicts) if not one.unproven])
    return bool(proven) and is_by_rule(actor_of(engine.decide(proven)), rule)


def _combine(found: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts, those of modes last, with the effect that weak signals have among them."""
    combined = weak_signals.combine_signals([one for one in found if one.rule not in MODES])
    return combined + [one for one in found if one.rule in MODES]


def decide_without(latest: StoredDecision, rule: Actor) -> tuple[Decision, list[StoredVerdict]]:
    """Return what the other verdicts of a decision decide, and those that did not decide."""
    every = (
        [StoredVerdict(latest.actor, engine.EFFECT_OF_STATUS[latest.status], latest.reason), *latest.verdicts]
        if latest.reason
        else latest.verdicts
    )
    found = _combine([weak_signals.read_verdict(one) for one in every if not is_by_rule(one.actor, rule)])
    if all(one.unproven or one.effect is Effect.NOTE for one in found):
        found.append(Verdict(Effect.APPROVE, Reason("mode_none"), "rule:none"))  # which is not stored when others match
    deciding = engine.decide(found)
    others = [StoredVerdict(actor_of(one), one.effect, one.reason) for one in found if one is not deciding]
    return Decision(engine.STATUS_OF_EFFECT[deciding.effect], actor_of(deciding), deciding.reason), others
