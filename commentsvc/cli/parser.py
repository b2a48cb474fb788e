"""Define the command line: its commands, their help, and how words are parsed."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, Final

import commentsvc
from commentsvc.cli import (
    UNUSABLE,
    archive_options,
    backup_options,
    delivery_options,
    doctor_options,
    export_options,
    moderation_options,
    operator_options,
    session_options,
    statistics_options,
)
from commentsvc.cli.failures import Failure
from commentsvc.cli.options import add_command
from commentsvc.cli.usage import CommandParser, UsageError
from commentsvc.domain.text import is_empty

EPILOG: Final = """\
Every command has its own help: commentsvc COMMAND --help
Settings are environment variables (COMMENTSVC_…): see docs/settings.md.

Exit codes:
  0    done
  1    refused or not found; standard error says why
  2    wrong usage
  75   database away; try again later
  78   wrong settings, or no database
  130  interrupted with Ctrl+C
"""
# The commands as their help lists them: what for, and their names.
SECTIONS: Final = {
    "run the service": ("serve", "work", "migrate", "config", "doctor", "healthcheck", "openapi"),
    "moderate": (
        *("moderate", "queue", "search", "approve", "hold", "spam", "trash", "restore", "ban", "undo"),
        *("thread", "rule", "filter", "stats"),
    ),
    "people and sites": ("moderator", "key", "session", "site", "audit"),
    "mail and webhooks": ("mail", "delivery", "webhook"),
    "move comments": ("import", "export", "copy"),
    "keep and erase data": ("backup", "prune", "person", "erasures", "secret", "reseal"),
}
SURROGATES: Final = re.compile("[\ud800-\udfff]")  # Python decodes bytes that are not UTF-8 to these


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options.

    Raises:
        SystemExit: after help or ``--version`` (0), or when the usage is wrong (2).
    """
    parser = build_parser()
    _refuse_empty_values(parser)
    try:
        arguments = parser.parse_all(words)
        _require_utf8(arguments.parser, words)
        if arguments.json and _names_no_command(arguments):
            arguments.parser.error("name a command")  # help is for people
    except UsageError as error:
        failure = Failure(UNUSABLE, "usage", str(error))
        error.parser.exit(UNUSABLE, f"{failure.to_json()}\n" if "--json" in words else error.describe())
    if _names_no_command(arguments):
        arguments.parser.print_help()
        arguments.parser.exit()
    return arguments


def _names_no_command(arguments: argparse.Namespace) -> bool:
    return arguments.command is None or getattr(arguments, "subcommand", "") is None


def _require_utf8(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    if SURROGATES.search("".join(words)):
        raise UsageError(parser, "arguments must be UTF-8 text")


def _refuse_empty_values(parser: argparse.ArgumentParser) -> None:
    """Let every text of every command be refused if it is empty: ``--site "$SITE"`` must not mean every site."""
    for action in parser._actions:  # noqa: SLF001 -- argparse offers no other way to its options
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 -- likewise
            for command in action.choices.values():
                _refuse_empty_values(command)
        elif action.nargs != 0 and action.type is None and action.choices is None:
            action.type = _read_text


def _read_text(text: str) -> str:
    if is_empty(text):
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def build_parser() -> CommandParser:
    """Return the parser of the whole command line."""
    parser = CommandParser(
        prog="commentsvc",
        description="A comment service for blogs. It keeps email addresses private.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"commentsvc {commentsvc.__version__}")
    parser.add_argument("--json", action="store_true", help="print JSON, errors too")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_service_commands(commands)
    moderation_options.add_commands(commands)
    operator_options.add_commands(commands)
    delivery_options.add_commands(commands)
    export_options.add_commands(commands)
    archive_options.add_commands(commands)
    doctor_options.add_commands(commands)
    backup_options.add_commands(commands)
    session_options.add_commands(commands)
    statistics_options.add_commands(commands)
    vars(commands)["sections"] = SECTIONS
    return parser


def _add_service_commands(commands: Any) -> None:
    serve = add_command(commands, "serve", "run the service; create or update its database first")
    serve.add_argument("--check", action="store_true", help="check settings and database as a reload does, then exit")
    add_command(commands, "migrate", "create the database, or update its schema to this version")
    add_command(commands, "reseal", "re-encrypt emails with the newest key")
    add_command(commands, "openapi", "print the OpenAPI document")
    add_command(commands, "healthcheck", "check that the service on this machine is running")
