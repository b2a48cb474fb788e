"""Run the commands that manage moderators."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from commentsvc.access import moderators, names, sessions
from commentsvc.access.schemas import MailPreference, ModeratorChange, ModeratorRecord
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.config.program import command_line
from commentsvc.domain import fields, validation
from commentsvc.domain.errors import FieldError, Invalid, InvalidValue, NotFound
from commentsvc.service import Service


async def _add_moderator(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    name = clean_argument("name", fields.clean_name, arguments.name)
    given = arguments.email
    email = None if given is None else clean_argument("email", fields.parse_email, given)
    if name == names.FIRST_MODERATOR:
        raise names.reserved_name()
    added = await moderators.add_moderator(service, name, email, arguments.site)
    invite = command_line("moderator", "invite", added.name, link=True)
    return CommandResult(added, f"Added moderator {added.name}. Create a sign-in link with: {invite}")


def clean_argument(field: str, clean: Callable[[str, fields.Limits], Any], text: str) -> Any:
    """Return an argument as its field takes it.

    Raises:
        Invalid: for this field.
    """
    try:
        return clean(text, fields.Limits())
    except InvalidValue as error:
        raise Invalid(FieldError(field, error.code, error.detail)) from None


async def _invite_moderator(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    link = await moderators.create_sign_in_link(service, arguments.name)
    return CommandResult({"link": link}, link)


async def _change_moderator_email(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    text = arguments.email
    if text == "-":
        text = "".join(terminal.read_lines()).strip()
    email = None if arguments.remove else clean_argument("email", fields.parse_email, text)
    found = await _find_moderator(service, arguments.name)
    changed = await moderators.change_moderator(service, OPERATOR, found.id, ModeratorChange(email=email))
    done = f"Changed the email address of {changed.name}." if email else f"Removed the email address of {changed.name}."
    return CommandResult(changed, done)


async def _change_moderator_mail(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    values = {"mode": arguments.mode, "minutes": arguments.minutes}
    mail = validation.validate(MailPreference, values, fields.Limits(), strict=False)
    found = await _find_moderator(service, arguments.name)
    changed = await moderators.change_moderator(service, OPERATOR, found.id, ModeratorChange(mail=mail))
    return CommandResult(changed, f"Changed the mails of {changed.name}.")


async def _find_moderator(service: Service, name: str) -> ModeratorRecord:
    found = next((one for one in await moderators.list_moderators(service) if one.name == name), None)
    if found is None:
        raise NotFound("Moderator not found. See: commentsvc moderator list")
    return found


async def _list_moderators(service: Service, _arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found = await moderators.list_moderators(service)
    return CommandResult(found, join_rows(format_table(COLUMNS, found, terminal), "No moderators yet."))


COLUMNS: Final[Table[ModeratorRecord]] = (
    (Column("NAME"), lambda moderator: moderator.name),
    (Column("SITES", 9), lambda moderator: " ".join(moderator.sites) or "all sites"),
)


async def _remove_moderator(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    await moderators.remove_moderator(service, arguments.name)
    return CommandResult({"removed": arguments.name}, f"Removed moderator {arguments.name}.")


async def _sign_out_moderator(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    number = await sessions.sign_out_moderator(service, arguments.name)
    text = f"Ended {number} {'session' if number == 1 else 'sessions'}."
    return CommandResult({"signed_out": arguments.name, "sessions": number}, text)


COMMANDS: Final[Commands] = {
    ("moderator", "add"): _add_moderator,
    ("moderator", "invite"): _invite_moderator,
    ("moderator", "sign-out"): _sign_out_moderator,
    ("moderator", "email"): _change_moderator_email,
    ("moderator", "mail"): _change_moderator_mail,
    ("moderator", "list"): _list_moderators,
    ("moderator", "remove"): _remove_moderator,
}
