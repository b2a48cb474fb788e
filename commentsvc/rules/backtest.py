"""Test a rule on past comments before adding it."""

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
    """Return what a rule would have done to the comments that people decided on last. Nothing is changed.

    Facts such as the pace, same texts and earlier approvals are those at the time of each comment. Networks are known
    until their retention ends.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
    """
    directory = await resolve.read_directory.within(unit)
    site_id = manage.rule_site(directory, who, trial.site)
    rule = manage.require_compiled(await manage.read_rule(unit, who, trial, site_id))
    decided = await decisions.list_decided_by_people(unit, (site_id,) if site_id else who.sites, trial.last)
    hits: list[tuple[Comment, Reason]] = []
    for comment in decided:
        reason = await _check(unit, rule, comment)
        if reason:
            hits.append((comment, reason))
    approved = [(comment, reason) for comment, reason in hits if comment.status is Status.APPROVED]
    rejected = [(comment, reason) for comment, reason in hits if comment.status is not Status.APPROVED]
    disagreed = rejected if rule.effect is Effect.APPROVE else approved
    return BacktestResult(
        tried=len(decided),
        effect=rule.effect,
        hit=len(hits),
        rejected=len(rejected),
        approved=len(approved),
        missed=sum(comment.status is not Status.APPROVED for comment in decided) - len(rejected),
        disagreements=[_disagreement(comment, reason) for comment, reason in disagreed[:MAX_DISAGREEMENTS]],
    )


async def _check(unit: PrivateRead, rule: CompiledRule, comment: Comment) -> Reason | None:
    """Return the reason for which a rule would have matched a comment when it was posted."""
    contact = (await contacts.get_many(unit, [comment.id]))[comment.id]
    # Only the network of the address is stored; its first address represents it.
    address = contact.network.partition("/")[0] if contact.network else None
    submission = await evaluate.submission_of(unit, comment, address, comment.created_at)
    draft = await evaluate.draft_of_comment(unit, comment)
    context = await facts.collect_context(unit, draft, comment.html, submission, KINDS[rule.kind].needs)
    return rule.check(draft, context)


def _disagreement(comment: Comment, reason: Reason) -> Disagreement:
    return Disagreement(
        comment=comment.id,
        status=comment.status,
        name=comment.name,
        excerpt=" ".join(comment.text.split())[:EXCERPT],
        created_at=comment.created_at,
        reason=reason_text(reason),
    )
