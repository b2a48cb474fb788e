"""Define the commands and options of the command line."""

import argparse
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

import commentsvc
from commentsvc.domain.models import Effect, Mode, RuleKind, Scope
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.storage.comment_filter import CommentFilter, Sql

EPILOG: Final = """\
Settings are environment variables (COMMENTSVC_…): see docs/settings.md.
Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 75 database away, 78 wrong settings.
"""
SITE_DEFAULT: Final = "default"
EMAIL_CHOICES: Final = ("required", "optional")
METAVARS: Final = {"q": "TEXT", "site": "NAME", "same_text": "ID"}  # other options show their own name
SURROGATES: Final = re.compile("[\ud800-\udfff]")  # Python decodes bytes that are not UTF-8 to these


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options.

    Raises:
        SystemExit: after ``--help`` or ``--version`` (0), or when the usage is wrong (2).
    """
    parser = build_parser()
    arguments = parser.parse_args(words)
    if SURROGATES.search("".join(words)):
        parser.error("arguments must be UTF-8 text")
    return arguments


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="commentsvc",
        description="A comment service for blogs. It keeps email addresses private.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"commentsvc {commentsvc.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_command(commands, "serve", "run the service")
    _add_command(commands, "migrate", "update the database schema to this version")
    _add_command(commands, "reseal", "re-encrypt emails with the newest key")
    _add_command(commands, "openapi", "print the OpenAPI document")
    _add_command(commands, "healthcheck", "check that the service on this machine is running")
    _add_queue_commands(commands)
    _add_action_commands(commands)
    _add_rule_commands(commands)
    _add_moderator_commands(commands)
    _add_key_commands(commands)
    _add_site_commands(commands)
    _add_audit_commands(commands)
    _add_secret_commands(commands)
    return parser


def _add_command(commands: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_group(commands: Any, name: str, purpose: str) -> Any:
    return commands.add_parser(name, help=purpose, description=purpose).add_subparsers(
        dest="subcommand", required=True, metavar="SUBCOMMAND"
    )


def _add_queue_commands(commands: Any) -> None:
    moderate = _add_command(commands, "moderate", "review comments one by one; one key press decides")
    queue = _add_command(commands, "queue", "list pending comments, one per line")
    _add_field_options(moderate, CommentFilter)
    _add_field_options(queue, QueueQuery)
    _add_moderator_option(moderate)


def _add_field_options(command: argparse.ArgumentParser, shape: type[msgspec.Struct]) -> None:
    """Add an option for each field of a query: its type gives the choices, its description the help."""
    for field in msgspec.structs.fields(shape):
        kind, notes = _split_type(field.type)
        option: dict[str, Any] = {"help": _help_text(notes, field.default), "default": None}
        if kind is bool:
            option["action"] = "store_true"
        elif kind is int:
            option |= {"type": int, "metavar": "NUMBER"}
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            option["choices"] = _values(kind)
        elif get_origin(kind) is Literal:
            option["choices"] = get_args(kind)
        elif any(isinstance(note, Sql) and note.time for note in notes):
            option["metavar"] = "TIME"
        else:
            option["metavar"] = METAVARS.get(field.name, field.name.upper())
        command.add_argument(f"--{field.name.replace('_', '-')}", **option)


def _split_type(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the plain type of a field and its annotations, which may be inside an optional type."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            return part.__origin__, part.__metadata__
    return kind, ()


def _help_text(notes: Sequence[Any], default: Any) -> str:
    """Return the last description in the style of other options: no capital, no full stop, the default at the end."""
    found = [note.description for note in notes if isinstance(note, msgspec.Meta) and note.description]
    text = found[-1].removesuffix(".") if found else ""
    text = text[:1].lower() + text[1:]
    return text if default is None else f"{text} (default: {default})"


def _add_action_commands(commands: Any) -> None:
    for name, purpose in (
        ("approve", "publish comments"),
        ("hold", "move comments back to pending"),
        ("spam", "mark comments as spam"),
        ("trash", "move comments to trash"),
        ("restore", "move comments out of spam or trash"),
    ):
        command = _add_command(commands, name, purpose)
        command.add_argument("ids", nargs="+", metavar="ID", help="comment ids, up to 500; - reads standard input")
        command.add_argument("--note", help="a note for the audit log")
        _add_moderator_option(command)
    undo = _add_command(commands, "undo", "undo an action")
    undo.add_argument("id", metavar="ACTION", help="the id of the action, which the action printed")
    _add_moderator_option(undo)


def _add_rule_commands(commands: Any) -> None:
    rule = _add_group(commands, "rule", "manage moderation rules")
    add = _add_command(rule, "add", "add a rule")
    test = _add_command(rule, "test", "test a rule on past decisions; changes nothing")
    for command in (add, test):
        kinds = _values(RuleKind)
        command.add_argument("kind", choices=kinds, metavar="KIND", help=f"what the rule checks: {', '.join(kinds)}")
        match = command.add_mutually_exclusive_group()
        match.add_argument("match", nargs="?", default="", help="what the rule matches: see docs/moderating.md")
        match.add_argument("--file", type=_read_file, help="read the match from a file; - reads standard input")
        command.add_argument("--effect", choices=_values(Effect), help="what a match does (default: set by the kind)")
        _add_site_option(command)
    _add_expiry_option(add, "when the rule ends")
    add.add_argument("--note", help="a note for moderators")
    test.add_argument(
        "--last", type=int, default=200, metavar="NUMBER", help="how many past decisions, 1 to 1000 (default: 200)"
    )
    _add_site_option(_add_command(rule, "list", "list rules"))
    remove = _add_command(rule, "remove", "delete a rule")
    remove.add_argument("id", metavar="RULE", help="the id of the rule: see `commentsvc rule list`")
    _add_moderator_option(add)
    _add_moderator_option(remove)


def _add_moderator_commands(commands: Any) -> None:
    moderator = _add_group(commands, "moderator", "manage moderators")
    add = _add_command(moderator, "add", "add a moderator")
    invite = _add_command(moderator, "invite", "create a sign-in link; it works once, within one day")
    sign_out = _add_command(moderator, "sign-out", "end all sessions of a moderator")
    _add_command(moderator, "list", "list moderators")
    email = _add_command(moderator, "email", "change a moderator's email address")
    remove = _add_command(moderator, "remove", "remove a moderator and revoke their keys")
    for command in (add, invite, sign_out, email, remove):
        command.add_argument("name", help="the moderator's name")
    address = email.add_mutually_exclusive_group(required=True)
    address.add_argument("email", nargs="?", help="the new address; - reads standard input")
    address.add_argument("--remove", action="store_true", help="remove the address")
    add.add_argument("--email", help="the moderator's email address; stored encrypted")
    add.add_argument("--site", action="append", default=[], metavar="NAME", help="only this site; can be repeated")


def _add_key_commands(commands: Any) -> None:
    key = _add_group(commands, "key", "manage API keys")
    create = _add_command(key, "create", "create a key (shown once)")
    create.add_argument("name", help="a name for the key")
    create.add_argument(
        "--scope", action="append", choices=_values(Scope), help="a permission; can be repeated (default: moderate)"
    )
    _add_site_option(create)
    create.add_argument(
        "--person", action="store_true", help="a person uses this key: its decisions count as a person's"
    )
    create.add_argument("--moderator", metavar="NAME", help="the moderator who owns the key; limits it to their sites")
    _add_expiry_option(create, "when the key expires")
    _add_command(key, "list", "list keys, without their secrets")
    rotate = _add_command(key, "rotate", "replace a key; the new one has the same id, name and rights (shown once)")
    revoke = _add_command(key, "revoke", "revoke a key")
    for command in (rotate, revoke):
        command.add_argument("id", help="the id of the key: see `commentsvc key list`")
    rotate.add_argument(
        "--grace", type=int, default=0, metavar="MINUTES", help="how long the old key still works (default: 0)"
    )


def _add_site_commands(commands: Any) -> None:
    site = _add_group(commands, "site", "manage sites")
    add = _add_command(site, "add", "add a site, or add origins to a site")
    add.add_argument("name", help="the site's name")
    add.add_argument("--origin", action="append", required=True, help="such as https://blog.example; can be repeated")
    _add_command(site, "list", "list sites")
    rename = _add_command(site, "rename", "change a site's name; the earlier name still finds it")
    remove_origin = _add_command(site, "remove-origin", "remove origins from a site")
    mode = _add_command(site, "mode", "set a site's moderation mode")
    remove = _add_command(site, "remove", "remove a site, and permanently erase its comments")
    for command in (rename, remove_origin, mode, remove):
        command.add_argument("name", help="the site's name")
    remove.add_argument(
        "--expect", type=int, default=0, metavar="NUMBER", help="how many comments it has; required if there are any"
    )
    rename.add_argument("new_name", metavar="new-name", help="the new name")
    remove_origin.add_argument("--origin", action="append", required=True, help="an origin; can be repeated")
    mode.add_argument(
        "mode",
        choices=[*_values(Mode), SITE_DEFAULT],
        help="which new comments are held; default: as COMMENTSVC_MODERATION says",
    )
    email = _add_command(site, "email", "set whether comments need an email address")
    email.add_argument("name", help="the site's name")
    email.add_argument("email", choices=EMAIL_CHOICES, help="optional: commenters may leave it out")


def _add_audit_commands(commands: Any) -> None:
    audit = _add_group(commands, "audit", "check the audit log")
    verify = _add_command(audit, "verify", "check that nobody changed the audit log")
    verify.add_argument("--head", metavar="HASH", help="a hash you saved earlier; check that the log still has it")


def _add_secret_commands(commands: Any) -> None:
    secret = _add_group(commands, "secret", "manage the secret key")
    _add_command(secret, "status", "show the keys, what each encrypts, and which the servers know")
    _add_command(secret, "rotate", "create a new key and re-encrypt emails with it")
    _add_command(secret, "lost", "go on without keys that are lost; says what they encrypt")


def _add_site_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--site", metavar="NAME", help="only this site")


def _add_moderator_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--as", dest="moderator", metavar="NAME", help="act as this moderator")


def _add_expiry_option(command: argparse.ArgumentParser, purpose: str) -> None:
    command.add_argument("--expires", metavar="TIME", help=f"{purpose}, such as 2027-01-31T00:00:00Z")


def _values(enum: type[StrEnum]) -> list[str]:
    return [member.value for member in enum]


def _read_file(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError("cannot read this file as UTF-8 text") from None
