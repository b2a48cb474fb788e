"""Run the commands of operators. Commands of moderators are in ``moderate`` and ``rules``."""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import uvloop

from commentsvc import app
from commentsvc.access import keys, names
from commentsvc.access.moderators import create_first_sign_in_link
from commentsvc.access.schemas import KeyRecord, KeyRotation, NewKey
from commentsvc.audit import verification
from commentsvc.cli import AWAY, DONE, MISCONFIGURED, REFUSED, log_format, moderate, moderators, rules, secret, sites
from commentsvc.cli.escape import escape_text
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.moderators import clean_argument
from commentsvc.cli.terminal import CommandResult, OutputError, Terminal, join_rows, to_json
from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.domain import fields, validation
from commentsvc.domain.errors import ConfigurationError, DatabaseAway, FieldError, Invalid, Refusal
from commentsvc.domain.models import Scope
from commentsvc.operations.waiting import wait_for_database
from commentsvc.service import Service
from commentsvc.storage import schema

LOG: Final = logging.getLogger(__name__)


def run(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Run a command and return its exit code."""
    try:
        config = read_config(environment)
        log_format.configure_logging(config)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run_command(arguments, config, terminal))
    except ConfigurationError as error:
        terminal.print_error(str(error))
        return AWAY if isinstance(error, DatabaseAway) else MISCONFIGURED
    except Invalid as error:
        terminal.print_error("\n".join(map(_describe_field_error, error.faults)))
        return REFUSED
    except Refusal as error:
        terminal.print_error(error.detail)
        return REFUSED
    except KeyboardInterrupt:
        return REFUSED


def _describe_field_error(error: FieldError) -> str:
    return f"{error.field}: {error.detail}" if error.field else error.detail


def _format_openapi() -> str:
    from commentsvc.web.api.openapi import document  # noqa: PLC0415 -- other commands need no web
    from commentsvc.web.routes import ROUTES  # noqa: PLC0415 -- likewise

    return msgspec.json.format(msgspec.json.encode(document(ROUTES)).decode(), indent=2)


async def _run_command(arguments: argparse.Namespace, config: Config, terminal: Terminal) -> int:
    if arguments.command == "openapi":
        terminal.print_line(_format_openapi())
    elif arguments.command == "serve":
        await _serve(config, terminal.print_line)
    elif arguments.command == "migrate":
        return _print_result(await _migrate(config), arguments, terminal)
    elif arguments.command == "secret":
        return _print_result(await secret.COMMANDS[arguments.subcommand](config), arguments, terminal)
    else:
        async with app.open_service(config) as service:
            if arguments.command == "moderate":
                await moderate.review_comments(service, arguments, terminal)
            else:
                result = await _run_on_service(service, arguments, terminal)
                return _print_result(result, arguments, terminal)
    return DONE


def _print_result(result: CommandResult, arguments: argparse.Namespace, terminal: Terminal) -> int:
    terminal.print_line(to_json(result.data) if arguments.json else escape_text(result.text))
    if result.problem:
        terminal.print_error(escape_text(result.problem))
    return REFUSED if result.problem else DONE


async def _run_on_service(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    command = arguments.command, getattr(arguments, "subcommand", arguments.command)
    moderator_commands = moderate.COMMANDS | moderators.COMMANDS | rules.COMMANDS | sites.COMMANDS
    if command in moderator_commands:
        return await moderator_commands[command](service, arguments, terminal)
    return await COMMANDS[command](service, arguments)


async def _serve(config: Config, print_line: Callable[[str], None]) -> None:
    async def announce(service: Service) -> None:
        # Printed for the operator and never logged: anyone with the link can sign in.
        own_url = service.config.own_url
        if service.config.socket_path and not service.config.public_url:
            LOG.warning("links need the address of the proxy: set COMMENTSVC_PUBLIC_URL")
        link = await create_first_sign_in_link(service)
        try:
            print_line(f"commentsvc is running at {own_url}/")
            if link:
                print_line(f"Sign in with this link; it works once, within one day: {link}")
            print_line(f'Add comments to your page: <script async src="{own_url}/embed.js"></script>')
        except OutputError as error:
            LOG.warning("%s", str(error) or "Nobody reads standard output.")
            if link:
                LOG.warning("create another sign-in link with: commentsvc moderator invite %s", names.FIRST_MODERATOR)

    await app.serve(config, announce)


async def _migrate(config: Config) -> CommandResult:
    steps = await wait_for_database(config.database_wait, lambda: app.migrate(config))
    newest = schema.newest_step()
    return CommandResult({"steps": steps, "schema": newest}, f"Database schema: {newest}. Migrations applied: {steps}.")


async def _create_key(service: Service, arguments: argparse.Namespace) -> CommandResult:
    scopes = [Scope(scope) for scope in arguments.scope or [Scope.MODERATE]]
    name = clean_argument("name", fields.clean_name, arguments.name)
    new = NewKey(name=name, scopes=scopes, site=arguments.site, expires_at=arguments.expires, person=arguments.person)
    if arguments.moderator:
        created = await keys.create_moderator_key(service, arguments.moderator, new)
    else:
        created = await keys.create_key(service, OPERATOR, new)
    return CommandResult(created, created.key)


async def _list_keys(service: Service, _arguments: argparse.Namespace) -> CommandResult:
    found = (await keys.list_keys(service, OPERATOR)).keys
    rows = (
        f"{key.id}  {' '.join(key.scopes):<20} {key.site or 'all sites':<20} {_key_state(key)}  {key.name}"
        for key in found
    )
    return CommandResult(found, join_rows(rows, "No keys yet."))


def _key_state(key: KeyRecord) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at}"
    return f"expires {key.expires_at}" if key.expires_at else "active"


async def _rotate_key(service: Service, arguments: argparse.Namespace) -> CommandResult:
    rotation = validation.validate(KeyRotation, {"grace_minutes": arguments.grace}, service.config.limits)
    rotated = await keys.rotate_any_key(service, arguments.id, rotation)
    return CommandResult(rotated, rotated.key)


async def _revoke_key(service: Service, arguments: argparse.Namespace) -> CommandResult:
    await keys.revoke_key(service, OPERATOR, arguments.id)
    return CommandResult({"revoked": arguments.id}, "Key revoked.")


async def _verify_audit_log(service: Service, arguments: argparse.Namespace) -> CommandResult:
    try:
        found = await verification.verify_log(service, arguments.head)
    except verification.AuditLogBroken as error:
        return CommandResult({"entry": error.seq, "wrong": str(error)}, "broken", f"The audit log is broken. {error}")
    noted = f"; your saved hash is entry {found.noted:,}" if found.noted else ""
    return CommandResult(found, f"ok: {found.entries:,} entries, head {found.head or 'none'}{noted}")


COMMANDS: Final[dict[tuple[str, str], Callable[[Service, argparse.Namespace], Awaitable[CommandResult]]]] = {
    ("reseal", "reseal"): secret.reseal,
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "rotate"): _rotate_key,
    ("key", "revoke"): _revoke_key,
    ("audit", "verify"): _verify_audit_log,
}
