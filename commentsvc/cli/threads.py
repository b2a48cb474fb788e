"""Run the commands that list and delete threads."""

import argparse
from typing import Final

from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.domain import validation
from commentsvc.domain.errors import ExpectationFailed
from commentsvc.moderation import thread_removal, threads
from commentsvc.moderation.schemas import (
    RemovedThreads,
    ThreadListQuery,
    ThreadRecord,
    ThreadRemoval,
    ThreadsRemoval,
    UnpublishedThreads,
)
from commentsvc.service import Service


async def _list_threads(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    given = read_field_options(arguments, ThreadListQuery)
    query = validation.validate(ThreadListQuery, given, service.config.limits)
    found = await threads.list_threads(service, OPERATOR, query)
    rows = format_table(COLUMNS, found.threads, terminal)
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    return CommandResult(found, join_rows(rows, "No threads found."))


COLUMNS: Final[Table[ThreadRecord]] = (
    (Column("ID"), lambda thread: thread.id),
    (Column("APPROVED"), lambda thread: f"{thread.count:,} approved"),
    (Column("PENDING"), lambda thread: f"{thread.pending:,} pending"),
    (Column("SITE", 6, optional=True), lambda thread: thread.site),
    (Column("PAGE", 8), lambda thread: thread.key),
    (Column("STATE"), lambda thread: "closed" if thread.closed else ""),
)


async def _remove_thread(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    query = validation.validate(ThreadRemoval, {"expect": arguments.expect}, service.config.limits)
    return _describe(await thread_removal.remove_thread(service, OPERATOR, arguments.id, query))


async def _remove_unpublished(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    where, expect = read_field_options(arguments, UnpublishedThreads), arguments.expect or 0
    removal = validation.validate(ThreadsRemoval, {"where": where, "expect": expect}, service.config.limits)
    if arguments.expect is None:
        number = len(await thread_removal.match_threads(service, OPERATOR, removal))
        if number > thread_removal.MAX_THREADS:
            raise ExpectationFailed(f"More than {thread_removal.MAX_THREADS:,} threads match. Add a condition.")
        raise ExpectationFailed(
            f"Matching threads: {number:,}. To delete them permanently with their comments, add: --expect {number}"
        )
    return _describe(await thread_removal.remove_threads(service, OPERATOR, removal))


def _describe(removed: RemovedThreads) -> CommandResult:
    return CommandResult(removed, f"Threads deleted: {removed.threads:,}. Comments erased: {removed.comments:,}.")


COMMANDS: Final[Commands] = {
    ("thread", "list"): _list_threads,
    ("thread", "remove"): _remove_thread,
    ("thread", "remove-unpublished"): _remove_unpublished,
}
