"""PostgreSQL by asyncpg: a pool for each of the three ways in."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg

from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.storage.database import PUBLIC_TABLES, RetryUnit, Row, Statements, Work

T = TypeVar("T")

# Has SELECT on the public tables alone; made when the schema is laid.
PUBLIC_ROLE = "commentsvc_public"
MAKE_ROLE = f"CREATE ROLE {PUBLIC_ROLE} NOLOGIN"
JOIN_ROLE = f"GRANT {PUBLIC_ROLE} TO CURRENT_USER"
GRANT_PUBLIC = f"GRANT SELECT ON {', '.join(PUBLIC_TABLES)} TO {PUBLIC_ROLE}"
SCHEMA_LOCK = 4_041_961_220_260_101  # any number, as long as every server takes the same
LOG = logging.getLogger(__name__)
NAMED = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
# What asyncpg raises when the server is away, full or starting, as opposed to when we are wrong.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
)

CLASHES = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, RetryUnit)
ATTEMPTS = 8


@lru_cache(maxsize=512)
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """``:name`` as ``$1``, and the names in their order."""
    places: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${places.setdefault(match[1], len(places) + 1)}"

    return NAMED.sub(number, sql), tuple(places)


class PostgresTransaction:
    """Statements on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        text, names = numbered(sql)
        rows: Sequence[Row] = await self._connection.fetch(text, *(values[name] for name in names))
        return rows

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        text, names = numbered(sql)
        row: Row | None = await self._connection.fetchrow(text, *(values[name] for name in names))
        return row

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``."""
        text, names = numbered(sql)
        tag = await self._connection.execute(text, *(values[name] for name in names))
        return int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0


class PostgresDatabase:
    """See ``Database``."""

    def __init__(self, writers: asyncpg.Pool, readers: asyncpg.Pool) -> None:
        self._writers = writers
        self._readers = readers

    @classmethod
    async def open(cls, url: str) -> "PostgresDatabase":
        """Connect.

        Raises:
            Misconfigured: nobody answers there, or not to this user.
        """
        try:
            writers = await _pool(url)
            async with writers.acquire():
                pass  # somebody answers
        except (*AWAY, asyncpg.PostgresError, ValueError) as error:
            raise ConfigurationError(
                "COMMENTSVC_DATABASE_URL: PostgreSQL cannot be reached, or does not take this user "
                f"({type(error).__name__}). Check its host, user, password and database."
            ) from None
        return cls(writers, await _pool(url, most=4, init=_become_public))

    async def write(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _to_its_end(self._writers, work, readonly=False)

    async def read(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _to_its_end(self._readers, work, readonly=True)

    async def read_private(self, work: Work[T], /) -> T:
        """See ``Database``."""
        return await _to_its_end(self._writers, work, readonly=True)

    async def alone(self, work: Work[T], /) -> T:
        """See ``Database``. Whoever comes second waits for the lock."""

        async def locked(statements: Statements) -> T:
            await statements.run(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            return await work(statements)

        return await _to_its_end(self._writers, locked, readonly=False)

    async def protect(self) -> None:
        """See ``Database``. Where this user may not make roles, the log says what a superuser must do."""
        try:
            async with self._writers.acquire() as connection, connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", PUBLIC_ROLE):
                    await connection.execute(MAKE_ROLE)
                if not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", PUBLIC_ROLE):
                    await connection.execute(JOIN_ROLE)
                await connection.execute(GRANT_PUBLIC)
        except asyncpg.InsufficientPrivilegeError:
            LOG.warning(
                "The database user cannot create the role %s, so read connections are not restricted. "
                "Grant the user CREATEROLE, or run this as a superuser: %s",
                PUBLIC_ROLE,
                f"{MAKE_ROLE}; {JOIN_ROLE}; {GRANT_PUBLIC};",
            )
        await self._readers.expire_connections()

    def schema_sql(self, statement: str) -> str:
        """See ``Database``. SQLite numbers the rows of an INTEGER PRIMARY KEY by itself; so does an identity column."""
        return statement.replace("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")

    async def close(self) -> None:
        """See ``Database``."""
        await self._readers.close()
        await self._writers.close()


async def _pool(url: str, most: int = 8, init: Callable[[Any], Any] | None = None) -> asyncpg.Pool:
    # Sessions hold no state of ours but their role, so there is nothing to reset between uses.
    return await asyncpg.create_pool(url, min_size=0, max_size=most, init=init, reset=_keep, timeout=10)


async def _keep(_connection: asyncpg.Connection) -> None:
    pass


async def _become_public(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", PUBLIC_ROLE):
        await connection.execute(f"SET ROLE {PUBLIC_ROLE}")


async def _to_its_end(pool: asyncpg.Pool, work: Work[T], *, readonly: bool) -> T:
    return await asyncio.shield(asyncio.ensure_future(_transacted(pool, work, readonly=readonly)))


async def _transacted(pool: asyncpg.Pool, work: Work[T], *, readonly: bool) -> T:
    # What is read is one moment's, however many statements it takes.
    isolation = "repeatable_read" if readonly else "read_committed"
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            async with pool.acquire() as connection, connection.transaction(isolation=isolation, readonly=readonly):
                return await work(PostgresTransaction(connection))
        except (*CLASHES, *AWAY) as error:
            # Of two that wait for each other PostgreSQL gives one up. It did nothing, so it can be done again.
            if not attempts_left or isinstance(error, AWAY):
                raise Unavailable(
                    "The database cannot be used at the moment. Nothing was changed; please try again."
                ) from error
    raise AssertionError("the last attempt ends above")
