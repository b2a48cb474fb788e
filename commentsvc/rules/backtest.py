"""A moderator tries a rule on the past before it stands."""

from typing import Final

from commentsvc.domain.models import Comment, Effect, Principal, Status
from commentsvc.domain.reasons import Reason, reason_text
from commentsvc.rules import evaluate, facts, manage
from commentsvc.rules.engine import CompiledRule
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, Disagreement
from commentsvc.service import private_read
from commentsvc.sites import resolve
from commentsvc.storage import contacts, decisions
from commentsvc.storage.database import PrivateRead

MAX_DISAGREEMENTS: Final = 100
EXCERPT: Final = 160


@private_read
async def backtest_rule(unit: PrivateRead, who: Principal, trial: BacktestRequest) -> BacktestResult:
    """What a rule would have done to the comments that people decided last, had it stood then.

    Nothing is changed. What it looks up (pace, same texts, earlier approvals) is looked up as things were
    when each comment was written; networks are known for as long as they are kept.

    Raises:
        Invalid, Forbidden: see ``ruling.add_rule``.
    """
    everything = await resolve.read_directory.within(unit)
    site_id = manage.rule_site(everything, who, trial.site)
    rule = manage.require_compiled(await manage.read_rule(unit, who, trial, site_id))
    decided = await decisions.list_decided_by_people(unit, (site_id,) if site_id else who.sites, trial.last)
    hits: list[tuple[Comment, Reason]] = []
    for comment in decided:
        reason = await _check_of(unit, rule, comment)
        if reason:
            hits.append((comment, reason))
    approved = [(comment, reason) for comment, reason in hits if comment.status is Status.APPROVED]
    rejected = [(comment, reason) for comment, reason in hits if comment.status is not Status.APPROVED]
    against = rejected if rule.effect is Effect.APPROVE else approved
    return BacktestResult(
        tried=len(decided),
        effect=rule.effect,
        hit=len(hits),
        rejected=len(rejected),
        approved=len(approved),
        missed=sum(comment.status is not Status.APPROVED for comment in decided) - len(rejected),
        disagreements=[_disagreement(comment, reason) for comment, reason in against[:MAX_DISAGREEMENTS]],
    )


async def _check_of(unit: PrivateRead, rule: CompiledRule, comment: Comment) -> Reason | None:
    """Return what a rule would have said of a comment when it was written."""
    contact = (await contacts.get_many(unit, [comment.id]))[comment.id]
    # Of the address only its network is kept, and stands for it.
    address = contact.network.partition("/")[0] if contact.network else None
    occasion = await evaluate.submission_of(unit, comment, address, comment.created_at)
    draft = await evaluate.draft_of_comment(unit, comment)
    return rule.check(draft, await facts.collect_context(unit, draft, occasion, KINDS[rule.kind].needs))


def _disagreement(comment: Comment, reason: Reason) -> Disagreement:
    return Disagreement(
        comment=comment.id,
        status=comment.status,
        name=comment.name,
        excerpt=" ".join(comment.text.split())[:EXCERPT],
        created_at=comment.created_at,
        reason=reason_text(reason),
    )
