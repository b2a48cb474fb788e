"""Run the commands that list and delete threads."""

import argparse
from collections.abc import Mapping
from typing import Final

from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.moderate import OPERATOR, find_principal
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid, NotFound
from commentsvc.moderation import thread_removal, threads
from commentsvc.moderation.schemas import (
    RemovedThreads,
    ThreadChange,
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


async def _close_thread(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    return await _change_thread(service, arguments, {"closed": True})


async def _open_thread(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    until = {"open_until": arguments.until} if arguments.until else {}
    return await _change_thread(service, arguments, {"closed": False} | until)


async def _rename_thread(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    given = {"thread": arguments.address, "title": arguments.title}
    if not any(given.values()):
        raise Invalid(FieldError("--address", "required", "Give --address, --title or both."))
    return await _change_thread(service, arguments, {name: value for name, value in given.items() if value})


async def _merge_thread(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    return await _change_thread(service, arguments, {"merge_into": arguments.into})


async def _change_thread(
    service: Service, arguments: argparse.Namespace, fields: Mapping[str, str | bool]
) -> CommandResult:
    change = validation.validate(ThreadChange, fields, service.config.limits)
    try:
        done = await threads.change_thread(service, await find_principal(service, arguments), arguments.id, change)
    except NotFound:
        raise NotFound("Thread not found. See: commentsvc thread list") from None
    state = "closed" if done.closed else "open"
    undo = f" Undo with: {command_line('undo', done.action)}" if done.action else " Nothing has changed."
    return CommandResult(done, f"{done.site} {done.key}: {state}, {done.count:,} approved.{undo}")


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
    ("thread", "close"): _close_thread,
    ("thread", "open"): _open_thread,
    ("thread", "rename"): _rename_thread,
    ("thread", "merge"): _merge_thread,
    ("thread", "remove"): _remove_thread,
    ("thread", "remove-unpublished"): _remove_unpublished,
}
