"""Run a command: read the settings, open the service, print the result."""

import argparse
import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import msgspec
import uvloop

from commentsvc import app
from commentsvc.cli import DONE, REFUSED, log_format, serve, work
from commentsvc.cli.escape import escape_text
from commentsvc.cli.failures import Failure, report_errors
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, to_json
from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.operations.waiting import wait_for_database
from commentsvc.service import Service
from commentsvc.storage import schema

# Commands that need no database, or open it themselves.
ON_SETTINGS: Final = ("migrate", "secret", "mail", "prune")
# Modules whose ``COMMANDS`` work on a database. `serve` imports none of them, and so starts 5 % faster.
ON_DATABASE: Final = (
    "archives",
    "audit",
    "backups",
    "database_copy",
    "deliveries",
    "erasures",
    "export",
    "filters",
    "keys",
    "moderate",
    "moderators",
    "persons",
    "rule_files",
    "rules",
    "sessions",
    "sites",
    "statistics",
    "thread_moves",
    "threads",
    "webhooks",
)


def run(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Run a command and return its exit code."""
    return report_errors(terminal, lambda: _run(arguments, environment, terminal), as_json=arguments.json)


def _run(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    if arguments.command == "serve":
        return serve.run_server(arguments, environment, terminal)
    if arguments.command == "doctor":
        from commentsvc.cli import doctor  # noqa: PLC0415 -- see ``load_commands``

        return doctor.run_doctor(arguments, environment, terminal)
    if arguments.command == "config":
        from commentsvc.cli import configuration  # noqa: PLC0415 -- see ``load_commands``

        return configuration.print_settings(arguments, environment, terminal)
    config = read_config(environment)
    log_format.configure_logging(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run_command(arguments, config, terminal))


def _format_openapi() -> str:
    from commentsvc.web.api.openapi import document  # noqa: PLC0415 -- other commands need no web
    from commentsvc.web.routes import ROUTES  # noqa: PLC0415 -- likewise

    return msgspec.json.format(msgspec.json.encode(document(ROUTES)).decode(), indent=2)


async def _run_command(arguments: argparse.Namespace, config: Config, terminal: Terminal) -> int:
    if arguments.command == "work":
        return await work.run_worker(config)
    if arguments.command == "openapi":
        terminal.print_line(_format_openapi())
    elif arguments.command in ON_SETTINGS or _restores_backup(arguments):
        return _print_result(await _run_on_settings(config, arguments, terminal), arguments, terminal)
    else:
        async with app.open_service(config) as service:
            if arguments.command == "moderate":
                from commentsvc.cli import moderate  # noqa: PLC0415 -- see ``load_commands``

                await moderate.review_comments(service, arguments, terminal)
            else:
                result = await _run_on_service(service, arguments, terminal)
                return _print_result(result, arguments, terminal)
    return DONE


def _restores_backup(arguments: argparse.Namespace) -> bool:
    from commentsvc.cli import backups  # noqa: PLC0415 -- see ``load_commands``

    return arguments.command == "restore" and backups.names_backup(arguments)


async def _run_on_settings(config: Config, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    from commentsvc.cli import backups, mail, prune, secret  # noqa: PLC0415 -- see ``load_commands``

    if arguments.command == "restore":
        return await backups.restore_backup(config, arguments)
    if arguments.command == "prune":
        return await prune.prune_comments(config, arguments)
    if arguments.command == "secret":
        return await secret.COMMANDS[arguments.subcommand](config)
    if arguments.command == "mail":
        return await mail.COMMANDS[arguments.subcommand](config, arguments, terminal)
    return await _migrate(config)


def _print_result(result: CommandResult, arguments: argparse.Namespace, terminal: Terminal) -> int:
    if result.text or result.data is not None:  # a command that wrote its result itself has none
        terminal.print_line(to_json(result.data) if arguments.json else escape_text(result.text))
    if result.problem:
        failure = Failure(REFUSED, "partly_refused", result.problem)
        terminal.print_error(failure.to_json() if arguments.json else escape_text(result.problem))
    return REFUSED if result.problem else DONE


async def _run_on_service(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    command = arguments.command, getattr(arguments, "subcommand", arguments.command)
    return await load_commands()[command](service, arguments, terminal)


async def _migrate(config: Config) -> CommandResult:
    steps = await wait_for_database(config.database_wait, lambda: app.migrate(config))
    newest = schema.newest_step()
    return CommandResult({"steps": steps, "schema": newest}, f"Database schema: {newest}. Migrations applied: {steps}.")


def load_commands() -> Commands:
    """Return the commands that work on a database."""
    from commentsvc.cli import secret  # noqa: PLC0415 -- see ``ON_DATABASE``

    modules = [import_module(f"commentsvc.cli.{name}") for name in ON_DATABASE]
    commands: Commands = {("reseal", "reseal"): secret.reseal}
    return {**commands, **{name: command for module in modules for name, command in module.COMMANDS.items()}}
