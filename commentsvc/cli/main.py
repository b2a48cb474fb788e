"""The command line: where an operator comes in. Alone in reading the environment and printing."""

import argparse
import http.client
import io
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final

import commentsvc
from commentsvc.cli import commands as cli_commands

EPILOG: Final = """\
Settings come from the environment, COMMENTSVC_…; see docs/settings.md.
Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 78 wrong settings.
"""
STATUSES: Final = ("pending", "approved", "spam", "trash")
MODES: Final = ("all", "trusted", "none", "default")
EFFECTS: Final = ("hold", "spam", "refuse", "approve")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if re.search("[\ud800-\udfff]", "".join(sys.argv[1:] if arguments is None else arguments)):
        parser.error("what is not UTF-8 cannot be read")  # Python keeps it as halves of characters
    if asked.command == "healthcheck":
        return _healthcheck()  # before anything heavy is imported: it runs every few seconds
    os.umask(0o077)  # what we keep is for this user's eyes alone
    from commentsvc.cli.keyboard import keys  # noqa: PLC0415 -- see above
    from commentsvc.cli.terminal import Terminal  # noqa: PLC0415 -- see above

    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no letter is a reason to stop
    try:
        return cli_commands.run(
            asked,
            os.environ,
            Terminal(_say, _complain, lines=lambda: sys.stdin, keys=keys, columns=_columns, colour=_colourful()),
        )
    except BrokenPipeError:  # whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


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
    _moderate(commands)
    _decide(commands)
    _rule(commands)
    _moderator(commands)
    _key(commands)
    _site(commands)
    _audit(commands)
    return parser


def _plain(commands: Any, name: str, purpose: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _group(commands: Any, name: str, purpose: str) -> Any:
    return commands.add_parser(name, help=purpose, description=purpose).add_subparsers(
        dest="verb", required=True, metavar="VERB"
    )


def _moderate(commands: Any) -> None:
    moderate = _plain(commands, "moderate", "read what waits, one comment at a time, and decide with one key each")
    queue = _plain(commands, "queue", "print what waits, a line a comment")
    for command in (moderate, queue):
        command.add_argument("--site", help="only this site")
        command.add_argument("--status", choices=STATUSES, help="another status than pending")
        command.add_argument("--reported", action="store_true", default=None, help="what readers reported")
    queue.add_argument("--q", metavar="WORDS", help="only with these words in the text or the name")
    queue.add_argument("--limit", type=int, default=50, metavar="NUMBER", help="at most so many, up to 200")
    queue.add_argument("--cursor", help="where the next page begins")
    _as(moderate)


def _decide(commands: Any) -> None:
    for name, purpose in (
        ("approve", "show comments to readers"),
        ("hold", "put comments back to those that wait"),
        ("spam", "hide comments as spam"),
        ("trash", "move comments to the trash"),
        ("restore", "take comments out of spam or trash"),
    ):
        decide = _plain(commands, name, purpose)
        decide.add_argument("ids", nargs="+", metavar="ID", help="up to 500; - reads them from the standard input")
        decide.add_argument("--note", help="why, in your own words")
        _as(decide)
    undo = _plain(commands, "undo", "take an action back, whole")
    undo.add_argument("id", metavar="ACTION")
    _as(undo)


def _rule(commands: Any) -> None:
    verbs = _group(commands, "rule", "what is held, called spam, refused or approved without being read")
    add = _plain(verbs, "add", "keep a rule")
    test = _plain(verbs, "test", "try a rule on the comments that people decided last; nothing is changed")
    for command in (add, test):
        command.add_argument("kind", help="what it looks at, such as words, links, network; see docs/moderating.md")
        match = command.add_mutually_exclusive_group()
        match.add_argument("match", nargs="?", default="", help="what it looks for")
        match.add_argument("--file", type=_text_of, help="take that from a file; - is the standard input")
        command.add_argument("--effect", choices=EFFECTS, help="what comes of it; each kind has its own default")
        command.add_argument("--site", help="only this site")
    add.add_argument("--expires", metavar="TIME", help="such as 2027-01-31T00:00:00Z")
    add.add_argument("--note", help="why, in your own words")
    test.add_argument("--last", type=int, default=200, metavar="NUMBER", help="on so many comments, up to 1,000")
    _plain(verbs, "list", "print the rules").add_argument("--site", help="only those that stand on this site")
    remove = _plain(verbs, "remove", "take a rule away")
    remove.add_argument("id", metavar="RULE")
    _as(add)
    _as(remove)


def _text_of(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read()
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 -- as light as the health check
            return opened.read()
    except (OSError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError("this file cannot be read as UTF-8 text") from None


def _as(command: argparse.ArgumentParser) -> None:
    command.add_argument("--as", dest="moderator", metavar="NAME", help="the moderator who decides")


def _moderator(commands: Any) -> None:
    verbs = _group(commands, "moderator", "the people who moderate")
    add = _plain(verbs, "add", "let somebody moderate")
    add.add_argument("name")
    add.add_argument("--email", help="kept sealed")
    add.add_argument("--site", action="append", default=[], help="only this site; may be repeated")
    invite = _plain(verbs, "invite", "print a one-time sign-in link, good for a day")
    invite.add_argument("name")
    sign_out = _plain(verbs, "sign-out", "end every session of somebody's on the moderation page")
    sign_out.add_argument("name")
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
    create.add_argument("--moderator", metavar="NAME", help="whose own key it is; it reaches their sites")
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
    mode = _plain(verbs, "mode", "say who is held on a site: all, all but proven writers, or whom a rule holds")
    mode.add_argument("name")
    mode.add_argument("mode", choices=MODES, help="default: as COMMENTSVC_MODERATION says")


def _audit(commands: Any) -> None:
    verbs = _group(commands, "audit", "the log of who did what")
    verify = _plain(verbs, "verify", "check that nothing in the log was altered, taken away or slipped in")
    verify.add_argument("--head", metavar="HASH", help="of the newest entry, as it was noted elsewhere earlier")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"commentsvc: {text}\n")


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _colourful() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # https://no-color.org
    return sys.stdout.isatty() and not plain
