"""Run the commands that manage moderation rules."""

import argparse
from collections.abc import Iterator
from typing import Final

from commentsvc.cli.escape import escape_line
from commentsvc.cli.moderate import OPERATOR, find_principal
from commentsvc.cli.replay import describe_replay
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import NotFound
from commentsvc.domain.models import Effect
from commentsvc.rules import backtest, manage
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, NewRule, RulePage, RuleQuery, RuleRecord
from commentsvc.service import Service

PAGE_SIZE: Final = 200
EXCERPT_LENGTH: Final = 40
EFFECT_DONE: Final = {
    Effect.REFUSE: "rejected",
    Effect.SPAM: "marked as spam",
    Effect.HOLD: "held",
    Effect.APPROVE: "approved",
    Effect.NOTE: "noted",
}


async def _add_rule(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    fields = _rule_fields(arguments, expires_at=arguments.expires, note=arguments.note)
    new = validation.validate(NewRule, fields, service.config.limits)
    rule = await manage.add_rule(service, await find_principal(service, arguments), new)
    shown = "\n".join(format_table(COLUMNS, [rule], terminal))
    return CommandResult(rule, f"{shown}\nDelete with: {command_line('rule', 'remove', rule.id)}")


def _rule_fields(arguments: argparse.Namespace, **more: str | int | None) -> dict[str, str | int]:
    """Return the fields that were given. A kind that matches nothing more has no match."""
    match = arguments.match if arguments.file is None else arguments.file
    fields = {"kind": arguments.kind, "match": match, "effect": arguments.effect, "site": arguments.site} | more
    return {name: value for name, value in fields.items() if value is not None}


async def _list_rules(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found: list[RuleRecord] = []
    cursor = None
    while True:
        query = RuleQuery(site=arguments.site, limit=PAGE_SIZE, cursor=cursor)
        page = await manage.list_rules(service, OPERATOR, query)
        found += page.rules
        cursor = page.next_cursor
        if cursor is None:
            break
    return CommandResult(RulePage(found, None), join_rows(format_table(COLUMNS, found, terminal), "No rules yet."))


def _format_match(rule: RuleRecord) -> str:
    match = escape_line(rule.match)
    if len(match) > EXCERPT_LENGTH or rule.match_length > len(rule.match):
        match = f"{match[:EXCERPT_LENGTH].rstrip()}… ({rule.match_length:,} characters)"
    return f"{rule.kind} {match}".strip()


COLUMNS: Final[Table[RuleRecord]] = (
    (Column("ID"), lambda rule: rule.id),
    (Column("RULE", 12), _format_match),
    (Column("EFFECT"), lambda rule: rule.effect),
    (Column("SITE", 9), lambda rule: rule.site or "all sites"),
    (Column("END", 11), lambda rule: f"until {rule.expires_at}" if rule.expires_at else ""),
    (Column("NOTE", 6), lambda rule: rule.note or ""),
)


async def _remove_rule(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    moderator = await find_principal(service, arguments)
    try:
        removed = await manage.remove_rule(service, moderator, arguments.id)
    except NotFound:
        raise NotFound("Rule not found. See: commentsvc rule list") from None
    return CommandResult(removed, f"Rule deleted. Undo with: {command_line('undo', removed.action or '')}")


async def _test_rule(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    request = validation.validate(BacktestRequest, _rule_fields(arguments, last=arguments.last), service.config.limits)
    result = await backtest.backtest_rule(service, OPERATOR, request)
    return CommandResult(result, "\n".join(_describe_backtest(result, terminal)))


def _describe_backtest(result: BacktestResult, terminal: Terminal) -> Iterator[str]:
    if result.learned:
        yield from describe_replay(result, result.learned, terminal)
    else:
        yield from _describe_hits(result)
    if result.disagreements:
        yield "Disagreements, newest first:"
    for other in result.disagreements:
        facts = (other.comment, other.status, other.name, other.excerpt[:EXCERPT_LENGTH], other.reason)
        yield "  ".join(map(escape_line, facts))


def _describe_hits(result: BacktestResult) -> Iterator[str]:
    split = f"{result.rejected:,} that moderators rejected, {result.approved:,} that they approved"
    done = EFFECT_DONE[result.effect]
    yield f"Would have {done} {result.hit:,} of the last {result.tried:,} decided comments: {split}."
    if result.missed:
        yield f"Misses {result.missed:,} that moderators rejected."


COMMANDS: Final[Commands] = {
    ("rule", "add"): _add_rule,
    ("rule", "list"): _list_rules,
    ("rule", "remove"): _remove_rule,
    ("rule", "test"): _test_rule,
}
