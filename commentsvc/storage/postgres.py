"""PostgreSQL driver: a pool for writes and private reads, and a pool for public reads with a login of its own.

Everything happens in transactions and no connection has a state, so a pooler may give each transaction another
connection of the server (PgBouncer in transaction mode).
"""

import asyncio
import logging
import re
from collections.abc import Coroutine, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeVar

import asyncpg

from commentsvc.config.postgres_url import parse_postgres_url
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.storage import postgres_reader
from commentsvc.storage.database import RetryUnit, Row, Statements, Work
from commentsvc.storage.postgres_errors import refusal_of
from commentsvc.storage.postgres_login import CONNECTION_ERRORS, Login, check_server, explained
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")

DATABASE_URL = "COMMENTSVC_DATABASE_URL"
READER_URL = "COMMENTSVC_READER_DATABASE_URL"
WRITERS = 8
READERS = 4
TABLES = "(SELECT tablename AS tbl_name FROM pg_tables WHERE schemaname = ANY (current_schemas(false))) AS found"
SCHEMA_LOCK = 4_041_961_220_260_101  # an arbitrary number, the same for every server
# A unit that reads is read-only itself, so the default for other units counts.
READONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS readonly"
LOG = logging.getLogger(__name__)
NAMED_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
# PostgreSQL has rolled the transaction back, so it can run again.
RETRYABLE_ERRORS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, RetryUnit)
MAX_ATTEMPTS = 8
# Of creating a role: not allowed, or created by another service at the same moment.
EXPECTED = (asyncpg.InsufficientPrivilegeError, asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError)


@lru_cache(maxsize=512)
def number_parameters(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return the statement with ``$1`` for each ``:name``, and the names in the order of their numbers."""
    places: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${places.setdefault(match[1], len(places) + 1)}"

    return NAMED_PARAMETER.sub(number, sql), tuple(places)


class PostgresTransaction:
    """Statements of one transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.changed = False
        self._connection = connection

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        text, names = number_parameters(sql)
        rows: Sequence[Row] = await self._connection.fetch(text, *(values[name] for name in names))
        return rows

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        text, names = number_parameters(sql)
        row: Row | None = await self._connection.fetchrow(text, *(values[name] for name in names))
        return row

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``."""
        text, names = number_parameters(sql)
        tag = await self._connection.execute(text, *(values[name] for name in names))
        rows = int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0
        self.changed |= rows > 0 and not tag.startswith("SELECT")
        return rows


class PostgresDatabase:
    """See ``Database``."""

    def __init__(self, login: Login, reader: Login, writers: asyncpg.Pool, *, keep_statements: bool) -> None:
        self.writes = WriteRecord()
        self._login = login
        self._reader = reader
        self._keep_statements = keep_statements
        self._writers = writers
        self._readers = writers
        self._restricted = False  # whether readers have a pool of their own, which cannot read private tables

    @classmethod
    async def open(
        cls,
        url: str,
        keyring: Keyring,
        *,
        reader_url: str = "",
        prepared_statements: Literal["auto", "on", "off"] = "auto",
    ) -> "PostgresDatabase":
        """Connect to the server. Without ``reader_url``, readers log in with a role that ``protect`` creates.

        ``auto`` keeps prepared statements unless a pooler is in between.

        Raises:
            DatabaseAway: the server does not answer now.
            ConfigurationError: the server rejects a user, or cannot hold our data.
        """
        given = Login(parse_postgres_url(READER_URL, reader_url)) if reader_url else None
        server = await check_server(Login(parse_postgres_url(DATABASE_URL, url)))
        login = Login(server.address)
        reader = given or login.as_user(*keyring.reader_login)
        pooled = server.pooled or login.address.pooler
        keep = not pooled if prepared_statements == "auto" else prepared_statements == "on"
        database = cls(login, reader, await login.create_pool(WRITERS, keep_statements=keep), keep_statements=keep)
        try:
            if await database._has_reader_role() or given:
                await database._restrict_readers()
        except BaseException:
            database._writers.terminate()
            raise
        return database

    async def write(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _shield(_write_noted(self._writers, work, self.writes))

    async def read(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _run_shielded(self._readers, work, readonly=True)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        with explained(self._login.address, only=(asyncpg.InsufficientPrivilegeError,)):
            return await _run_shielded(self._writers, work, readonly=True)

    async def write_exclusively(self, work: Work[T], /) -> T:
        """See ``Database``. An advisory lock makes other servers wait."""

        async def locked(statements: Statements) -> T:
            await statements.run(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            return await work(statements)

        try:
            return await self.write(locked)
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

    async def protect(self) -> None:
        """See ``Database``. Log a warning if the database has no user that can read public tables only."""
        refused = await self._grant_reading()
        problem = None if self._restricted else await self._restrict_readers()
        if problem:
            LOG.warning(
                "Read connections are not restricted to public tables. %s "
                "Set COMMENTSVC_READER_DATABASE_URL; see docs/operating.md.",
                refused or problem,
            )

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
        statement = statement.replace("sqlite_master", TABLES)
        return statement.replace("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")

    async def close(self) -> None:
        """See ``Database``."""
        if self._restricted:
            await self._readers.close()
        await self._writers.close()

    async def _has_reader_role(self) -> bool:
        with explained(self._login.address):
            # In a transaction: a pooler may allow none.
            async with self._writers.acquire() as connection, connection.transaction():
                return await postgres_reader.role_exists(connection, self._reader.address.user)

    async def _grant_reading(self) -> str | None:
        """Create the role of readers if it is ours, and let it read; return why the server refuses this."""
        ours = self._reader.password is not None
        user = self._reader.address.user if ours else (await postgres_reader.find_rights(self._reader)).user
        try:
            with explained(self._login.address, but=EXPECTED):
                async with self._writers.acquire() as connection, connection.transaction():
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
            self._readers = await self._reader.create_pool(READERS, keep_statements=self._keep_statements)
            self._restricted = True
        return rights.problem


async def _shield(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.shield(asyncio.ensure_future(work))


async def _run_shielded(pool: asyncpg.Pool, work: Work[T], *, readonly: bool) -> T:
    return await _shield(_run_with_retries(pool, work, readonly=readonly))


async def _write_noted(pool: asyncpg.Pool, work: Work[T], writes: WriteRecord) -> T:
    changed = False

    async def noting(statements: Statements) -> T:
        nonlocal changed
        outcome = await work(statements)
        changed = isinstance(statements, PostgresTransaction) and statements.changed
        return outcome

    try:
        with writes.waiting():
            outcome = await _run_with_retries(pool, noting, readonly=False)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError):
        raise  # the fault of this unit alone
    except (Unavailable, asyncpg.PostgresError):
        writes.note(stored=False)
        raise
    writes.note(stored=changed or None)
    return outcome


async def _run_with_retries(pool: asyncpg.Pool, work: Work[T], *, readonly: bool) -> T:
    # All statements of a read see the same snapshot.
    isolation = "repeatable_read" if readonly else "read_committed"
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            async with pool.acquire() as connection, connection.transaction(isolation=isolation, readonly=readonly):
                return await work(PostgresTransaction(connection))
        except (*RETRYABLE_ERRORS, *CONNECTION_ERRORS) as error:
            if not attempts_left or isinstance(error, CONNECTION_ERRORS):
                raise Unavailable("The database is unavailable. Nothing was saved. Please try again.") from error
    raise AssertionError("the last attempt returns or raises")
