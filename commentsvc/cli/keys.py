"""Run the commands that manage API keys."""

import argparse
from typing import Final

from commentsvc.access import keys
from commentsvc.access.schemas import KeyRecord, KeyRotation, NewKey
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.moderators import clean_argument
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.domain import fields, validation
from commentsvc.domain.models import Scope
from commentsvc.service import Service


async def _create_key(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    scopes = [Scope(scope) for scope in arguments.scope or [Scope.MODERATE]]
    name = clean_argument("name", fields.clean_name, arguments.name)
    new = NewKey(name=name, scopes=scopes, site=arguments.site, expires_at=arguments.expires, person=arguments.person)
    if arguments.moderator is not None:
        created = await keys.create_moderator_key(service, arguments.moderator, new)
    else:
        created = await keys.create_key(service, OPERATOR, new)
    return CommandResult(created, created.key)


async def _list_keys(service: Service, _arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found = (await keys.list_keys(service, OPERATOR)).keys
    return CommandResult(found, join_rows(format_table(COLUMNS, found, terminal), "No keys yet."))


def _key_state(key: KeyRecord) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at}"
    return f"expires {key.expires_at}" if key.expires_at else "active"


COLUMNS: Final[Table[KeyRecord]] = (
    (Column("ID"), lambda key: key.id),
    (Column("SCOPES", 8), lambda key: " ".join(key.scopes)),
    (Column("SITE", 9), lambda key: key.site or "all sites"),
    (Column("STATE", 20), _key_state),
    (Column("NAME", 8), lambda key: key.name),
)


async def _rotate_key(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    rotation = validation.validate(KeyRotation, {"grace_minutes": arguments.grace}, service.config.limits)
    rotated = await keys.rotate_key(service, OPERATOR, arguments.id, rotation, even_of_moderators=True)
    return CommandResult(rotated, rotated.key)


async def _revoke_key(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    await keys.revoke_key(service, OPERATOR, arguments.id)
    return CommandResult({"revoked": arguments.id}, "Key revoked.")


COMMANDS: Final[Commands] = {
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "rotate"): _rotate_key,
    ("key", "revoke"): _revoke_key,
}
