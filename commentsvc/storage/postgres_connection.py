"""A connection that gives up when PostgreSQL does not answer a statement in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg

from commentsvc.storage.patience import ANSWER_SECONDS, LEAST_SECONDS

CANCEL_SECONDS: Final = 1.0  # for the server to end a statement that nobody waits for any more
SILENT_SECONDS: Final = 3.0  # after it, a server is not only slow

_ending: Final[set[asyncio.Task[None]]] = set()


class Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection of the driver, with a limit for each statement.

    After a statement that took too long the connection is lost, and must not be used again. The driver has asked the
    server to cancel the statement: a server that only was slow must not collect statements that wait for a lock.
    """

    __slots__ = ("_first_seconds", "_seconds", "gave_up", "is_silent")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._seconds: float | None = ANSWER_SECONDS
        self._first_seconds: float | None = None
        self.gave_up = False  # because the server did not answer in time
        self.is_silent = False  # the server has not answered for so long that it may hang

    def limit(self, deadline: float, seconds: float | None = ANSWER_SECONDS) -> None:
        """Wait for the answer to the next statement until ``deadline``, and ``seconds`` for each one after it.

        None: as long as it takes.
        """
        self._first_seconds = max(LEAST_SECONDS, deadline - time.monotonic())
        self._seconds = seconds

    def allow(self, seconds: float | None) -> None:
        """Wait so long for each statement from now on; None: as long as it takes."""
        self._first_seconds, self._seconds = None, seconds

    def is_lost(self) -> bool:
        """Return whether nothing can be sent any more."""
        return self.gave_up or bool(self.is_closed())

    def give_up(self) -> None:
        """Close the connection although a statement runs. The server is asked to cancel it."""
        if not self.is_lost():
            self.gave_up = True
            task = asyncio.create_task(self._end())
            _ending.add(task)
            task.add_done_callback(_ending.discard)

    async def execute(self, *args: Any, **more: Any) -> Any:
        """See the driver.

        Raises:
            TimeoutError: the server did not answer in time.
        """
        return await self._ask(super().execute, args, more)

    async def executemany(self, *args: Any, **more: Any) -> Any:
        """See ``execute``."""
        return await self._ask(super().executemany, args, more)

    async def fetch(self, *args: Any, **more: Any) -> Any:
        """See ``execute``."""
        return await self._ask(super().fetch, args, more)

    async def fetchrow(self, *args: Any, **more: Any) -> Any:
        """See ``execute``."""
        return await self._ask(super().fetchrow, args, more)

    async def fetchval(self, *args: Any, **more: Any) -> Any:
        """See ``execute``."""
        return await self._ask(super().fetchval, args, more)

    async def _ask(
        self, statement: Callable[..., Awaitable[Any]], args: tuple[Any, ...], more: Mapping[str, Any]
    ) -> Any:
        seconds, self._first_seconds = self._first_seconds or self._seconds, None
        try:
            return await statement(*args, **{"timeout": seconds, **more})
        except TimeoutError:
            self.is_silent = seconds is not None and seconds >= SILENT_SECONDS
            self.give_up()
            raise

    async def _end(self) -> None:
        try:
            with suppress(Exception):
                # The driver waits here until the server has confirmed the end of the statement.
                await super().execute("ROLLBACK", timeout=CANCEL_SECONDS)
        finally:
            self.terminate()
