"""Run units of work on an SQLite connection, in its thread. Units that wait together are committed together."""

import contextvars
import logging
import sqlite3
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from commentsvc.domain.errors import Unavailable
from commentsvc.storage import dialect
from commentsvc.storage.database import SEARCH_TOO_SLOW, Row, Work, outcome_unknown, unavailable
from commentsvc.storage.file_lock import WriterLock
from commentsvc.storage.sqlite_checkpoints import Checkpointer
from commentsvc.storage.sqlite_faults import concerns_database
from commentsvc.storage.sqlite_file import SqliteFile

LOG: Final = logging.getLogger(__name__)
LOCK_SECONDS: Final = 5.0  # as long as SQLite waits for a lock (busy_timeout)
# Of SQLite's virtual machine, between two looks at the clock: about a millisecond.
STEPS_PER_CHECK: Final = 100_000


class SqliteTransaction:
    """Statements of one transaction, run in the connection's thread."""

    never_waits = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.schema_checked = False
        self._connection = connection

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        return self._execute(sql, values).fetchall()

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        rows = self._execute(sql, values).fetchall()
        return rows[0] if rows else None

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``."""
        return self._execute(sql, values).rowcount

    async def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """See ``Statements``."""
        text, names = number_parameters(sql)
        self._connection.executemany(text, (tuple(map(row.__getitem__, names)) for row in rows))

    async def later(self, sql: str, /, **values: Any) -> None:
        """See ``Statements``. There is no round trip to save."""
        self._execute(sql, values)

    def _execute(self, sql: str, values: Mapping[str, Any]) -> sqlite3.Cursor:
        if not values:
            return self._connection.execute(sql)  # a colon may be something else, as in the schema
        text, names = number_parameters(sql)
        return self._connection.execute(text, [values[name] for name in names])


def rewrite(connection: sqlite3.Connection, file: SqliteFile) -> bool:
    """Rewrite the file, which nobody else uses; return whether this was done.

    SQLite overwrites what it deletes, but not the copies that stay in the free space of a page when rows move to
    another one. Other processes would take the smaller file for another one.
    """
    file.expect_smaller(expected=True)  # if it fails, until the next start: a later checkpoint may shorten the file
    end = time.monotonic() + LOCK_SECONDS
    try:
        connection.execute("VACUUM")
        # The thread of checkpoints may be at work: then this one is refused.
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
    except sqlite3.Error as error:  # such as a full disk: the file is as it was
        LOG.warning("could not rewrite the database after an erasure: %s", error)
        return False
    file.expect_smaller(expected=False)
    return True


@lru_cache(maxsize=512)
def number_parameters(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return the statement with ``?1`` for each ``:name``, and the names in the order of their numbers.

    SQLite looks each name up in a list of all names: 500 ids took 12 ms instead of 2, and an INSERT of a comment 8 µs
    instead of 5.
    """
    return dialect.number_parameters(sql, "?")


class Job:
    """A unit of work with a copy of its caller's context, so that its log lines carry the request id."""

    def __init__(self, work: Work[Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()

    def run(self, statements: SqliteTransaction) -> Any:
        """Run the unit to its end. Call it in the connection's thread."""
        return self._context.run(_run_unit, self._work(statements))


def run_read(connection: sqlite3.Connection, job: Job) -> Any:
    """Run a unit that reads; all its statements see the same moment."""
    connection.execute("BEGIN")
    try:
        return job.run(SqliteTransaction(connection))
    finally:
        connection.execute("ROLLBACK")


def run_search(connection: sqlite3.Connection, job: Job, seconds: float) -> Any:
    """Run a unit that reads, and interrupt it after these seconds.

    Raises:
        Unavailable: it was interrupted.
    """
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS_PER_CHECK)
    try:
        return run_read(connection, job)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_INTERRUPT":
            raise
        raise Unavailable(SEARCH_TOO_SLOW) from error
    finally:
        connection.set_progress_handler(None, 0)


@dataclass(frozen=True)
class Batch:
    """The end of a batch: each unit's result or exception, and whether changes are on disk.

    ``stored`` is None if no unit that succeeded has changed anything: then the commit wrote nothing.
    """

    outcomes: list[Any]
    stored: bool | None


@dataclass(frozen=True)
class Files:
    """The files of a database, which the writer shares with other processes and with the checkpoints."""

    database: SqliteFile
    lock: WriterLock
    checkpoints: Checkpointer


def commit_batch(connection: sqlite3.Connection, jobs: list[Job], files: Files) -> Batch:
    """Run units, and commit them together. A unit that fails does not affect the others: each has a savepoint."""
    if not files.lock.acquire(LOCK_SECONDS):
        busy = sqlite3.OperationalError("another process does not finish its write")
        return Batch([unavailable(busy) for _ in jobs], stored=False)
    try:
        rows_before = connection.total_changes
        ended = _commit(connection, jobs, files)
        files.checkpoints.note_changes(connection.total_changes - rows_before)
    finally:
        files.lock.release()
    return ended


def _commit(connection: sqlite3.Connection, jobs: list[Job], files: Files) -> Batch:
    changed: list[bool] = []
    outcomes: list[Any] = []
    try:
        files.checkpoints.restart_if_due(connection)
        connection.execute("BEGIN IMMEDIATE")
        statements = SqliteTransaction(connection)
        try:
            run = _run_in_savepoint if len(jobs) > 1 else _run_alone
            for job in jobs:
                before = connection.total_changes
                outcomes.append(run(connection, statements, job))
                changed.append(connection.total_changes > before and not isinstance(outcomes[-1], BaseException))
            files.database.check_identity()  # nothing is acknowledged that the next start would not find
            try:
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_IOERR"):
                    raise
                files.database.refuse(error)
                # After a crash, the next start may find in the log what this process does not see any more.
                unknown = [outcome_unknown(error) if one else unavailable(error) for one in changed]
                return Batch(unknown, stored=False)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Batch([files.database.refuse(error) for _ in jobs], stored=False)
    return Batch(outcomes, stored=any(changed) or None)


def _run_in_savepoint(connection: sqlite3.Connection, statements: SqliteTransaction, job: Job) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        outcome = job.run(statements)
    except Exception as error:
        if concerns_database(error):
            raise  # SQLite may have rolled back the whole transaction
        connection.execute("ROLLBACK TO job")
        outcome = error
    connection.execute("RELEASE job")
    return outcome


def _run_alone(connection: sqlite3.Connection, statements: SqliteTransaction, job: Job) -> Any:
    """Run the only unit of a transaction, which ends with it if it fails.

    A savepoint copies every page that a statement changes, and each statement with a trigger then walks through the
    list of these copies: this took half of the time of a unit with 100 comments.
    """
    try:
        return job.run(statements)
    except Exception as error:
        if concerns_database(error):
            raise
        connection.execute("ROLLBACK")
        return error


def _run_unit(work: Coroutine[Any, Any, Any]) -> Any:
    # The statements of a unit never suspend, so one step runs it to its end.
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise RuntimeError("A unit of work may await its own statements only.")
