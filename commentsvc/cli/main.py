"""Run the command line. Only this module reads the environment and writes to the terminal."""

import http.client
import io
import os
import shutil
import sys
from collections.abc import Sequence

from commentsvc.cli import DONE, MISCONFIGURED, REFUSED
from commentsvc.config.variables import find_variables


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = sys.argv[1:] if words is None else words
    if [*words] == ["healthcheck"]:
        return check_health()  # before anything heavy is imported: it runs every few seconds
    os.umask(0o077)  # only this user may read our files
    from commentsvc.cli import commands, keyboard  # noqa: PLC0415 -- see above
    from commentsvc.cli.parser import parse_arguments  # noqa: PLC0415 -- see above
    from commentsvc.cli.terminal import Terminal  # noqa: PLC0415 -- see above

    arguments = parse_arguments(words)
    if arguments.command == "healthcheck":
        return check_health()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks must not stop us
    terminal = Terminal(
        print_line=_print_line,
        print_error=_print_error,
        read_lines=lambda: sys.stdin,
        open_keys=keyboard.open_keys,
        columns=_count_columns,
        colour=_wants_colour(),
    )
    try:
        return commands.run(arguments, os.environ, terminal)
    except BrokenPipeError:  # the reader closed the pipe, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED


def check_health() -> int:
    """Ask the service on this machine whether it is running; needs only the standard library."""
    given = find_variables(os.environ, "COMMENTSVC_")
    port = given.get("PORT") or "8080"
    if not port.isdecimal():
        _print_error("COMMENTSVC_PORT must be a whole number from 0 to 65535.")
        return MISCONFIGURED
    host = given.get("HOST") or "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, int(port), timeout=3)  # noqa: S104
    try:
        connection.request("GET", "/healthz")
        return DONE if connection.getresponse().status == http.client.OK else REFUSED
    except (OSError, http.client.HTTPException):
        return REFUSED
    finally:
        connection.close()


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _print_error(text: str) -> None:
    sys.stderr.write(f"commentsvc: {text}\n")


def _count_columns() -> int:
    return shutil.get_terminal_size().columns


def _wants_colour() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # https://no-color.org
    return sys.stdout.isatty() and not plain
