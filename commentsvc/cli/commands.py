"""Run a command: read the settings, open the service, print the result."""

import argparse
import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import uvloop

from commentsvc import app
from commentsvc.access import names
from commentsvc.access.moderators import create_first_sign_in_link
from commentsvc.audit import verification
from commentsvc.cli import (
    AWAY,
    DONE,
    MISCONFIGURED,
    REFUSED,
    keys,
    log_format,
    moderate,
    moderators,
    rules,
    secret,
    sites,
)
from commentsvc.cli.escape import escape_text
from commentsvc.cli.terminal import CommandResult, Commands, OutputError, Terminal, to_json
from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, DatabaseAway, FieldError, Invalid, Refusal
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
    return await COMMANDS[command](service, arguments, terminal)


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


async def _verify_audit_log(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    try:
        found = await verification.verify_log(service, arguments.head)
    except verification.AuditLogBroken as error:
        return CommandResult({"entry": error.seq, "wrong": str(error)}, "broken", f"The audit log is broken. {error}")
    noted = f"; your saved hash is entry {found.noted:,}" if found.noted else ""
    return CommandResult(found, f"ok: {found.entries:,} entries, head {found.head or 'none'}{noted}")


COMMANDS: Final[Commands] = {
    ("reseal", "reseal"): secret.reseal,
    ("audit", "verify"): _verify_audit_log,
    **keys.COMMANDS,
    **moderate.COMMANDS,
    **moderators.COMMANDS,
    **rules.COMMANDS,
    **sites.COMMANDS,
}
