"""Inspect an SQLite file as a whole: its pages, its rows, its schema."""

import errno
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from commentsvc.storage import row_digests, schema
from commentsvc.storage.row_digests import CHECKS, DamagedRow, RowCheck
from commentsvc.storage.sqlite_connection import open_read_only
from commentsvc.storage.sqlite_faults import describe_damage

ROWS_AT_ONCE: Final = 5000  # so that the log of a file that is in use is not kept for long
PAUSE_SECONDS: Final = 0.02  # after each piece of rows: about as long as it took, so that requests get the interpreter
STEPS_PER_LOOK: Final = 1_000_000  # of SQLite's virtual machine, between two looks at whether to stop
CACHE_KIB: Final = 64 * 1024  # the check looks up every row in every index
MOST_FAULTS: Final = 100  # of SQLite's own check
FINGERPRINT: Final = re.compile("[0-9a-f]{1,64}")  # it becomes a part of file names, and is printed


class Stopped(Exception):  # noqa: N818 -- not an error: somebody asked for it
    """The work was asked to stop."""


class Inspection(Struct, frozen=True):
    """The contents and faults of a database file."""

    faults: list[str]
    fingerprint: str = ""  # of the secret key that its addresses are encrypted with
    rows: int = 0


def inspect(path: Path, stop: threading.Event) -> Inspection:
    """Check a database file that nobody changes: its pages, its rows, its schema. It is read as a whole.

    Raises:
        OSError: there is no such file, or it is a folder, a device or a pipe.
        Stopped: ``stop`` was set.
    """
    require_file(path)
    try:
        with open_read_only(path) as connection:
            connection.set_progress_handler(stop.is_set, STEPS_PER_LOOK)
            faults, fingerprint = _check_schema(connection)
            faults += _check_pages(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if stop.is_set():
            raise Stopped from None
        return Inspection([describe_damage(error) or str(error)])
    if not fingerprint:
        return Inspection(faults)
    checked = check_file(path, lambda: _pause(stop))
    return Inspection([*faults, *map(str, checked.damaged)], fingerprint, checked.rows)


def require_file(path: Path) -> None:
    """Check that a file can be read: SQLite would say no more than "unable to open".

    Raises:
        OSError: there is no such file, or it is a folder, a device or a pipe, whose end nobody knows.
    """
    if path.exists() and not path.is_dir() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file")
    with path.open("rb"):
        pass


def _pause(stop: threading.Event) -> None:
    if stop.wait(PAUSE_SECONDS):
        raise Stopped


def _check_schema(connection: sqlite3.Connection) -> tuple[list[str], str]:
    """Return what is wrong with the schema, and the fingerprint of the secret key; that is empty in other databases."""
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not {"schema_step", "installation", "comment"} <= found:
        return ["this is no database of commentsvc"], ""
    (number,) = connection.execute("SELECT MAX(number) FROM schema_step").fetchone()
    row = connection.execute("SELECT fingerprint FROM installation").fetchone()
    if not isinstance(number, int) or not row or not FINGERPRINT.fullmatch(str(row[0])):
        return ["its first start did not finish"], ""
    newest = schema.newest_step()
    faults = [f"its schema is {number}, newer than {newest}: install a newer commentsvc"] if number > newest else []
    return faults, row[0]


def _check_pages(connection: sqlite3.Connection) -> list[str]:
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    rows = connection.execute(f"PRAGMA integrity_check({MOST_FAULTS})").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def check_file(path: Path, pause: Callable[[], None] = lambda: None) -> RowCheck:
    """Check all rows of an SQLite file, which may be in use. It reads the whole file: call it in a thread.

    A part that SQLite cannot read is a damaged row without an id. ``pause`` is called after each piece.
    """
    checked = RowCheck()
    for table in CHECKS:
        try:
            for piece in _check_table(path, table):
                checked += piece
                pause()
        except sqlite3.Error as error:
            checked += RowCheck(0, [DamagedRow(table, "", f"cannot be read ({error})")])
    return checked


def _check_table(path: Path, table: str) -> Iterator[RowCheck]:
    with open_read_only(path) as connection:
        connection.text_factory = bytes
        connection.row_factory = sqlite3.Row
        after: bytes = b""
        while True:
            values = {"after": after, "limit": ROWS_AT_ONCE}
            rows: list[Any] = connection.execute(CHECKS[table][0], values).fetchall()
            yield row_digests.check_rows(table, rows)
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1]["id"]
