"""Store a verdict of the external check; enforced, it decides on a comment that nobody has decided on."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import asdict

from commentsvc.domain.hook_verdicts import HOOK, HookEffect, HookVerdict, describe_verdict
from commentsvc.domain.models import ActionVerb, ActorKind, Comment, Decision, Effect, Principal, Status
from commentsvc.moderation import bulk
from commentsvc.moderation.decide import record_decision
from commentsvc.service import write
from commentsvc.storage import comments, contacts, decisions, hook_verdicts, threads
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.day_totals import MODES
from commentsvc.storage.decisions import StoredDecision
from commentsvc.storage.hook_verdicts import StoredHookVerdict

WHO: Final = Principal(HOOK, frozenset(), None)
STRICT: Final = frozenset({Effect.REFUSE, Effect.SPAM, Effect.HOLD})
VERBS: Final = {Status.SPAM: ActionVerb.SPAM, Status.PENDING: ActionVerb.HOLD, Status.APPROVED: ActionVerb.APPROVE}


@write
async def store_verdict(unit: Write, asked: Comment, verdict: HookVerdict) -> None:
    """Store a verdict on a comment as it was asked about; apply it if the settings say so.

    Nothing is applied to a comment that was changed or decided on since. The strictest wins: an approval publishes
    only a comment that the moderation mode alone holds.
    """
    await threads.lock_of_comments(unit, [asked.id])
    comment = await comments.get(unit, asked.id)
    if comment is None or comment.erased_at:
        return
    target = None
    if unit.config.verdict_mode == "enforce" and comment.version == asked.version:
        target = await _choose_status(unit, comment, verdict.effect)
    if target:
        await _decide(unit, comment, target, verdict)
    await hook_verdicts.save(
        unit,
        StoredHookVerdict(
            comment_id=comment.id,
            site_id=comment.site_id,
            version=asked.version,
            asked_at=unit.now(),
            applied=int(target is not None),
            **asdict(verdict),
        ),
    )


async def _choose_status(unit: PrivateRead, comment: Comment, effect: HookEffect | None) -> Status | None:
    """Return the status that a verdict gives a comment; None if it changes nothing."""
    latest = await decisions.get_latest(unit, comment.id)
    if latest is None or latest.actor.kind is not ActorKind.RULE:
        return None
    if effect is HookEffect.SPAM and comment.status in {Status.PENDING, Status.APPROVED}:
        return Status.SPAM
    if effect is HookEffect.HOLD and comment.status is Status.APPROVED:
        return Status.PENDING
    if effect is HookEffect.APPROVE and comment.status is Status.PENDING and await _may_publish(unit, comment, latest):
        return Status.APPROVED
    return None


async def _may_publish(unit: PrivateRead, comment: Comment, latest: StoredDecision) -> bool:
    """Return whether only the moderation mode holds a comment, and it has no address that nobody has confirmed.

    Rules about addresses apply to the typed one. If comments with other addresses were published, a stranger could
    type a person's address and see whether it is banned.
    """
    by_mode = latest.actor.name in MODES and not any(one.effect in STRICT for one in latest.verdicts)
    contact = (await contacts.get_many(unit, [comment.id])).get(comment.id)
    return by_mode and not (contact and contact.email_sealed and not contact.verified)


async def _decide(unit: Write, comment: Comment, status: Status, verdict: HookVerdict) -> None:
    decision = Decision(status, HOOK, describe_verdict(verdict))

    async def apply_decision(unit: Write, batch: Sequence[Comment], action_id: str) -> Mapping[str, Comment]:
        return await record_decision(unit, batch, decision, action_id)

    await bulk.start(unit, WHO, VERBS[status], None, {comment.id: comment.version}, apply_decision)
