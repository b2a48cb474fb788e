"""PostgreSQL driver: a pool for writes and private reads, and a pool for public reads with a role of its own."""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg

from commentsvc.domain.errors import ConfigurationError, DatabaseAway, Unavailable
from commentsvc.storage.database import PUBLIC_TABLES, RetryUnit, Row, Statements, Work
from commentsvc.storage.postgres_away import is_away
from commentsvc.storage.write_record import WriteRecord

T = TypeVar("T")

# This role can read the public tables only. ``protect`` creates it.
PUBLIC_ROLE = "commentsvc_public"
CREATE_ROLE = f"CREATE ROLE {PUBLIC_ROLE} NOLOGIN"
GRANT_ROLE = f"GRANT {PUBLIC_ROLE} TO CURRENT_USER"
GRANT_PUBLIC = f"GRANT SELECT ON {', '.join(PUBLIC_TABLES)} TO {PUBLIC_ROLE}"
TABLES = "(SELECT tablename AS tbl_name FROM pg_tables WHERE schemaname = ANY (current_schemas(false))) AS found"
SCHEMA_LOCK = 4_041_961_220_260_101  # an arbitrary number, the same for every server
# A unit that reads is read-only itself, so the default for other units counts.
READONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS readonly"
LOG = logging.getLogger(__name__)
NAMED_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
# asyncpg raises these when the server is unreachable, full or starting; other errors are bugs in our statements.
CONNECTION_ERRORS = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
)
# PostgreSQL has rolled the transaction back, so it can run again.
RETRYABLE_ERRORS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, RetryUnit)
MAX_ATTEMPTS = 8


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

    def __init__(self, writers: asyncpg.Pool, readers: asyncpg.Pool) -> None:
        self.writes = WriteRecord()
        self._writers = writers
        self._readers = readers

    @classmethod
    async def open(cls, url: str) -> "PostgresDatabase":
        """Connect to the server.

        Raises:
            DatabaseAway: the server does not answer now.
            ConfigurationError: the server rejects this user.
        """
        writers = None
        try:
            writers = await _create_pool(url)
            async with writers.acquire():
                pass  # the server accepts this user
        except (*CONNECTION_ERRORS, asyncpg.PostgresError, ValueError) as error:
            if writers is not None:
                writers.terminate()
            kind = DatabaseAway if is_away(error) else ConfigurationError
            raise kind(
                f"COMMENTSVC_DATABASE_URL: could not connect to PostgreSQL ({type(error).__name__}). "
                "Check host, user, password and database."
            ) from None
        return cls(writers, await _create_pool(url, max_size=4, init=_set_public_role))

    async def write(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await self._write(work)

    async def read(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _run_shielded(self._readers, work, readonly=True)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _run_shielded(self._writers, work, readonly=True)

    async def write_exclusively(self, work: Work[T], /) -> T:
        """See ``Database``. An advisory lock makes other servers wait."""

        async def locked(statements: Statements) -> T:
            await statements.run(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            return await work(statements)

        return await self._write(locked)

    async def _write(self, work: Work[T]) -> T:
        return await _shield(_write_noted(self._writers, work, self.writes))

    async def check_storage(self, free_bytes: int) -> None:  # noqa: ARG002 -- the server watches its own disk
        """See ``Database``."""

        async def is_readonly(statements: Statements) -> bool:
            row = await statements.one(READONLY)
            return row is not None and bool(row["readonly"])

        if await self.read_private(is_readonly):
            raise Unavailable("The PostgreSQL server is read-only.")

    async def protect(self) -> None:
        """See ``Database``. Log a warning with the statements to run if this user cannot create roles."""
        try:
            async with self._writers.acquire() as connection, connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", PUBLIC_ROLE):
                    await connection.execute(CREATE_ROLE)
                if not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", PUBLIC_ROLE):
                    await connection.execute(GRANT_ROLE)
                await connection.execute(GRANT_PUBLIC)
        except asyncpg.InsufficientPrivilegeError:
            LOG.warning(
                "The database user cannot create the role %s, so read connections are not restricted. "
                "Grant the user CREATEROLE, or run this as a superuser: %s",
                PUBLIC_ROLE,
                f"{CREATE_ROLE}; {GRANT_ROLE}; {GRANT_PUBLIC};",
            )
        await self._readers.expire_connections()

    def schema_sql(self, statement: str) -> str:
        """See ``Database``. SQLite numbers the rows of an INTEGER PRIMARY KEY by itself; so does an identity column."""
        statement = statement.replace("sqlite_master", TABLES)
        return statement.replace("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")

    async def close(self) -> None:
        """See ``Database``."""
        await self._readers.close()
        await self._writers.close()


async def _create_pool(url: str, max_size: int = 8, init: Callable[[Any], Any] | None = None) -> asyncpg.Pool:
    # A connection has no state but its role, so nothing needs a reset between uses.
    return await asyncpg.create_pool(url, min_size=0, max_size=max_size, init=init, reset=_skip_reset, timeout=10)


async def _skip_reset(_connection: asyncpg.Connection) -> None:
    pass


async def _set_public_role(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", PUBLIC_ROLE):
        await connection.execute(f"SET ROLE {PUBLIC_ROLE}")


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
