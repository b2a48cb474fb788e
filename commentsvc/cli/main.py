"""Run the command line. Only this module reads the environment and writes to the terminal."""

import http.client
import io
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Final

from commentsvc.cli import DONE, MISCONFIGURED, REFUSED
from commentsvc.config.variables import find_variables

HEALTH_SECONDS: Final = 3


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    words = sys.argv[1:] if words is None else words
    if [*words[:1]] == ["serve"] and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: None)  # it must not kill us before the service handles it
    _fill_standard_files()
    if [*words] == ["healthcheck"]:
        return check_health()  # before anything heavy is imported: it runs every few seconds
    os.umask(0o077)  # only this user may read our files
    from commentsvc.cli import commands, keyboard  # noqa: PLC0415 -- see above
    from commentsvc.cli.parser import parse_arguments  # noqa: PLC0415 -- see above
    from commentsvc.cli.terminal import OutputError, Terminal  # noqa: PLC0415 -- see above

    arguments = parse_arguments(words)
    if arguments.command == "healthcheck":
        return check_health()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks must not stop us
    terminal = Terminal(
        print_line=_print_at_once if arguments.command == "serve" else _print_line,
        print_error=_print_error,
        read_lines=lambda: sys.stdin,
        open_keys=keyboard.open_keys,
        columns=_count_columns,
        colour=_wants_colour(),
    )
    try:
        return commands.run(arguments, os.environ, terminal)
    except OutputError as error:
        if str(error):
            _print_error(str(error))
        return REFUSED


def _fill_standard_files() -> None:
    """Open /dev/null where a standard file is closed, so that no database or connection takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number


def check_health() -> int:
    """Ask the service on this machine whether it is running; needs only the standard library."""
    given = find_variables(os.environ, "COMMENTSVC_")
    port = given.get("PORT") or "8080"
    if not port.isdecimal():
        _print_error("COMMENTSVC_PORT must be a whole number from 0 to 65535.")
        return MISCONFIGURED
    host = given.get("HOST") or "127.0.0.1"
    try:
        with closing(_connect_to(host, int(port))) as connection:
            connection.request("GET", "/healthz")
            return DONE if connection.getresponse().status == http.client.OK else REFUSED
    except (http.client.InvalidURL, UnicodeError):
        _print_error(f"COMMENTSVC_HOST: {host} is not an address of this computer.")
        return MISCONFIGURED
    except (OSError, http.client.HTTPException):
        return REFUSED


def _connect_to(host: str, port: int) -> http.client.HTTPConnection:
    if host.startswith("unix:"):
        connection = _FileConnection("localhost", timeout=HEALTH_SECONDS)
        connection.path = host.removeprefix("unix:")
        return connection
    host = host.strip("[]")
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 -- both listen there too
    return http.client.HTTPConnection(host, port, timeout=HEALTH_SECONDS)


class _FileConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(HEALTH_SECONDS)
        self.sock.connect(self.path)


def _print_at_once(text: str) -> None:
    """Print a line; raise OutputError instead of waiting for the reader of a full pipe."""
    from commentsvc.cli.terminal import OutputError  # noqa: PLC0415 -- see ``main``

    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        writable = select.poll()
        writable.register(sys.__stdout__.fileno(), select.POLLOUT)
        if not writable.poll(0):
            _discard_output()
            raise OutputError("Standard output is full, and nobody reads it.")
    _print_line(text)


def _print_line(text: str) -> None:
    from commentsvc.cli.terminal import OutputError  # noqa: PLC0415 -- see ``main``

    if sys.stdout is None:
        raise OutputError("Standard output is closed.")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, such as `head`
        _discard_output()
        raise OutputError from None
    except OSError as error:
        _discard_output()
        raise OutputError(f"Cannot write to standard output: {os.strerror(error.errno or 0)}.") from None


def _discard_output() -> None:
    # Python writes the rest at its end, and would exit with 120 if it cannot.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"commentsvc: {text}\n")


def _count_columns() -> int:
    return shutil.get_terminal_size().columns


def _wants_colour() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # https://no-color.org
    return sys.stdout is not None and sys.stdout.isatty() and not plain
