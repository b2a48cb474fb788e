"""Add commands to the command line, and the options that several of them have."""

import argparse
from enum import StrEnum
from typing import Any


def add_command(commands: Any, name: str, purpose: str, epilog: str = "") -> argparse.ArgumentParser:
    """Add a command. Its help has the purpose at the start and the epilog at the end."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose, epilog=epilog)
    _add_json_option(parser)
    return parser


def add_group(commands: Any, name: str, purpose: str) -> Any:
    """Add a command that has commands of its own, and return what these are added to."""
    parser = commands.add_parser(name, help=purpose, description=purpose)
    _add_json_option(parser)
    return parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", title="commands")


def _add_json_option(parser: argparse.ArgumentParser) -> None:
    # Without a default here: it would replace what was given before the command.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, errors too")


def add_site_option(command: argparse.ArgumentParser) -> None:
    """Let a command be limited to one site."""
    command.add_argument("--site", metavar="NAME", help="only this site")


def add_moderator_option(command: argparse.ArgumentParser) -> None:
    """Let a command be run as a moderator."""
    command.add_argument(
        "--as", dest="moderator", metavar="NAME", help="act as this moderator (default: the person operator)"
    )


def add_expiry_option(command: argparse.ArgumentParser, purpose: str) -> None:
    """Let something that a command adds have an end."""
    command.add_argument("--expires", metavar="TIME", help=f"{purpose}, such as 2027-01-31T00:00:00Z")


def list_values(enum: type[StrEnum]) -> list[str]:
    """Return the values of an enumeration as plain texts, for choices."""
    return [member.value for member in enum]


def format_choices(choices: dict[str, str]) -> str:
    """Return choices with their meanings, one per line, for the end of a help."""
    width = max(map(len, choices))
    return "\n".join(f"  {name:<{width}}  {meaning}".rstrip() for name, meaning in choices.items())
