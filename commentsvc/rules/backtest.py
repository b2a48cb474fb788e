"""Test a rule on past comments before adding it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.messages import translatable_format
from commentsvc.domain.models import Comment, Effect, Principal, RuleKind, Status
from commentsvc.domain.reasons import Reason
from commentsvc.rules import evaluate, facts, manage, replay, requested
from commentsvc.rules.context import Fact
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, Disagreement, LineResult
from commentsvc.rules.verdicts import CompiledRule
from commentsvc.rules.word_check import WordCheck
from commentsvc.service import Service, search_read
from commentsvc.sites import resolve
from commentsvc.storage import contacts, decisions
from commentsvc.storage.database import PrivateRead

MAX_DISAGREEMENTS: Final = 100
MAX_LINES: Final = 20
MAX_SECONDS: Final = 30.0
MAX_LAST: Final = 1000
DEFAULT_LAST: Final = 200


@dataclass(frozen=True)
class _Tried:
    """A comment that a person decided on, and why each rule would have matched it: one reason a rule, or None."""

    comment: Comment
    reasons: list[Reason | None]
    lines: frozenset[str]  # of the word list, if there is one

    @property
    def approved(self) -> bool:
        """Tell whether people approved it."""
        return self.comment.status is Status.APPROVED


async def backtest_rule(service: Service, who: Principal, trial: BacktestRequest) -> BacktestResult:
    """Return what a rule would have done to the comments that people decided on last. Nothing is changed.

    Facts such as the pace, same texts and earlier approvals are those at the time of each comment. Networks are known
    until their retention ends.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
    """
    if trial.kind is RuleKind.LEARNED:
        return await replay.replay_filter(service, who, trial)
    (result,) = await backtest_rules(service, who, [trial])
    return result


async def backtest_rules(service: Service, who: Principal, trials: Sequence[BacktestRequest]) -> list[BacktestResult]:
    """Return what each of several rules would have done. It takes as long as one: the comments are read once.

    The first rule says on which site, and on how many comments. ``Raises`` as ``backtest_rule``.
    """
    _check_last(trials[0].last)
    for trial in trials:
        await requested.check_match(trial.kind, trial.match)
    return await _backtest_trials(service, who, trials)


async def backtest_stored_rule(service: Service, who: Principal, rule_id: str, last: int | None) -> BacktestResult:
    """Return what a stored rule would have done to this number of comments. ``Raises`` as ``backtest_rule``.

    Raises:
        NotFound: no rule has this id, or it is for another site.
    """
    rule = await manage.find_rule(service, rule_id)
    if rule is not None and rule.kind is RuleKind.LEARNED:
        return await replay.replay_stored_filter(service, who, rule_id, last)
    if rule is not None:
        await requested.check_match(rule.kind, rule.matching)
    return await _backtest_stored(service, who, rule_id, _check_last(last))


def _check_last(last: int | None) -> int:
    """Return the number of comments to test on.

    Raises:
        Invalid: for the field ``last``: it is more than a rule of this kind can be tested on.
    """
    if last is not None and last > MAX_LAST:
        message = translatable_format(
            "Enter %(most)s or less. Only the learned filter can be tested on more.", most=MAX_LAST
        )
        raise Invalid(FieldError("last", "invalid", message))
    return last or DEFAULT_LAST


async def _test_trials(unit: PrivateRead, who: Principal, trials: Sequence[BacktestRequest]) -> list[BacktestResult]:
    directory = await resolve.read_directory.within(unit)
    site_id = requested.rule_site(directory, who, trials[0].site)
    rules = [requested.require_compiled(await requested.read_rule(unit, who, trial, site_id)) for trial in trials]
    return await _run_backtest(unit, rules, (site_id,) if site_id else who.sites, _check_last(trials[0].last))


async def _test_stored(unit: PrivateRead, who: Principal, rule_id: str, last: int) -> BacktestResult:
    rule = await manage.load_rule(unit, who, rule_id)
    sites = (rule.site_id,) if rule.site_id else who.sites
    (result,) = await _run_backtest(unit, [requested.require_compiled(rule)], sites, last)
    return result


_backtest_trials, _backtest_stored = search_read(_test_trials, MAX_SECONDS), search_read(_test_stored, MAX_SECONDS)


async def _run_backtest(
    unit: PrivateRead, rules: Sequence[CompiledRule], sites: Sequence[str] | None, last: int
) -> list[BacktestResult]:
    decided = await decisions.list_decided_by_people(unit, sites, last)
    tried = [await _try(unit, rules, comment) for comment in decided]
    return [_result(rule.effect, tried, number) for number, rule in enumerate(rules)]


async def _try(unit: PrivateRead, rules: Sequence[CompiledRule], comment: Comment) -> _Tried:
    """Return the reasons for which rules would have matched a comment when it was posted."""
    contact = (await contacts.get_many(unit, [comment.id]))[comment.id]
    # Only the network of the address is stored; its first address represents it.
    address = contact.network.partition("/")[0] if contact.network else None
    submission = await evaluate.submission_of(unit, comment, contact, address, comment.created_at)
    draft = evaluate.draft_of_comment(unit, comment, contact)
    needs = frozenset[Fact]().union(*(rule.needs for rule in rules))
    context = await facts.collect_context(unit, draft, comment.html, submission, needs)
    reasons = [rule.check(draft, context) for rule in rules]
    check = rules[0].check
    lines = check.list_lines(draft, context) if isinstance(check, WordCheck) and reasons[0] else ()
    return _Tried(comment, reasons, frozenset(lines))


def _result(effect: Effect, tried: Sequence[_Tried], number: int) -> BacktestResult:
    hits = [(one, reason) for one in tried if (reason := one.reasons[number])]
    approved = [(one.comment, reason) for one, reason in hits if one.approved]
    rejected = [(one.comment, reason) for one, reason in hits if not one.approved]
    disagreed = rejected if effect is Effect.APPROVE else approved
    return BacktestResult(
        tried=len(tried),
        effect=effect,
        hit=len(hits),
        rejected=len(rejected),
        approved=len(approved),
        missed=sum(not one.approved for one in tried) - len(rejected),
        disagreements=[_disagreement(comment, reason) for comment, reason in disagreed[:MAX_DISAGREEMENTS]],
        lines=_count_lines(tried),
    )


def _count_lines(tried: Sequence[_Tried]) -> list[LineResult]:
    approved, rejected = (
        Counter(line for one in tried if one.approved is kind for line in one.lines) for kind in (True, False)
    )
    lines = sorted(approved.keys() | rejected.keys(), key=lambda line: (-approved[line], -rejected[line], line))
    return [LineResult(line=line, rejected=rejected[line], approved=approved[line]) for line in lines[:MAX_LINES]]


def _disagreement(comment: Comment, reason: Reason) -> Disagreement:
    return Disagreement.of_comment(
        reason,
        comment=comment.id,
        status=comment.status,
        name=comment.name,
        text=comment.text,
        created_at=comment.created_at,
    )
