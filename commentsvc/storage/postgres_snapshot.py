"""Read a PostgreSQL database as it is at one moment, for minutes if needed, on a connection of its own."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from commentsvc.storage.database import Row, unavailable
from commentsvc.storage.patience import BACKGROUND_SECONDS
from commentsvc.storage.postgres_login import CONNECTION_ERRORS
from commentsvc.storage.postgres_pool import Pool
from commentsvc.storage.postgres_units import BEGIN_READ, PostgresTransaction


class PostgresSnapshot(PostgresTransaction):
    """Statements that read.

    Raises:
        Unavailable: the server does not answer, or ended the transaction.
    """

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """See ``Statements``."""
        with _explained():
            return await super().all(sql, **values)

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """See ``Statements``."""
        with _explained():
            return await super().one(sql, **values)


@asynccontextmanager
async def open_snapshot(pool: Pool) -> AsyncIterator[PostgresSnapshot]:
    """Begin to read. If the caller goes away, the transaction ends with the connection.

    Raises:
        Unavailable: the server does not answer.
    """
    with _explained():
        connection = await pool.login.open(keep_statements=pool.keeps_statements)
    try:
        with _explained():
            connection.allow(BACKGROUND_SECONDS)
            await connection.execute(BEGIN_READ)
            await connection.fetchval("SELECT 1")  # the first statement fixes the moment
        yield PostgresSnapshot(connection)
    finally:
        connection.terminate()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
        raise unavailable(error) from error
