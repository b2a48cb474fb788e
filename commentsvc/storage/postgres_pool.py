"""A pool of PostgreSQL connections.

asyncpg's own pool wraps each connection and call: a unit of one statement took 117 µs of CPU with it, of which the
statement took 17.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg

from commentsvc.storage.patience import ANSWER_SECONDS, LEAST_SECONDS
from commentsvc.storage.postgres_connection import Connection
from commentsvc.storage.postgres_login import Login

MAX_IDLE_SECONDS: Final = 300.0
CLOSE_SECONDS: Final = 1.0  # for connections that are lent, and then for the server


class Pool:
    """Up to ``size`` connections. They are opened when they are needed.

    When one is given back, those that were idle for five minutes are closed.
    """

    def __init__(self, login: Login, size: int, *, keep_statements: bool) -> None:
        self.size = size
        self.login = login
        self.keeps_statements = keep_statements
        self._free = asyncio.Semaphore(size)
        self._idle: deque[tuple[float, Connection]] = deque()  # used last: at the end
        self._lent: set[Connection] = set()
        self._opening: set[asyncio.Task[Connection]] = set()

    @asynccontextmanager
    async def acquire(
        self, deadline: float | None = None, seconds: float | None = ANSWER_SECONDS
    ) -> AsyncIterator[Connection]:
        """Lend a connection; wait until one is free. Its borrower ends every transaction that it begins.

        It waits for the answer to the first statement until ``deadline`` (None: ``ANSWER_SECONDS`` from now), and
        ``seconds`` for each one after it.

        Raises:
            TimeoutError: no connection was free, or the server did not answer.
        """
        deadline = time.monotonic() + ANSWER_SECONDS if deadline is None else deadline
        connection = await self._take(deadline)
        self._lent.add(connection)
        connection.limit(deadline, seconds)
        try:
            yield connection
        except asyncio.CancelledError:
            connection.give_up()  # a statement may still run
            raise
        except asyncpg.ReadOnlySQLTransactionError:
            connection.terminate()  # the server is no primary any more, and another one is
            raise
        finally:
            self._lent.discard(connection)
            self._give_back(connection)

    async def close(self) -> None:
        """Wait a moment until every connection is free, then close them."""
        for opening in self._opening:
            opening.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                for _ in range(self.size):
                    await self._free.acquire()
        idle = [connection for _, connection in self._idle]
        self._idle.clear()
        for connection in self._lent:
            connection.terminate()
        # Those that the server does not close in time are aborted.
        await asyncio.gather(*(one.close(timeout=CLOSE_SECONDS) for one in idle), return_exceptions=True)

    def terminate(self) -> None:
        """Close the connections that nobody uses, at once."""
        while self._idle:
            self._idle.pop()[1].terminate()

    async def _take(self, deadline: float) -> Connection:
        deadline -= LEAST_SECONDS
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the database has not answered this request before")
        if self._free.locked():
            async with asyncio.timeout(left):
                await self._free.acquire()
        else:
            await self._free.acquire()  # at once
        return self._take_idle() or await self._open(deadline)

    async def _open(self, deadline: float) -> Connection:
        """Open a connection. If that takes too long it goes on, for others: a host may have to be skipped."""
        opening = asyncio.create_task(self.login.open(keep_statements=self.keeps_statements))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.shield(opening)
        except BaseException:
            if opening.done():
                self._keep(opening)
            else:
                opening.add_done_callback(self._keep)
            raise

    def _keep(self, opening: "asyncio.Task[Connection]") -> None:
        if opening.cancelled() or opening.exception() is not None:
            self._free.release()
        else:
            self._give_back(opening.result())

    def _take_idle(self) -> Connection | None:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.is_lost():  # the server was restarted, or ended the connection
                return connection
        return None

    def _give_back(self, connection: Connection) -> None:
        now = time.monotonic()
        if connection.is_silent:
            self.terminate()  # the others may be connected to the same server that does not answer
        if not connection.is_lost():
            self._idle.append((now, connection))
        while self._idle and self._idle[0][0] < now - MAX_IDLE_SECONDS:
            self._idle.popleft()[1].terminate()
        self._free.release()
