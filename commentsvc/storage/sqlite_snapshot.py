"""Read an SQLite database as it is at one moment, for minutes if needed, on a connection of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from commentsvc.storage import sqlite_connection
from commentsvc.storage.database import Row
from commentsvc.storage.sqlite_connection import ThreadConnection
from commentsvc.storage.sqlite_units import number_parameters


class SqliteSnapshot:
    """Statements that read. Each runs in the thread of the connection, and leaves the event loop free."""

    never_waits = True

    def __init__(self, connection: ThreadConnection) -> None:
        self.schema_checked = False
        self._connection = connection

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        return await self._connection.run_in_thread(_fetch, sql, values)

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        rows = await self.all(sql, **values)
        return rows[0] if rows else None

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``. The connection refuses to change anything."""
        return len(await self.all(sql, **values))

    async def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """See ``run``."""
        for values in rows:
            await self.run(sql, **values)

    async def later(self, sql: str, /, **values: Any) -> None:
        """See ``run``."""
        await self.run(sql, **values)


@asynccontextmanager
async def open_snapshot(path: Path) -> AsyncIterator[SqliteSnapshot]:
    """Begin to read. If the caller goes away, the transaction ends with the connection."""
    connection = await sqlite_connection.connect(path)
    try:
        await connection.run_in_thread(_begin)
        yield SqliteSnapshot(connection)
    finally:
        stopped = connection.stop()
        if stopped:
            await asyncio.shield(stopped)


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only=1")
    connection.execute("BEGIN")
    connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()  # the first read fixes the moment


def _fetch(connection: sqlite3.Connection, sql: str, values: Mapping[str, Any]) -> Sequence[Row]:
    text, names = number_parameters(sql)
    return connection.execute(text, [values[name] for name in names]).fetchall()
