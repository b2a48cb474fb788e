"""Run the commands about the data of one person."""

import argparse
import json
from typing import Final

import msgspec

from commentsvc.cli.escape import escape_text
from commentsvc.cli.moderators import clean_argument
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, to_json
from commentsvc.domain import fields
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import ExpectationFailed
from commentsvc.operations import maintenance
from commentsvc.privacy import erase, export
from commentsvc.privacy.schemas import PersonCounts
from commentsvc.service import Service

YES: Final = "y"


def _read_email(arguments: argparse.Namespace, terminal: Terminal) -> Email:
    """Return the address in the arguments, or on standard input.

    Raises:
        Invalid: it is empty or no email address.
    """
    text = "".join(terminal.read_lines()).strip() if arguments.email == "-" else arguments.email
    email: Email = clean_argument("email", fields.parse_email, text)
    return email


async def _export_person(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    email = _read_email(arguments, terminal)
    found = page = await export.export_person(service, email)
    comments = list(page.comments)
    while page.next_cursor:
        page = await export.export_person(service, email, cursor=page.next_cursor)
        comments += page.comments
    found = msgspec.structs.replace(found, comments=comments, next_cursor=None)
    text = msgspec.json.format(to_json(found), indent=2)
    if escape_text(text) != text:  # a terminal would get something else than what is stored
        text = json.dumps(msgspec.json.decode(text), indent=2)
    return CommandResult(found, text)


async def _erase_person(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    email = _read_email(arguments, terminal)
    if not arguments.yes:
        _, counts = await erase.count_person(service, email)
        await _require_consent(terminal, counts, can_ask=arguments.email != "-" and not arguments.json)
    done = await erase.erase_person(service, email)
    await maintenance.finish_erasing(service)
    left = done.after.total()
    lines = [*_describe(done.before), f"Erased: {done.before.total():,} rows. Left: {left:,}."]
    if done.bans_kept:
        lines.append(f"Bans that still apply, without the address: {done.bans_kept:,}.")
    problem = "New data came in during the erasure. Run the command again." if left else ""
    return CommandResult(done, "\n".join(lines), problem)


async def _require_consent(terminal: Terminal, counts: PersonCounts, *, can_ask: bool) -> None:
    """Ask a person at a terminal.

    Raises:
        ExpectationFailed: nobody can be asked, or the person does not agree.
    """
    what = f"{counts.comments:,} comments, {counts.subscriptions:,} subscriptions, {counts.total():,} rows in all"
    if not (terminal.interactive and can_ask):
        raise ExpectationFailed(f"This permanently erases {what}. To do it, add: --yes")
    terminal.print_line(f"This permanently erases {what}. Press {YES} to erase, any other key to stop.")
    async with terminal.open_keys() as keys:
        if (await keys.read_key()).lower() != YES:
            raise ExpectationFailed("Nothing was erased.")


def _describe(counts: PersonCounts) -> list[str]:
    """Return a line for each kind of row."""
    return [f"{name}: {number:,}" for name in counts.__struct_fields__ if (number := getattr(counts, name))]


COMMANDS: Final[Commands] = {("person", "export"): _export_person, ("person", "erase"): _erase_person}
