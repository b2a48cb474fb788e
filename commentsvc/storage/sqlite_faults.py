"""Tell faults of the whole SQLite database, such as a full disk or a damaged page, from those of one statement."""

import errno
import sqlite3
from typing import Final

DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")  # https://sqlite.org/rescode.html; the first begins several names

# How these begin. An I/O error at the start mostly means a full disk: SQLITE_IOERR_SHMSIZE.
AWAY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")
AWAY_NUMBERS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def may_pass(error: BaseException) -> bool:
    """Return whether the database may be usable later: it is locked, or its disk is full or does not work."""
    return getattr(error, "sqlite_errorname", "").startswith(AWAY) or getattr(error, "errno", None) in AWAY_NUMBERS


def concerns_database(error: BaseException) -> bool:
    """Return whether an error is of the database: full disk, I/O error, lock, damaged file."""
    # The base class itself stands for a damaged file; its other subclasses are faults of a statement.
    return isinstance(error, (sqlite3.OperationalError, sqlite3.InternalError)) or type(error) is sqlite3.DatabaseError


def describe_damage(error: BaseException | None) -> str | None:
    """Return SQLite's words for a damaged file, such as "database disk image is malformed"; None for other errors."""
    if isinstance(error, UnicodeDecodeError):  # SQLite quotes what it found in the schema
        return "its schema is not UTF-8 text"
    return str(error) if getattr(error, "sqlite_errorname", "").startswith(DAMAGE) else None


def find_damage(connection: sqlite3.Connection) -> str | None:
    """Return the first damage that SQLite finds in a file, which it reads as a whole; None if it finds none."""
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found)
