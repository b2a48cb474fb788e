"""Connections to an SQLite file, with a thread of their own and with every setting that we rely on."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")

# Of the writer. A batch that changes more pages than fit here writes some of them again and again.
WRITER_CACHE: Final = -32 * 1024  # KiB; it is filled only by batches that need it
ROWS_PER_FETCH: Final = 64  # aiosqlite's default

# None is left to its default. synchronous=2 is FULL: an acknowledged comment survives a power cut.
PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "wal_autocheckpoint": 10_000,  # pages; only if sqlite_checkpoints.py cannot keep up
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


async def connect(path: Path) -> ThreadConnection:
    """Open a connection with a thread of its own.

    Raises:
        sqlite3.Error: the file cannot be opened, or a setting is refused.
    """
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


def connect_here(path: Path) -> sqlite3.Connection:
    """Open a connection for the thread that calls.

    Raises:
        sqlite3.Error: the file cannot be opened, or a setting is refused.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    _configure(connection)
    return connection


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that exists, for reading, in the thread that calls. A file that nobody uses stays as it is.

    Raises:
        sqlite3.Error: the file is missing, or cannot be opened.
    """
    beside = ("-wal", "-shm", ".lock")  # the last one is of a service, which may open the file at any moment
    is_used = any(path.with_name(f"{path.name}{suffix}").exists() for suffix in beside)
    # A copy in WAL mode cannot be opened in a read-only folder otherwise: https://sqlite.org/wal.html#read_only_databases
    options = "mode=ro" if is_used else "mode=ro&immutable=1"
    address = f"{path.absolute().as_uri()}?{options}"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = 0")
        yield connection


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != value:
            raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {value}")
