"""Run the commands about learned filters."""

import argparse
from typing import Final

from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.domain import validation
from commentsvc.service import Service
from commentsvc.spam import manage
from commentsvc.spam.schemas import FilterList, FilterQuery, FilterRecord


async def _list_filters(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    return _show(await manage.list_filters(service, OPERATOR, _read_query(service, arguments)), terminal)


async def _rebuild_filters(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    return _show(await manage.rebuild_filters(service, OPERATOR, _read_query(service, arguments)), terminal)


def _read_query(service: Service, arguments: argparse.Namespace) -> FilterQuery:
    return validation.validate(FilterQuery, read_field_options(arguments, FilterQuery), service.config.limits)


def _show(found: FilterList, terminal: Terminal) -> CommandResult:
    return CommandResult(found, join_rows(format_table(COLUMNS, found.filters, terminal), "No sites yet."))


def _describe_state(one: FilterRecord) -> str:
    if one.ready:
        return "ready"
    missing = [
        f"{number:,} {word}" for number, word in ((one.missing_good, "good"), (one.missing_spam, "spam")) if number
    ]
    return f"needs {' and '.join(missing)}"


COLUMNS: Final[Table[FilterRecord]] = (
    (Column("SITE", 10), lambda one: one.site),
    (Column("GOOD"), lambda one: f"{one.good:,}"),
    (Column("SPAM"), lambda one: f"{one.spam:,}"),
    (Column("STATE"), _describe_state),
    (Column("LEARNED", optional=True), lambda one: one.learned_at or ""),
)

COMMANDS: Final[Commands] = {
    ("filter", "list"): _list_filters,
    ("filter", "rebuild"): _rebuild_filters,
}
