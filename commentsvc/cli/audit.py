"""Run the commands that read and check the audit log."""

import argparse
from typing import Final

from commentsvc.audit import verification
from commentsvc.audit.schemas import AuditEntry, AuditQuery
from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.domain import validation
from commentsvc.moderation import audit
from commentsvc.moderation.verbs import count_comments, describe_entry
from commentsvc.moderation.wording import actor_name
from commentsvc.service import Service

SUBJECTS: Final = ("rule", "thread")


async def _list_entries(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    query = validation.validate(AuditQuery, read_field_options(arguments, AuditQuery), service.config.limits)
    found = await audit.list_entries(service, OPERATOR, query)
    rows = format_table(COLUMNS, found.entries, terminal)
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    return CommandResult(found, join_rows(rows, "No activity yet."))


def _describe_entry(entry: AuditEntry) -> str:
    """Return what was done, after the name of who did it."""
    subject = next((name for name in SUBJECTS if name in entry.body), None)
    return str(describe_entry(entry.verb, count_comments(entry.body), subject, actor="")).strip()


COLUMNS: Final[Table[AuditEntry]] = (
    (Column("NO."), lambda entry: str(entry.seq)),
    (Column("TIME (UTC)"), lambda entry: entry.created_at[:16].replace("T", " ")),
    (Column("WHO", 10), lambda entry: str(actor_name(entry.actor))),
    (Column("DONE", 20), _describe_entry),
    (Column("SITE", 6, optional=True), lambda entry: entry.site or ""),
    (Column("NOTE", 8), lambda entry: entry.note or ""),
    (Column("ACTION", optional=True), lambda entry: entry.body.get("action") or ""),
)


async def _verify_log(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    try:
        found = await verification.verify_log(service, arguments.head)
    except verification.AuditLogBroken as error:
        return CommandResult({"entry": error.seq, "wrong": str(error)}, "broken", f"The audit log is broken. {error}")
    noted = f"; your saved hash is entry {found.noted:,}" if found.noted else ""
    return CommandResult(found, f"ok: {found.entries:,} entries, head {found.head or 'none'}{noted}")


COMMANDS: Final[Commands] = {("audit", "list"): _list_entries, ("audit", "verify"): _verify_log}
