"""Limit what a search may cost on PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg

from commentsvc.domain.errors import Unavailable
from commentsvc.storage.database import SEARCH_TOO_SLOW, Statements, Work

T = TypeVar("T")

SERVERS_PART: Final = 0.95
# For this transaction. The planner may expect that reading a whole table or index and stopping early is fastest: for a
# word that nobody wrote it took 2 s in a million comments, instead of 60 ms by looking up one row after the other.
# Compiling a plan takes longer than most searches.
_OFF: Final = ("enable_seqscan", "enable_mergejoin", "enable_hashjoin", "jit")
_SETTINGS: Final = f"""
SELECT set_config('statement_timeout', CAST(:milliseconds AS TEXT), true),
    {", ".join(f"set_config('{name}', 'off', true)" for name in _OFF)}
"""


@asynccontextmanager
async def turn_of(searches: asyncio.Semaphore, deadline: float) -> AsyncIterator[None]:
    """Wait for one of the few places of searches, until ``deadline``.

    Raises:
        Unavailable: the others have not ended by then.
    """
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            await searches.acquire()
    except TimeoutError as error:
        raise Unavailable(SEARCH_TOO_SLOW) from error
    try:
        yield
    finally:
        searches.release()


def limit_search(work: Work[T], seconds: float) -> Work[T]:
    """Return work whose statements fail with ``Unavailable`` after these seconds.

    The server ends them a little earlier than we stop waiting for it.
    """

    async def limited(statements: Statements) -> T:
        await statements.one(_SETTINGS, milliseconds=str(int(seconds * SERVERS_PART * 1000)))
        try:
            return await work(statements)
        except asyncpg.QueryCanceledError as error:
            raise Unavailable(SEARCH_TOO_SLOW) from error

    return limited
