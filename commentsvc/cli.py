"""The command line: where an operator comes in. Alone in reading the environment and printing."""

import argparse
import http.client
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import commentsvc

EPILOG: Final = """\
Settings come from the environment, COMMENTSVC_…; see docs/settings.md.
Exit codes: 0 done, 1 refused, 2 wrong usage, 78 wrong settings.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.command == "healthcheck":
        return _healthcheck()  # before anything heavy is imported: it runs every few seconds
    os.umask(0o077)  # what we keep is for this user's eyes alone
    from commentsvc import commands  # noqa: PLC0415 -- see above

    return commands.run(asked, os.environ, say=_say, complain=_complain)


def _healthcheck() -> int:
    """Ask the service on this machine whether it is alive; needs nothing but the standard library."""
    port = os.environ.get("COMMENTSVC_PORT") or "8080"
    if not port.isdecimal():
        _complain("COMMENTSVC_PORT must be a whole number from 0 to 65535.")
        return 78
    host = os.environ.get("COMMENTSVC_HOST") or "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, int(port), timeout=3)  # noqa: S104
    try:
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="commentsvc",
        description="A comment service for blogs that keeps emails private and loses nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"commentsvc {commentsvc.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _plain(commands, "serve", "run the service")
    _plain(commands, "migrate", "bring the database's schema to this version")
    _plain(commands, "reseal", "seal every email anew with the newest secret key")
    _plain(commands, "openapi", "print the OpenAPI document")
    _plain(commands, "healthcheck", "ask the service on this machine whether it is alive")
    _moderator(commands)
    _key(commands)
    _site(commands)
    return parser


def _plain(commands: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _group(commands: Any, name: str, purpose: str) -> Any:
    return commands.add_parser(name, help=purpose, description=purpose).add_subparsers(
        dest="verb", required=True, metavar="VERB"
    )


def _moderator(commands: Any) -> None:
    verbs = _group(commands, "moderator", "the people who moderate")
    add = _plain(verbs, "add", "let somebody moderate")
    add.add_argument("name")
    add.add_argument("--email", help="kept sealed")
    add.add_argument("--site", action="append", default=[], help="only this site; may be repeated")
    invite = _plain(verbs, "invite", "print a one-time sign-in link, good for a day")
    invite.add_argument("name")
    _plain(verbs, "list", "print the moderators")
    remove = _plain(verbs, "remove", "take away somebody's rights at once")
    remove.add_argument("name")


def _key(commands: Any) -> None:
    verbs = _group(commands, "key", "API keys")
    create = _plain(verbs, "create", "make a key and print it, this once")
    create.add_argument("name")
    create.add_argument(
        "--scope",
        action="append",
        choices=["read", "moderate", "admin"],
        help="may be repeated; moderate if left out",
    )
    create.add_argument("--site", help="only this site")
    create.add_argument("--expires", metavar="TIME", help="such as 2027-01-31T00:00:00Z")
    _plain(verbs, "list", "print the keys, without the keys themselves")
    revoke = _plain(verbs, "revoke", "end a key at once")
    revoke.add_argument("id")


def _site(commands: Any) -> None:
    verbs = _group(commands, "site", "the blogs served")
    add = _plain(verbs, "add", "serve one more blog, or a known one from more origins")
    add.add_argument("name")
    add.add_argument("--origin", action="append", required=True, help="such as https://blog.example; may be repeated")
    _plain(verbs, "list", "print the sites")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"commentsvc: {text}\n")
