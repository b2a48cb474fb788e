"""Run units of work on an SQLite connection, in its thread. Units that wait together are committed together."""

import contextvars
import sqlite3
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commentsvc.domain.errors import Unavailable
from commentsvc.storage.database import Row, Work
from commentsvc.storage.sqlite_file import SqliteFile

# Errors that concern the whole database: full disk, I/O error, lock, damaged file. Other ones concern one statement.
DATABASE_ERRORS: Final = (sqlite3.OperationalError, sqlite3.InternalError)


class SqliteTransaction:
    """Statements of one transaction, run in the connection's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        return self._connection.execute(sql, values).fetchall()

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        rows = self._connection.execute(sql, values).fetchall()
        return rows[0] if rows else None

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``."""
        return self._connection.execute(sql, values).rowcount


class Job:
    """A unit of work with a copy of its caller's context, so that its log lines carry the request id."""

    def __init__(self, work: Work[Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()

    def run(self, connection: sqlite3.Connection) -> Any:
        """Run the unit to its end. Call it in the connection's thread."""
        return self._context.run(_run_unit, self._work(SqliteTransaction(connection)))


def run_read(connection: sqlite3.Connection, job: Job) -> Any:
    """Run a unit that reads; all its statements see the same moment."""
    connection.execute("BEGIN")
    try:
        return job.run(connection)
    finally:
        connection.execute("ROLLBACK")


@dataclass(frozen=True)
class Batch:
    """The end of a batch: each unit's result or exception, and whether changes are on disk.

    ``stored`` is None if no unit that succeeded has changed anything: then the commit wrote nothing.
    """

    outcomes: list[Any]
    stored: bool | None


def commit_batch(connection: sqlite3.Connection, jobs: list[Job], file: SqliteFile) -> Batch:
    """Run each unit in a savepoint, and commit them together. A unit that fails does not affect the others."""
    changed = False
    outcomes: list[Any] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                before = connection.total_changes
                outcomes.append(_run_in_savepoint(connection, job))
                changed |= connection.total_changes > before and not isinstance(outcomes[-1], BaseException)
            file.check_identity()  # nothing is acknowledged that the next start would not find
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Batch([unavailable(error) for _ in jobs], stored=False)
    return Batch(outcomes, stored=changed or None)


def _run_in_savepoint(connection: sqlite3.Connection, job: Job) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        outcome = job.run(connection)
    except Exception as error:
        if isinstance(error, DATABASE_ERRORS) or type(error) is sqlite3.DatabaseError:
            raise  # SQLite may have rolled back the whole transaction
        connection.execute("ROLLBACK TO job")
        outcome = error
    connection.execute("RELEASE job")
    return outcome


def _run_unit(work: Coroutine[Any, Any, Any]) -> Any:
    # The statements of a unit never suspend, so one step runs it to its end.
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise RuntimeError("A unit of work may await its own statements only.")


def unavailable(error: sqlite3.Error) -> Unavailable:
    """Return the refusal for an error of the database."""
    refusal = Unavailable("The database is unavailable. Nothing was saved. Please try again.")
    refusal.__cause__ = error
    return refusal
