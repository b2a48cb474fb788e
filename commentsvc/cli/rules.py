"""A moderator keeps the rules from a terminal."""

import argparse
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from commentsvc.cli.escape import one_line
from commentsvc.cli.moderate import OPERATOR, who_decides
from commentsvc.cli.terminal import Answer, Terminal
from commentsvc.domain import validation
from commentsvc.domain.errors import NotFound
from commentsvc.domain.models import Effect
from commentsvc.rules import backtest, manage
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, NewRule, RulePage, RuleQuery, RuleRecord
from commentsvc.service import Service

AT_ONCE: Final = 200
EXCERPT: Final = 40
WOULD_HAVE: Final = {
    Effect.REFUSE: "refused",
    Effect.SPAM: "called spam",
    Effect.HOLD: "held",
    Effect.APPROVE: "approved",
}


async def _add(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    sent = _sent(asked) | {"expires_at": asked.expires, "note": asked.note}
    new = validation.validate(NewRule, sent, service.config.limits)
    rule = await manage.add_rule(service, await who_decides(service, asked), new)
    return Answer(rule, f"{_line(rule)}\nTo take it away: commentsvc rule remove {rule.id}")


def _sent(asked: argparse.Namespace) -> dict[str, str | None]:
    match = asked.match if asked.file is None else asked.file
    return {"kind": asked.kind, "match": match, "effect": asked.effect, "site": asked.site}


async def _list(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    found: list[RuleRecord] = []
    cursor = None
    while True:
        page = await manage.list_rules(service, OPERATOR, RuleQuery(site=asked.site, limit=AT_ONCE, cursor=cursor))
        found += page.rules
        cursor = page.next_cursor
        if cursor is None:
            break
    return Answer(RulePage(found, None), "\n".join(map(_line, found)) or "None yet.")


def _line(rule: RuleRecord) -> str:
    match = one_line(rule.match)
    if len(match) > EXCERPT or rule.match_length > len(rule.match):
        match = f"{match[:EXCERPT].rstrip()}… ({rule.match_length:,} characters)"
    facts = [rule.id, f"{rule.kind} {match}".strip(), rule.effect, rule.site or "every site"]
    if rule.expires_at:
        facts.append(f"until {rule.expires_at}")
    if rule.note:
        facts.append(one_line(rule.note))
    return "  ".join(facts)


async def _remove(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    who = await who_decides(service, asked)
    try:
        gone = await manage.remove_rule(service, who, asked.id)
    except NotFound:
        raise NotFound("There is no such rule.") from None
    return Answer(gone, f"The rule is gone. To bring it back: commentsvc undo {gone.action}")


async def _test(service: Service, asked: argparse.Namespace, _terminal: Terminal) -> Answer:
    trial = validation.validate(BacktestRequest, _sent(asked) | {"last": asked.last}, service.config.limits)
    result = await backtest.backtest_rule(service, OPERATOR, trial)
    return Answer(result, "\n".join(_verdict(result)))


def _verdict(result: BacktestResult) -> Iterator[str]:
    done = WOULD_HAVE[result.effect]
    acted = f"It would have {done} {result.hit:,} of the last {result.tried:,} decided comments."
    yield f"{acted} People had rejected {result.rejected:,} of them."
    if result.missed:
        yield f"It leaves {result.missed:,} alone that they rejected."
    if result.disagreements:
        yield "People thought otherwise of:"
    for other in result.disagreements:
        facts = (other.comment, other.status, other.name, other.excerpt[:EXCERPT], other.reason)
        yield "  ".join(map(one_line, facts))


VERBS: Final[dict[tuple[str, str], Callable[[Service, argparse.Namespace, Terminal], Awaitable[Answer]]]] = {
    ("rule", "add"): _add,
    ("rule", "list"): _list,
    ("rule", "remove"): _remove,
    ("rule", "test"): _test,
}
