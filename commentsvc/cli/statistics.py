"""Run the command that shows statistics."""

import argparse
from typing import Final

from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.domain import validation
from commentsvc.moderation import statistics, wording
from commentsvc.moderation.statistics_schemas import (
    ExternalVerdicts,
    MedianWait,
    PeriodRecord,
    RuleStatistics,
    Statistics,
    StatisticsQuery,
    ThreadStatistics,
)
from commentsvc.service import Service


async def _show_statistics(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    given = {"site": arguments.site, "from": arguments.first, "to": arguments.last, "by": arguments.by}
    values = {name: value for name, value in given.items() if value is not None}
    query = validation.validate(StatisticsQuery, values, service.config.limits)
    found = await statistics.read_statistics(service, OPERATOR, query)
    lines = [
        *_describe(found),
        "",
        *format_table(PERIODS, found.periods, terminal),
        *_titled("Rules", format_table(RULES, found.rules, terminal)),
        *_titled("External check", format_table(EXTERNAL, found.external_check, terminal)),
        *_titled("Busiest threads", format_table(THREADS, found.threads, terminal)),
    ]
    return CommandResult(found, "\n".join(lines))


def _describe(found: Statistics) -> list[str]:
    oldest = f", the oldest since {found.queue.oldest_at}" if found.queue.oldest_at else ""
    return [
        f"{found.site or 'All sites'}: {found.from_} to {found.to}, days in {found.time_zone}",
        f"Waiting now: {found.queue.waiting:,}{oldest}",
        f"Arrived: {found.total.arrived:,}. Median wait: {_format_wait(found.median_wait, exact=True) or 'unknown'}",
    ]


def _titled(title: str, rows: list[str]) -> list[str]:
    return ["", f"{title}:", *rows] if rows else []


def _format_wait(wait: MedianWait | None, *, exact: bool = False) -> str:
    if wait is None:
        return ""
    if wait.error_seconds is None:
        return f"over {wait.seconds // 60:,} min"
    error = f" (± {round(wait.error_seconds / 60):,} min)" if exact else ""
    return f"{round(wait.seconds / 60):,} min{error}"


PERIODS: Final[Table[PeriodRecord]] = (
    (Column("FROM"), lambda one: one.from_),
    (Column("APPROVED"), lambda one: f"{one.approved:,}"),
    (Column("SPAM"), lambda one: f"{one.spam:,}"),
    (Column("TRASH"), lambda one: f"{one.trash:,}"),
    (Column("WAITING"), lambda one: f"{one.pending:,}"),
    (Column("ERASED", optional=True), lambda one: f"{one.erased:,}" if one.erased else ""),
    (Column("MEDIAN WAIT", optional=True), lambda one: _format_wait(one.median_wait)),
)
RULES: Final[Table[RuleStatistics]] = (
    (Column("NAME", 10), lambda one: str(wording.rule_name(one.name))),
    (Column("CAUGHT"), lambda one: f"{one.caught:,}"),
    (Column("OVERRULED"), lambda one: f"{one.overruled:,} ({100 * one.overruled / one.caught:.0f}%)"),
    (Column("RULE", optional=True), lambda one: one.rule or ""),
)
EXTERNAL: Final[Table[ExternalVerdicts]] = (
    (Column("VERDICT"), lambda one: one.verdict),
    (Column("COMMENTS"), lambda one: f"{one.comments:,}"),
    (Column("APPLIED", optional=True), lambda one: f"{one.applied:,}"),
    (Column("PEOPLE: SPAM"), lambda one: f"{one.spam:,}"),
    (Column("PEOPLE: GOOD"), lambda one: f"{one.good:,}"),
)
THREADS: Final[Table[ThreadStatistics]] = (
    (Column("APPROVED"), lambda one: f"{one.approved:,}"),
    (Column("TITLE", 10), lambda one: one.title or one.key),
)

COMMANDS: Final[Commands] = {("stats", "stats"): _show_statistics}
