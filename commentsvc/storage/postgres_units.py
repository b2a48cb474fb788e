"""Run units of work on a PostgreSQL connection."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg

from commentsvc.domain.errors import OutcomeUnknown, Unavailable
from commentsvc.storage import dialect, schema
from commentsvc.storage.database import RetryUnit, Row, Work, outcome_unknown, unavailable
from commentsvc.storage.dialect import NAMED_PARAMETER
from commentsvc.storage.patience import Patience
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_login import CONNECTION_ERRORS
from commentsvc.storage.postgres_pool import Pool

T = TypeVar("T")

READING: Final = re.compile(r"\s*(?:SELECT|WITH)\b(?!.*\b(?:INSERT|UPDATE|DELETE)\b)", re.DOTALL | re.IGNORECASE)
# PostgreSQL has rolled the transaction back, so it can run again.
RETRYABLE_ERRORS: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, RetryUnit)
MAX_ATTEMPTS: Final = 8
# All statements of a read see the same snapshot.
BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
# A batch must not wait long for a lock while it holds others: another server may wait for those (a deadlock).
BEGIN_BATCH: Final = f"{BEGIN_WRITE}; SET LOCAL lock_timeout = 100"


class Numbered(NamedTuple):
    """A statement for PostgreSQL. ``names`` are its parameters in the order of their numbers."""

    text: str
    names: tuple[str, ...]
    reads: bool  # whether it cannot change anything


@lru_cache(maxsize=512)
def number_parameters(sql: str) -> Numbered:
    """Return the statement with ``$1`` for each ``:name``."""
    return Numbered(*dialect.number_parameters(dialect.in_postgres(sql), "$"), bool(READING.match(sql)))


@lru_cache(maxsize=64)
def merge_statements(statements: tuple[str, ...]) -> str:
    """Return one statement for several that change data: ``WITH s0 AS (…), s1 AS (…) …``.

    The parameter ``:name`` of the first one becomes ``:s0_name``. The parts see the same state, and none the changes of
    another; foreign keys are checked at the end (https://www.postgresql.org/docs/current/queries-with.html).
    """
    *parts, last = (NAMED_PARAMETER.sub(rf":s{place}_\1", sql) for place, sql in enumerate(statements))
    return f"WITH {', '.join(f's{place} AS ({part})' for place, part in enumerate(parts))} {last}"


class PostgresTransaction:
    """Statements of one unit of work."""

    never_waits = False

    def __init__(self, connection: Connection, *, schema_checked: bool = False) -> None:
        self.schema_checked = schema_checked
        self.changed = False
        self.failed = False  # a statement failed: PostgreSQL ignores all others up to a rollback
        self._connection = connection
        self._later: dict[str, tuple[str, dict[str, Any]]] = {}  # by verb and table

    async def later(self, sql: str, /, **values: Any) -> None:
        """See ``Statements``. Those in a row become one statement: each round trip takes about 50 µs."""
        if not dialect.in_postgres(sql):
            return
        target = " ".join(sql.split(None, 3)[:3])
        if target in self._later:  # the order of parts is not defined, and a row can be changed once only
            await self.run_later()
        self._later[target] = sql, values

    async def run_later(self) -> None:
        """Run what ``later`` has collected."""
        if not self._later:
            return
        collected, self._later = [*self._later.values()], {}
        if len(collected) == 1:
            ((sql, values),) = collected
            await self.run(sql, **values)
            return
        named = {f"s{place}_{name}": value for place, (_, own) in enumerate(collected) for name, value in own.items()}
        await self.run(merge_statements(tuple(sql for sql, _ in collected)), **named)
        self.changed = True

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        await self.run_later()
        text, names, reads = number_parameters(sql)
        try:
            rows: Sequence[Row] = await self._connection.fetch(text, *[values[name] for name in names])
        except BaseException:
            self.failed = True
            raise
        self.changed |= not reads and bool(rows)
        return rows

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        await self.run_later()
        text, names, reads = number_parameters(sql)
        try:
            row: Row | None = await self._connection.fetchrow(text, *[values[name] for name in names])
        except BaseException:
            self.failed = True
            raise
        self.changed |= not reads and row is not None
        return row

    async def run(self, sql: str, /, **values: Any) -> int:
        """See ``Statements``."""
        text, names, reads = number_parameters(sql)
        if not text:
            return 0
        await self.run_later()
        try:
            tag = await self._connection.execute(text, *[values[name] for name in names])
        except BaseException:
            self.failed = True
            raise
        counted = tag[-1:].isdigit()
        rows = int(tag.rpartition(" ")[2]) if counted else 0
        self.changed |= not reads and (rows > 0 or not counted)
        return rows

    async def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """See ``Statements``."""
        text, names, _ = number_parameters(sql)
        await self.run_later()
        try:
            await self._connection.executemany(text, [[row[name] for name in names] for row in rows])
        except BaseException:
            self.failed = True
            raise
        self.changed |= bool(rows)


async def run_unit(work: Work[T], transaction: PostgresTransaction) -> T:
    """Run a unit and what it has left for later."""
    outcome = await work(transaction)
    await transaction.run_later()
    return outcome


async def begin_write(connection: Connection, begin: str) -> bool:
    """Begin a transaction; return whether the schema is known to be the one of this program.

    The check is part of the round trip of BEGIN, since each one takes about 50 µs. A migration waits until all
    transactions that have checked end.
    """
    try:
        found = await connection.execute(f"{begin}; {schema.newer_step_query()}")
    except asyncpg.UndefinedTableError:  # there is no schema yet
        await connection.execute("ROLLBACK")
        await connection.execute(begin)
        return False
    return bool(found == "SELECT 0")


async def commit(connection: Connection) -> None:
    """Commit.

    Raises:
        OutcomeUnknown: the connection was lost, or the server did not answer.
        RuntimeError: PostgreSQL has rolled back instead, because a unit went on after a statement had failed.
    """
    try:
        ended = await connection.execute("COMMIT")
    except CONNECTION_ERRORS as error:
        raise outcome_unknown(error) from error
    if ended != "COMMIT":
        raise RuntimeError("A unit of work went on after its statement had failed. Nothing was saved.")


async def end_unchanged(connection: Connection) -> None:
    """Commit a transaction that has changed nothing: a lost answer leaves no doubt."""
    try:
        await commit(connection)
    except OutcomeUnknown as error:
        raise unavailable(error.__cause__ or error) from None


async def roll_back(connection: Connection) -> None:
    """End the transaction; close the connection if that fails."""
    if connection.is_lost():
        return
    try:
        await connection.execute("ROLLBACK")
    except (asyncpg.PostgresError, *CONNECTION_ERRORS):
        connection.terminate()


async def run_write(connection: Connection, work: Work[T], before_commit: Callable[[], None]) -> tuple[T, bool]:
    """Run a unit in a transaction; return its result and whether it changed anything."""
    try:
        transaction = PostgresTransaction(connection, schema_checked=await begin_write(connection, BEGIN_WRITE))
        outcome = await run_unit(work, transaction)
        before_commit()
        await (commit(connection) if transaction.changed else end_unchanged(connection))
    except BaseException:
        await roll_back(connection)
        raise
    return outcome, transaction.changed


async def run_exclusive(connection: Connection, work: Work[T]) -> T:
    """Run a unit that may change the schema."""
    try:
        await connection.execute(BEGIN_WRITE)
        outcome = await run_unit(work, PostgresTransaction(connection))
        await commit(connection)
    except BaseException:
        await roll_back(connection)
        raise
    return outcome


async def run_read(connection: Connection, work: Work[T]) -> T:
    """Run a unit whose statements all see the same moment."""
    try:
        await connection.execute(BEGIN_READ)
        return await work(PostgresTransaction(connection))
    except asyncio.CancelledError:
        connection.give_up()  # a server that hangs would not answer ROLLBACK either
        raise
    finally:
        await roll_back(connection)


async def with_retries(pool: Pool, run: Callable[[Connection], Coroutine[Any, Any, T]], patience: Patience) -> T:
    """Call a function with a connection, and again after a deadlock.

    Raises:
        Unavailable: the server cannot be reached, does not answer, or the deadlocks do not end.
    """
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        try:
            async with pool.acquire(patience.begin(), patience.statement_seconds) as connection:
                outcome = await run(connection)
        except (*RETRYABLE_ERRORS, *CONNECTION_ERRORS) as error:
            if not attempts_left or isinstance(error, CONNECTION_ERRORS):
                raise unavailable(error) from error
        except Exception as error:
            if not isinstance(error, Unavailable):  # the unit refused something: the database has answered
                patience.end()
            raise
        else:
            patience.end()
            return outcome
    raise AssertionError("the last attempt returns or raises")
