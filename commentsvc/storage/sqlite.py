"""SQLite driver: one writer with group commit, and readers.

Each aiosqlite connection has a thread. A unit of work runs in that thread from beginning to end, so a cancelled or
concurrent request cannot leave a transaction open (docs/decisions/0003-one-writer.md).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

from commentsvc.domain.errors import ConfigurationError, DatabaseAway, Unavailable
from commentsvc.storage import data_folder, durable_files, sqlite_connection
from commentsvc.storage.database import (
    SEARCH_SECONDS,
    SEARCHES,
    Row,
    Statements,
    Work,
)
from commentsvc.storage.file_lock import WriterLock
from commentsvc.storage.outcomes import settle
from commentsvc.storage.snapshots import SnapshotLimit
from commentsvc.storage.sqlite_changes import ChangeReader, authorize_public_read
from commentsvc.storage.sqlite_checkpoints import Checkpointer
from commentsvc.storage.sqlite_connection import ThreadConnection
from commentsvc.storage.sqlite_faults import concerns_database, describe_damage, find_damage, may_pass
from commentsvc.storage.sqlite_file import FileLost, SqliteFile
from commentsvc.storage.sqlite_snapshot import open_snapshot
from commentsvc.storage.sqlite_units import Batch, Files, Job, commit_batch, rewrite, run_read, run_search
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")

MAX_QUEUED_UNITS: Final = 1000
MAX_BATCH_SIZE: Final = 64
READERS: Final = 2  # of each kind
MIN_SQLITE_VERSION: Final = (3, 37, 0)  # the oldest with RETURNING, UPSERT and all PRAGMAs of sqlite_connection.py

Readers: TypeAlias = asyncio.LifoQueue[ThreadConnection]


class SqliteDatabase:
    """See ``Database``."""

    def __init__(self, writer: ThreadConnection, file: SqliteFile) -> None:
        self.writes = WriteRecord()
        self._changes = ChangeReader(file.path)
        self._file = file
        checkpoints = Checkpointer(file.path, lambda: sqlite_connection.connect_here(file.path))
        self._files = Files(file, WriterLock(file.path), checkpoints)
        self._writer = writer
        self._private: Readers = asyncio.LifoQueue()
        self._public: Readers = asyncio.LifoQueue()
        self._searching: Readers = asyncio.LifoQueue()
        self._snapshots = SnapshotLimit()
        self._queue: asyncio.Queue[tuple[Job, asyncio.Future[Any]]] = asyncio.Queue(MAX_QUEUED_UNITS)
        self._writer_task = asyncio.create_task(self._write_batches(), name="writer")

    @classmethod
    async def open(cls, path: Path) -> "SqliteDatabase":
        """Open the database file; create it if it does not exist.

        Raises:
            DatabaseAway: another program locks the file, or its disk is full.
            ConfigurationError: the file cannot be opened, is on a network share, or SQLite is too old.
        """
        _require_library()
        data_folder.require_usable(path)
        opened: list[ThreadConnection] = []
        try:
            durable_files.create_folder(path.parent)
            sqlite3.connect(path).close()  # if aiosqlite fails to open a file, its thread may print a traceback
            data_folder.hide_from_others(path)
            while len(opened) < 1 + 2 * READERS + SEARCHES:
                opened += [await sqlite_connection.connect(path)]
            writer, *readers = opened
            await writer.execute(f"PRAGMA cache_size={sqlite_connection.WRITER_CACHE}")
            database = cls(writer, SqliteFile(path))
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            for connection in opened:
                await connection.close()
            raise _explain_failure(path, error) from None
        searching, readers = readers[:SEARCHES], readers[SEARCHES:]
        for reader in searching:
            database._searching.put_nowait(reader)
        for reader in readers[:READERS]:
            database._private.put_nowait(reader)
        for reader in readers[READERS:]:
            await reader.set_authorizer(authorize_public_read)
            database._public.put_nowait(reader)
        return database

    async def write(self, work: Work[T], /, key: str = "") -> T:  # noqa: ARG002 -- there is one queue
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
            self._file.check_damage()
        except (FileLost, FileNotFoundError):
            raise Unavailable("The database file was moved, replaced or deleted. Restart the service.") from None

    async def read(self, work: Work[T], /, *, late: bool = False) -> T:  # noqa: ARG002 -- there is no replica
        """See ``Database``."""
        return await self._read_with(self._public, work)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await self._read_with(self._private, work)

    async def search(self, work: Work[T], /, seconds: float = SEARCH_SECONDS) -> T:
        """See ``Database``."""
        return await self._read_with(self._searching, work, partial(run_search, seconds=seconds))

    async def _read_with(
        self, readers: Readers, work: Work[T], run: Callable[[sqlite3.Connection, Job], Any] = run_read
    ) -> T:
        reader = await readers.get()
        reading = asyncio.ensure_future(reader.run_in_thread(run, Job(work)))
        # A cancelled caller does not stop the unit, so the reader is free only when the unit is done.
        reading.add_done_callback(lambda _: readers.put_nowait(reader))
        try:
            return cast(T, await asyncio.shield(reading))
        except sqlite3.Error as error:
            if not concerns_database(error):
                raise
            raise self._file.refuse(error) from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Statements]:
        """See ``Database``."""
        try:
            async with self._snapshots.hold(), open_snapshot(self._file.path) as statements:
                yield statements
        except sqlite3.Error as error:
            if not concerns_database(error):
                raise
            raise self._file.refuse(error) from error

    def count_changes(self) -> int | None:
        """See ``Database``. None also if the file cannot be read now."""
        try:
            return self._changes.count_changes()
        except sqlite3.Error:
            return None

    async def read_rows(
        self,
        sql: str,
        values: Mapping[str, Any],
        /,
        *,
        late: bool = False,  # noqa: ARG002 -- there is no replica
    ) -> Sequence[Row]:
        """See ``Database``. It runs on the event loop, for some ten microseconds."""
        try:
            return self._changes.read_rows(sql, values)
        except sqlite3.Error as error:
            if not concerns_database(error):
                raise
            raise self._file.refuse(error) from error

    async def find_damage(self) -> str | None:
        """See ``Database``."""
        return await self._writer.run_in_thread(find_damage)

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

    async def find_reader_problem(self) -> None:
        """See ``Database``. The authorizer protects each connection."""

    async def measure_replica_lag(self) -> None:
        """See ``Database``. There is no replica."""

    async def protect(self) -> None:
        """See ``Database``. The authorizer protects each connection from the moment that it is opened."""

    def empty_log(self) -> None:
        """See ``Database``. Readers may delay it."""
        self._files.checkpoints.empty_soon()

    async def rewrite(self) -> bool:
        """See ``Database``. It needs as much memory as the file is large."""
        return await self._writer.run_in_thread(rewrite, self._file)

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
        await asyncio.to_thread(self._files.checkpoints.close)
        self._files.lock.close()
        self._changes.close()
        for readers, number in ((self._public, READERS), (self._private, READERS), (self._searching, SEARCHES)):
            for _ in range(number):
                await (await readers.get()).close()
        await self._writer.close()

    async def _write_batches(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH_SIZE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                with self.writes.waiting():
                    ended = await self._writer.run_in_thread(commit_batch, [job for job, _ in batch], self._files)
            except Exception as error:  # noqa: BLE001 -- the writer must go on with the next batch
                ended = Batch([error for _ in batch], stored=False)
            self.writes.note(ended.stored)
            for (_, done), outcome in zip(batch, ended.outcomes, strict=True):
                settle(done, outcome)
                self._queue.task_done()


def _require_library() -> None:
    if sqlite3.sqlite_version_info < MIN_SQLITE_VERSION:
        needed = ".".join(map(str, MIN_SQLITE_VERSION))
        raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old. Install {needed} or newer.")
    memory = sqlite3.connect(":memory:")
    try:
        memory.execute("CREATE VIRTUAL TABLE probe USING fts5 (words)")
    except sqlite3.OperationalError:
        raise ConfigurationError("This SQLite was built without FTS5. Install one with full-text search.") from None
    finally:
        memory.close()


def _explain_failure(path: Path, error: Exception) -> ConfigurationError:
    if may_pass(error):
        return DatabaseAway(
            f"COMMENTSVC_DATABASE_URL: the database at {path} cannot be used now ({error}). "
            "End other programs that use it, and make sure that its disk works and has free space."
        )
    if damage := describe_damage(error):
        return ConfigurationError(
            f"COMMENTSVC_DATABASE_URL: the file {path} is damaged, or no database ({damage}). "
            "Restore it from a backup, or name another file."
        )
    return ConfigurationError(
        f"COMMENTSVC_DATABASE_URL: could not open the database at {path} ({error}). "
        "Name an SQLite file in a folder that this user can write to."
    )
