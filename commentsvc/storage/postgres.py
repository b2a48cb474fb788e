"""PostgreSQL driver: a pool for writes and private reads, and a pool for public reads with a login of its own.

Everything happens in transactions and no connection has a state, so a pooler may give each transaction another
connection of the server (PgBouncer in transaction mode).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypeVar

import asyncpg

from commentsvc.config import settings
from commentsvc.config.postgres_url import REPLICA, parse_postgres_url
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.storage import dialect, postgres_reader
from commentsvc.storage.database import (
    SEARCH_SECONDS,
    SEARCHES,
    Row,
    Statements,
    Work,
)
from commentsvc.storage.patience import BACKGROUND_SECONDS, LEAST_SECONDS, Patience, present_patience
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_errors import refusal_of
from commentsvc.storage.postgres_login import Login, check_server, explained
from commentsvc.storage.postgres_pool import Pool
from commentsvc.storage.postgres_replica import Replica, ReplicaFailed
from commentsvc.storage.postgres_search import limit_search, turn_of
from commentsvc.storage.postgres_snapshot import open_snapshot
from commentsvc.storage.postgres_units import PostgresTransaction, run_exclusive, run_read, with_retries
from commentsvc.storage.postgres_writer import PostgresWriter
from commentsvc.storage.snapshots import SnapshotLimit
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")

DATABASE_URL = "COMMENTSVC_DATABASE_URL"
READER_URL = "COMMENTSVC_READER_DATABASE_URL"
TABLES = "(SELECT tablename AS tbl_name FROM pg_tables WHERE schemaname = ANY (current_schemas(false))) AS found"
SCHEMA_LOCK = 4_041_961_220_260_101  # an arbitrary number, the same for every server
# A unit that reads is read-only itself, so the default for other units counts.
READONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS readonly"
LOG = logging.getLogger(__name__)
# Of creating a role: not allowed, or created by another service at the same moment.
EXPECTED = (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError)


class PostgresDatabase:
    """See ``Database``."""

    def __init__(self, pool: Pool, readers: Pool) -> None:
        self.writes = WriteRecord()
        self._login = pool.login
        self._reader = readers.login
        self._pool = pool
        self._writer = PostgresWriter(pool, self.writes)
        self._own_readers = readers
        self._readers = pool
        self._searches = asyncio.Semaphore(min(SEARCHES, max(1, pool.size // 2)))  # writes use the same pool
        self._snapshots = SnapshotLimit()
        self._restricted = False  # whether readers have a pool of their own, which cannot read private data
        self._replica: Replica | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        keyring: Keyring,
        *,
        reader_url: str = "",
        prepared_statements: Literal["auto", "on", "off"] = "auto",
        database_connections: int = settings.DATABASE_CONNECTIONS,
        reader_connections: int = settings.READER_CONNECTIONS,
        replica_url: str = "",
        replica_lag_ms: int = settings.READ_LAG_MS,
    ) -> "PostgresDatabase":
        """Connect to the server. Without ``reader_url``, readers log in with a role that ``protect`` creates.

        ``auto`` keeps prepared statements unless a pooler is in between. The user in ``replica_url`` is used only if
        ``reader_url`` is given.

        Raises:
            DatabaseAway: the server does not answer now.
            ConfigurationError: the server rejects a user, or cannot hold our data.
        """
        given = Login(parse_postgres_url(READER_URL, reader_url)) if reader_url else None
        login = Login(parse_postgres_url(DATABASE_URL, url))
        server = await check_server(login)
        login = replace(login, address=server.address)
        reader = given or login.as_user(*keyring.reader_login)
        pooled = server.pooled or login.address.pooler
        keep = not pooled if prepared_statements == "auto" else prepared_statements == "on"
        database = cls(
            Pool(login, database_connections, keep_statements=keep),
            Pool(reader, reader_connections, keep_statements=keep),
        )
        if replica_url:
            there = Login(parse_postgres_url(REPLICA, replica_url))
            database._use_replica(there if given else there.as_user(*keyring.reader_login), replica_lag_ms / 1000)
        await database._choose_readers(given=given is not None)
        return database

    async def _choose_readers(self, *, given: bool) -> None:
        try:
            if await self._has_reader_role() or given:
                await self._restrict_readers()
        except BaseException:
            self._pool.terminate()
            raise

    def _use_replica(self, login: Login, max_lag: float) -> None:
        keep = self._pool.keeps_statements and not login.address.pooler
        pool = Pool(login, self._own_readers.size, keep_statements=keep)
        self._replica = Replica(pool, self._pool, self.writes, max_lag)

    async def write(self, work: Work[T], /, key: str = "") -> T:
        """See ``Database``."""
        return await self._writer.write(work, key)

    async def read(self, work: Work[T], /, *, late: bool = False) -> T:
        """See ``Database``."""
        return await self._read(lambda connection: run_read(connection, work), late=late)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        with explained(self._login.address, only=(asyncpg.InsufficientPrivilegeError,)):
            return await _shield(
                with_retries(self._pool, lambda connection: run_read(connection, work), present_patience())
            )

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Statements]:
        """See ``Database``."""
        async with self._snapshots.hold(), open_snapshot(self._pool) as statements:
            yield statements

    def count_changes(self) -> None:
        """See ``Database``. A notice from the server arrives after the commit, so no number would be exact."""

    async def read_rows(self, sql: str, values: Mapping[str, Any], /, *, late: bool = False) -> Sequence[Row]:
        """See ``Database``. One statement needs no transaction: this is one round trip instead of three."""
        return await self._read(lambda connection: PostgresTransaction(connection).all(sql, **values), late=late)

    async def _read(self, run: Callable[[Connection], Coroutine[Any, Any, T]], *, late: bool) -> T:
        patience = present_patience()
        if late and self._replica is not None and self._replica.is_current():
            patience.begin()  # if the replica hangs, the primary has the rest of the time
            with suppress(ReplicaFailed):
                outcome = await _shield(self._replica.read(run))
                patience.end()
                return outcome
        return await _shield(with_retries(self._readers, run, patience))

    async def search(self, work: Work[T], /, seconds: float = SEARCH_SECONDS) -> T:
        """See ``Database``."""

        async def wait_and_search() -> T:
            patience = present_patience()
            deadline = patience.begin()
            async with turn_of(self._searches, deadline):
                limited, limit = limit_search(work, seconds), Patience(max(seconds, LEAST_SECONDS), deadline)
                outcome = await with_retries(self._pool, lambda connection: run_read(connection, limited), limit)
            patience.end()  # the search may have taken longer than the rest of the request may wait
            return outcome

        return await _shield(wait_and_search())

    async def write_exclusively(self, work: Work[T], /) -> T:
        """See ``Database``. An advisory lock makes other servers wait."""

        async def locked(statements: Statements) -> T:
            await statements.run(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            return await work(statements)

        try:
            return await _shield(
                with_retries(self._pool, lambda connection: run_exclusive(connection, locked), Patience(None))
            )
        except (Unavailable, asyncpg.PostgresError) as error:
            cause = error.__cause__ if isinstance(error, Unavailable) else error
            refusal = cause and refusal_of(cause, self._login.address)
            if not refusal:
                raise
            raise refusal from error

    async def check_storage(self, free_bytes: int) -> None:  # noqa: ARG002 -- the server watches its own disk
        """See ``Database``."""

        async def is_readonly(statements: Statements) -> bool:
            row = await statements.one(READONLY)
            return row is not None and bool(row["readonly"])

        if await self.read_private(is_readonly):
            raise Unavailable("The PostgreSQL server is read-only.")

    async def find_damage(self) -> str | None:
        """See ``Database``. The server checks its own files."""

    async def find_reader_problem(self) -> str | None:
        """See ``Database``. The role of readers is not created here."""
        return None if self._restricted else await self._restrict_readers()

    async def measure_replica_lag(self) -> float | None:
        """See ``Database``."""
        return None if self._replica is None else await self._replica.measure_lag()

    async def protect(self) -> None:
        """See ``Database``. Log a warning if the database has no user that can read public columns only."""
        refused = await self._grant_reading()
        problem = None if self._restricted else await self._restrict_readers()
        if problem:
            LOG.warning(
                "Read connections are not restricted to public columns. %s "
                "Set COMMENTSVC_READER_DATABASE_URL; see docs/operating.md.",
                refused or problem,
            )

    def empty_log(self) -> None:
        """See ``Database``. The server removes old segments itself."""

    async def rewrite(self) -> bool:
        """See ``Database``. An operator runs VACUUM FULL."""
        return False

    async def read_clock(self) -> datetime:
        """See ``Database``."""

        async def read(statements: Statements) -> datetime:
            row = await statements.one("SELECT clock_timestamp() AS time")
            assert row is not None  # noqa: S101 -- for the type checker
            found: datetime = row["time"]
            return found

        return await self.read_private(read)

    def schema_sql(self, statement: str) -> str:
        """See ``Database``. SQLite numbers the rows of an INTEGER PRIMARY KEY by itself; so does an identity column."""
        statement = dialect.schema_in_postgres(statement).replace("sqlite_master", TABLES)
        return statement.replace("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")

    async def close(self) -> None:
        """See ``Database``."""
        await self._writer.finish()
        if self._replica is not None:
            await self._replica.close()
        await asyncio.gather(self._own_readers.close(), self._pool.close())

    async def _has_reader_role(self) -> bool:
        with explained(self._login.address):
            # In a transaction: a pooler may allow none.
            async with self._pool.acquire(seconds=BACKGROUND_SECONDS) as connection, connection.transaction():
                return await postgres_reader.role_exists(connection, self._reader.address.user)

    async def _grant_reading(self) -> str | None:
        """Create the role of readers if it is ours, and let it read; return why the server refuses this."""
        ours = self._reader.password is not None
        user = self._reader.address.user if ours else (await postgres_reader.find_rights(self._reader)).user
        try:
            with explained(self._login.address, but=EXPECTED):
                async with self._pool.acquire(seconds=BACKGROUND_SECONDS) as connection, connection.transaction():
                    await connection.execute(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                    if ours:
                        await postgres_reader.create_role(connection, self._reader)
                    await postgres_reader.grant_reading(connection, user)
        except asyncpg.InsufficientPrivilegeError as error:
            return f"PostgreSQL refused to create or grant the role {user}: {error}."
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            return await self._grant_reading()  # a service with another database has just created the role
        return None

    async def _restrict_readers(self) -> str | None:
        """Let readers log in as their own user; return why they cannot.

        Raises:
            ConfigurationError: the setting for readers is wrong.
        """
        try:
            rights = await postgres_reader.find_rights(self._reader)
        except ConfigurationError:
            if self._reader.address.variable == READER_URL:
                raise
            return f"The role {self._reader.address.user} cannot log in: pg_hba.conf or a pooler may not allow it."
        if rights.problem is None:
            self._readers = self._own_readers
            self._restricted = True
        return rights.problem


async def _shield(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.shield(asyncio.ensure_future(work))
