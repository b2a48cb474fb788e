"""SQLite driver: one writer with group commit, and readers.

Each aiosqlite connection has a thread. A unit of work runs in that thread from beginning to end, so a cancelled or
concurrent request cannot leave a transaction open (docs/decisions/0003-one-writer.md).
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar, cast

import aiosqlite

from commentsvc.domain.errors import ConfigurationError, DatabaseAway, Unavailable
from commentsvc.storage import data_folder
from commentsvc.storage.database import PUBLIC_TABLES, Work
from commentsvc.storage.sqlite_file import FileLost, SqliteFile
from commentsvc.storage.sqlite_units import Batch, Job, commit_batch, run_read, unavailable
from commentsvc.storage.write_record import WriteRecord

P = ParamSpec("P")
T = TypeVar("T")

MAX_QUEUED_UNITS: Final = 1000
MAX_BATCH_SIZE: Final = 64
READERS: Final = 2  # of each kind: a long backtest must not delay key checks
ROWS_PER_FETCH: Final = 64  # aiosqlite's default
# The oldest SQLite with RETURNING, UPSERT and all PRAGMAs below.
MIN_SQLITE_VERSION: Final = (3, 37, 0)

AWAY_ERRORS: Final = ("SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_LOCKED", "SQLITE_FULL")

# No PRAGMA is left to its default. synchronous=2 is FULL: an acknowledged comment survives a power cut.
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


class ThreadConnection(aiosqlite.Connection):
    """A connection that can run a whole function in its thread. The public calls run one statement at a time."""

    async def run_in_thread(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function(connection, *args, **kwargs)`` in the thread and return its result."""
        # The only private names of aiosqlite that we use. Its version is pinned (decision 0003).
        execute: Callable[..., Awaitable[T]] = self._execute
        return await execute(function, self._conn, *args, **kwargs)


Readers: TypeAlias = asyncio.LifoQueue[ThreadConnection]


class SqliteDatabase:
    """See ``Database``."""

    def __init__(self, writer: ThreadConnection, file: SqliteFile) -> None:
        self.writes = WriteRecord()
        self._file = file
        self._writer = writer
        self._private: Readers = asyncio.LifoQueue()
        self._public: Readers = asyncio.LifoQueue()
        self._queue: asyncio.Queue[tuple[Job, asyncio.Future[Any]]] = asyncio.Queue(MAX_QUEUED_UNITS)
        self._writer_task = asyncio.create_task(self._write_batches(), name="writer")

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open the database file; create it if it does not exist.

        Raises:
            DatabaseAway: another program locks the file, or its disk is full.
            ConfigurationError: the file cannot be opened, is on a network share, or SQLite is too old.
        """
        if sqlite3.sqlite_version_info < MIN_SQLITE_VERSION:
            needed = ".".join(map(str, MIN_SQLITE_VERSION))
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old. Install {needed} or newer.")
        data_folder.require_usable(path)
        opened: list[ThreadConnection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            sqlite3.connect(path).close()  # if aiosqlite fails to open a file, its thread may print a traceback
            while len(opened) < 1 + 2 * READERS:
                opened += [await _connect(path)]
        except (OSError, sqlite3.Error) as error:
            for connection in opened:
                await connection.close()
            if getattr(error, "sqlite_errorname", "") in AWAY_ERRORS:
                raise DatabaseAway(
                    f"COMMENTSVC_DATABASE_URL: the database at {path} cannot be used now ({error}). "
                    "End other programs that use it, and make sure that its disk has free space."
                ) from None
            raise ConfigurationError(
                f"COMMENTSVC_DATABASE_URL: could not open the database at {path} ({error}). "
                "Name an SQLite file in a folder that this user can write to."
            ) from None
        writer, *readers = opened
        database = cls(writer, SqliteFile(path))
        for reader in readers[:READERS]:
            database._private.put_nowait(reader)
        for reader in readers[READERS:]:
            await reader.set_authorizer(_authorize_public_read)
            database._public.put_nowait(reader)
        return database

    async def write(self, work: Work[T], /) -> T:
        """See ``Database``."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((Job(work), done))
        except asyncio.QueueFull:
            raise Unavailable("Too many comments are arriving at once. Please try again.") from None
        return await asyncio.shield(done)

    async def check_storage(self, free_bytes: int) -> None:
        """See ``Database``."""
        if self._queue.full():
            raise Unavailable("Too many writes are waiting for the database.")
        try:
            await asyncio.to_thread(self._file.check_identity)  # a disk that hangs must not stop the service
            await asyncio.to_thread(self._file.check_space, free_bytes)
        except (FileLost, FileNotFoundError):
            raise Unavailable("The database file was moved, replaced or deleted. Restart the service.") from None

    async def read(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _read_with(self._public, work)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _read_with(self._private, work)

    async def write_exclusively(self, work: Work[T], /) -> T:
        """See ``Database``. BEGIN IMMEDIATE excludes other processes."""
        try:
            return await self.write(work)
        except Unavailable as error:
            if not str(error.__cause__).endswith("already exists"):
                raise
            raise ConfigurationError(
                f"COMMENTSVC_DATABASE_URL: the database {self._file.path} belongs to another program "
                f"({error.__cause__}). Name a new file."
            ) from None

    async def protect(self) -> None:
        """See ``Database``. The authorizer protects each connection from the moment that it is opened."""

    async def read_clock(self) -> None:
        """See ``Database``. The file is on this computer."""

    def schema_sql(self, statement: str) -> str:
        """See ``Database``. The schema is written for SQLite."""
        return statement

    async def close(self) -> None:
        """See ``Database``."""
        await self._queue.join()
        self._writer_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._writer_task
        for readers in (self._public, self._private):
            for _ in range(READERS):
                await (await readers.get()).close()
        await self._writer.close()

    async def _write_batches(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH_SIZE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                with self.writes.waiting():
                    ended = await self._writer.run_in_thread(commit_batch, [job for job, _ in batch], self._file)
            except Exception as error:  # noqa: BLE001 -- the writer must go on with the next batch
                ended = Batch([error for _ in batch], stored=False)
            self.writes.note(ended.stored)
            for (_, done), outcome in zip(batch, ended.outcomes, strict=True):
                _set_outcome(done, outcome)
                self._queue.task_done()


def _set_outcome(done: asyncio.Future[Any], outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
        done.exception()  # marks it as read: if the caller was cancelled, asyncio would log a warning
    else:
        done.set_result(outcome)


async def _connect(path: Path) -> ThreadConnection:
    connection = ThreadConnection(
        lambda: sqlite3.connect(path, isolation_level=None, cached_statements=256), ROWS_PER_FETCH
    )
    await connection
    try:
        await connection.run_in_thread(_configure)
    except sqlite3.Error:
        await connection.close()  # a running thread would keep the process alive
        raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != value:
            raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {value}")


def _authorize_public_read(action: int, table: str | None, _column: str | None, _database: str, _source: str) -> int:
    # https://sqlite.org/c3ref/set_authorizer.html
    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
    if action == sqlite3.SQLITE_READ and table in PUBLIC_TABLES:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


async def _read_with(readers: Readers, work: Work[T]) -> T:
    reader = await readers.get()
    reading = asyncio.ensure_future(reader.run_in_thread(run_read, Job(work)))
    # A cancelled caller does not stop the unit, so the reader is free only when the unit is done.
    reading.add_done_callback(lambda _: readers.put_nowait(reader))
    try:
        return cast(T, await asyncio.shield(reading))
    except sqlite3.OperationalError as error:
        raise unavailable(error) from error
