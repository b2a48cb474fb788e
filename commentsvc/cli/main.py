"""Run the command line. Only this module reads the environment and writes to the terminal."""

import gc
import http.client
import io
import os
import pwd
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Final

from commentsvc.cli import DONE, INTERRUPTED, MISCONFIGURED, REFUSED
from commentsvc.config import program
from commentsvc.config.variables import add_settings_file, find_variables
from commentsvc.domain.errors import ConfigurationError

HEALTH_SECONDS: Final = 3
# The files by which a process knows that it is in a container, and the program that manages it.
CONTAINERS: Final = {"docker": "/.dockerenv", "podman": "/run/.containerenv"}


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    if words is None:
        words = sys.argv[1:]
        program.remember_start(_describe_start())
    if [*words[:1]] == ["serve"] and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: None)  # it must not kill us before the service handles it
    _fill_standard_files()
    if [*words] == ["healthcheck"]:
        code, problem = check_health()  # before anything heavy is imported: it runs every few seconds
        if problem:
            _print_error(problem)
        return code
    os.umask(0o077)  # only this user may read our files
    gc.disable()  # what is imported stays: collecting takes an eighth of the start, and frees nothing
    try:
        return _run(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        gc.enable()


def _run(words: Sequence[str]) -> int:
    from commentsvc.cli import commands, keyboard  # noqa: PLC0415 -- see above
    from commentsvc.cli.failures import Failure  # noqa: PLC0415 -- see above
    from commentsvc.cli.parser import parse_arguments  # noqa: PLC0415 -- see above
    from commentsvc.cli.terminal import OutputError, Terminal  # noqa: PLC0415 -- see above
    from commentsvc.cli.writing import find_editor  # noqa: PLC0415 -- see above

    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks must not stop us
    arguments = parse_arguments(words)
    if arguments.command != "serve":  # ``app.serve`` imports more, then collects
        gc.enable()
    if arguments.command == "healthcheck":
        return _report_health()
    terminal = Terminal(
        print_line=_print_at_once if arguments.command == "serve" else _print_line,
        print_error=_print_error_line if arguments.json else _print_error,
        read_lines=_read_lines,
        open_keys=partial(keyboard.open_keys, find_editor(os.environ), _print_line),
        columns=_count_columns,
        colour=_wants_colour(),
        interactive=_is_interactive(),
        table_columns=_limit_tables,
        write_bytes=_write_bytes,
    )
    try:
        return commands.run(arguments, os.environ, terminal)
    except OutputError as error:
        if str(error):
            terminal.print_error(Failure(REFUSED, "no_output", str(error)).to_json() if arguments.json else str(error))
        return REFUSED


def _describe_start() -> program.Start:
    found = (name for name, file in CONTAINERS.items() if os.path.exists(file))  # noqa: PTH110 -- pathlib is slower
    return program.Start(
        argv0=sys.argv[0],
        python=sys.executable,
        parent=os.getppid(),
        environment=os.environ,
        host=socket.gethostname(),
        user=_find_user(),
        folder=os.getcwd(),  # noqa: PTH109 -- likewise
        container=next(found, ""),
    )


def _find_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers have users without a name
        return f"#{os.getuid()}"


def _fill_standard_files() -> None:
    """Open /dev/null where a standard file is closed, so that no database or connection takes its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number


def _report_health() -> int:
    """Check the health for a program that reads JSON."""
    from commentsvc.cli.failures import Failure  # noqa: PLC0415 -- see ``main``

    code, problem = check_health()
    if problem:
        name = "misconfigured" if code == MISCONFIGURED else "not_running"
        _print_error_line(Failure(code, name, problem).to_json())
    return code


def check_health() -> tuple[int, str]:
    """Ask the service on this machine whether it is running; needs only the standard library.

    Return the exit code, and the problem if there is one.
    """
    try:
        given = find_variables(add_settings_file(os.environ, "COMMENTSVC_"), "COMMENTSVC_")
    except ConfigurationError as error:
        return MISCONFIGURED, str(error)
    port = given.get("PORT") or "8080"
    if not port.isdecimal():
        return MISCONFIGURED, "COMMENTSVC_PORT must be a whole number from 0 to 65535."
    host = given.get("HOST") or "127.0.0.1"
    try:
        with closing(_connect_to(host, int(port))) as connection:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == http.client.OK:
                return DONE, ""
    except (http.client.InvalidURL, UnicodeError):
        return MISCONFIGURED, f"COMMENTSVC_HOST: {host} is not an address of this computer."
    except (OSError, http.client.HTTPException):
        pass
    return REFUSED, f"commentsvc is not running at {host if host.startswith('unix:') else f'{host}:{port}'}."


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


def _write_bytes(piece: bytes) -> None:
    from commentsvc.cli.terminal import OutputError  # noqa: PLC0415 -- see ``main``

    if sys.stdout is None:
        raise OutputError("Standard output is closed.")
    try:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_output()
        raise OutputError from None
    except OSError as error:
        _discard_output()
        raise OutputError(f"Cannot write to standard output: {os.strerror(error.errno or 0)}.") from None


def _discard_output() -> None:
    # Python writes the rest at its end, and would exit with 120 if it cannot.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(text: str) -> None:
    _print_error_line(f"commentsvc: {program.with_real_commands(text)}")


def _print_error_line(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")


def _read_lines() -> list[str]:
    """Read standard input to its end. Ctrl+C ends it: the handler of an event loop would wait for the next line."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return [] if sys.stdin is None else sys.stdin.readlines()
    finally:
        signal.signal(signal.SIGINT, handler)


def _count_columns() -> int:
    return shutil.get_terminal_size().columns


def _limit_tables() -> int | None:
    """Return how wide a table may be: as a terminal, or as COLUMNS says. A pipe or a file gets everything."""
    given = os.environ.get("COLUMNS", "")
    return _count_columns() if _is_interactive() or (given.isdecimal() and int(given)) else None


def _is_interactive() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _wants_colour() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # https://no-color.org
    return _is_interactive() and not plain
