"""A connection that belongs to the event loop: it tells whether anything has changed, and reads small public state.

A hop to a reader's thread costs ten times as much as either. The connection never waits: it only reads, and in WAL
mode no writer blocks a reader.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commentsvc.storage.database import Row
from commentsvc.storage.public_columns import PUBLIC_COLUMNS


def authorize_public_read(
    action: int, table: str | None, column: str | None, _database: str | None, _source: str | None
) -> int:
    """Allow a connection to read public columns, and nothing else."""
    # https://sqlite.org/c3ref/set_authorizer.html
    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
    if action == sqlite3.SQLITE_READ:
        public = PUBLIC_COLUMNS.get(table or "", ())
        # A statement that counts rows reads no column: its name is empty.
        return sqlite3.SQLITE_OK if public and (column in public or not column) else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


class ChangeReader:
    """Reads public columns on the event loop, through the authorizer of public readers."""

    def __init__(self, path: Path) -> None:
        """Open the database file, which exists.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=64)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA query_only=1")
        # SQLite opens the log at the first read: later it may be gone, while all other connections go on reading.
        self._connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        self._connection.set_authorizer(self._allow)
        self._counter = self._connection.cursor()
        self._counter.row_factory = None

    def count_changes(self) -> int:
        """Return SQLite's counter of other connections' commits, in any process (https://sqlite.org/pragma.html).

        This connection never writes, so every commit changes the number.

        Raises:
            sqlite3.Error: the file cannot be read now.
        """
        # fetchall ends the statement; one that stays open would hold on to an old state of the file.
        number: int = self._counter.execute("PRAGMA data_version").fetchall()[0][0]
        return number

    def read_rows(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """Return the rows of a statement.

        Raises:
            sqlite3.Error: the file cannot be read now, or the statement reads a private column.
        """
        return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _allow(
        self, action: int, table: str | None, column: str | None, database: str | None, source: str | None
    ) -> int:
        if action == sqlite3.SQLITE_PRAGMA and table == "data_version":
            return sqlite3.SQLITE_OK
        return authorize_public_read(action, table, column, database, source)
