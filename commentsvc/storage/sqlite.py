"""SQLite by aiosqlite: one writer that commits together what waits together, and readers beside it.

A connection of aiosqlite is a thread. A unit of work runs there from beginning to end, in one hop, so
neither a cancelled request nor a second one can ever leave a transaction half open.
"""

import asyncio
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiosqlite

from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.storage.database import PUBLIC_TABLES, Row, Work

T = TypeVar("T")

MOST_WAITING: Final = 1000
MOST_TOGETHER: Final = 64
READERS: Final = 2  # of each kind: a long back-test must not delay key checks
# 3.37: the oldest SQLite with all of RETURNING, UPSERT and the checks below.
OLDEST: Final = (3, 37, 0)

# Nothing is left to a default. FULL: an acknowledged comment survives a power cut.
PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "wal_autocheckpoint": 1000,
    "journal_size_limit": 64 * 1024 * 1024,
    "secure_delete": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
    "temp_store": 2,
}


class SqliteTransaction:
    """Statements on the connection of the thread that runs them."""

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
    """A unit of work, with a copy of its caller's context: log lines written inside it carry the request id."""

    def __init__(self, work: Work[Any]) -> None:
        self._work = work
        self._context = contextvars.copy_context()

    def run(self, connection: sqlite3.Connection) -> Any:
        """Run the unit to its end in the thread of this connection."""
        return self._context.run(_driven, self._work(SqliteTransaction(connection)))


class SqliteDatabase:
    """See ``Database``."""

    def __init__(self, writer: aiosqlite.Connection) -> None:
        self._writer = writer
        self._private: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._public: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._waiting: asyncio.Queue[tuple[Job, asyncio.Future[Any]]] = asyncio.Queue(MOST_WAITING)
        self._writing = asyncio.create_task(self._write_forever(), name="writer")

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open the file, made if need be.

        Raises:
            Misconfigured: it cannot be opened, or this SQLite is too old.
        """
        if sqlite3.sqlite_version_info < OLDEST:
            raise ConfigurationError(f"SQLite {'.'.join(map(str, OLDEST))} or newer is needed.")
        opened: list[aiosqlite.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while len(opened) < 1 + 2 * READERS:
                opened += [await _connect(path)]
        except (OSError, sqlite3.Error) as error:
            for connection in opened:
                await connection.close()
            raise ConfigurationError(
                f"COMMENTSVC_DATABASE_URL: the database at {path} cannot be opened ({error}). "
                "It must be an SQLite file in a folder that this user may write to."
            ) from None
        writer, *readers = opened
        database = cls(writer)
        for reader in readers[:READERS]:
            database._private.put_nowait(reader)
        for reader in readers[READERS:]:
            await reader.set_authorizer(_only_public)
            database._public.put_nowait(reader)
        return database

    async def write(self, work: Work[T], /) -> T:
        """See ``Database``."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((Job(work), done))
        except asyncio.QueueFull:
            raise Unavailable("Too many comments are arriving at once. Please send it again.") from None
        return await asyncio.shield(done)

    async def read(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _read_with(self._public, work)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _read_with(self._private, work)

    async def alone(self, work: Work[T], /) -> T:
        """See ``Database``. BEGIN IMMEDIATE lets one process in at a time."""
        return await self.write(work)

    async def protect(self) -> None:
        """See ``Database``. The authorizer does it, from the moment a connection is opened."""

    def schema_sql(self, statement: str) -> str:
        """See ``Database``. The schema is written for SQLite."""
        return statement

    async def close(self) -> None:
        """See ``Database``."""
        await self._waiting.join()
        self._writing.cancel()
        with suppress(asyncio.CancelledError):
            await self._writing
        for readers in (self._public, self._private):
            for _ in range(READERS):
                await (await readers.get()).close()
        await self._writer.close()

    async def _write_forever(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MOST_TOGETHER and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                outcomes = await _in_thread(self._writer, _commit_together, [job for job, _ in batch])
            except Exception as error:  # noqa: BLE001 -- whatever happens, the next batch is written
                outcomes = [error for _ in batch]
            for (_, done), outcome in zip(batch, outcomes, strict=True):
                _tell(done, outcome)
                self._waiting.task_done()


def _tell(done: asyncio.Future[Any], outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
        done.exception()  # its caller may be gone; then nobody else reads it
    else:
        done.set_result(outcome)


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
    try:
        await _set_up(connection)
    except sqlite3.Error:
        await connection.close()  # its thread would keep the process alive
        raise
    return connection


async def _set_up(connection: aiosqlite.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for name, value in PRAGMAS.items():
        await connection.execute_fetchall(f"PRAGMA {name}={value}")
        (kept,) = tuple(await connection.execute_fetchall(f"PRAGMA {name}"))
        if kept[0] != value:
            raise sqlite3.OperationalError(f"PRAGMA {name} is {kept[0]}, not {value}")
    # SQLite's own LOWER knows ASCII alone.
    await connection.create_function("LOWER", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _only_public(action: int, table: str | None, _column: str | None, _database: str, _source: str) -> int:
    """An authorizer (https://sqlite.org/c3ref/set_authorizer.html) that knows the public tables alone."""
    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
    if action == sqlite3.SQLITE_READ and table in PUBLIC_TABLES:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


async def _in_thread(connection: aiosqlite.Connection, do: Callable[..., T], work: Any) -> T:
    # The one private name we take of aiosqlite: its public calls hop to the thread once a statement,
    # this one once a unit of work (docs/decisions/0003-one-writer.md). A test holds it.
    hop: Callable[..., Awaitable[T]] = connection._execute  # noqa: SLF001
    return await hop(partial(do, connection._conn, work))  # noqa: SLF001


async def _read_with(readers: "asyncio.LifoQueue[aiosqlite.Connection]", work: Work[T]) -> T:
    reader = await readers.get()
    reading = asyncio.ensure_future(_in_thread(reader, _read, Job(work)))
    reading.add_done_callback(lambda _: readers.put_nowait(reader))
    return cast(T, await _named(asyncio.shield(reading)))


def _read(connection: sqlite3.Connection, job: Job) -> Any:
    connection.execute("BEGIN")
    try:
        return job.run(connection)
    finally:
        connection.execute("ROLLBACK")


def _commit_together(connection: sqlite3.Connection, jobs: list[Job]) -> list[Any]:
    """One outcome a job: its result, or what it raised. One that fails leaves its neighbours alone."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [_one_of_many(connection, job) for job in jobs]
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return [_unavailable(error) for _ in jobs]
    return outcomes


def _one_of_many(connection: sqlite3.Connection, job: Job) -> Any:
    connection.execute("SAVEPOINT job")
    try:
        outcome = job.run(connection)
    except sqlite3.OperationalError:
        raise  # disk full, I/O error, lock: SQLite may have given up the whole transaction
    except Exception as error:  # noqa: BLE001 -- handed to the caller, who is in another task
        connection.execute("ROLLBACK TO job")
        outcome = error
    connection.execute("RELEASE job")
    return outcome


def _driven(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a unit of work, which awaits nothing but its transaction, whose calls never wait."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise RuntimeError("a unit of work awaited something other than its transaction")


async def _named(looking: asyncio.Future[Any]) -> Any:
    try:
        return await looking
    except sqlite3.OperationalError as error:
        raise _unavailable(error) from error


def _unavailable(error: sqlite3.Error) -> Unavailable:
    refusal = Unavailable("The database cannot be used at the moment. Nothing was changed; please try again.")
    refusal.__cause__ = error
    return refusal
