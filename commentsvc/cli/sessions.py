"""Run the commands that list sessions of the moderation page, and end one."""

import argparse
from typing import Final

from commentsvc.access import sessions
from commentsvc.access.sessions import SessionRecord
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.domain.errors import NotFound
from commentsvc.service import Service


async def _list_sessions(service: Service, _arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found = await sessions.list_all_sessions(service)
    return CommandResult({"sessions": found}, join_rows(format_table(COLUMNS, found, terminal), "No sessions."))


COLUMNS: Final[Table[SessionRecord]] = (
    (Column("ID"), lambda one: one.id),
    (Column("WHO", 8), lambda one: one.name),
    (Column("SINCE (UTC)"), lambda one: one.created_at[:16].replace("T", " ")),
    (Column("LAST SEEN (UTC)"), lambda one: one.seen_at[:16].replace("T", " ")),
)


async def _end_session(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    try:
        await sessions.end_session(service, arguments.id)
    except NotFound:
        raise NotFound("Session not found. See: commentsvc session list") from None
    return CommandResult({"ended": arguments.id}, "Ended the session.")


COMMANDS: Final[Commands] = {("session", "list"): _list_sessions, ("session", "end"): _end_session}
