"""Know whether a server runs on an SQLite file. With PostgreSQL nothing is locked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain.errors import Unavailable
from commentsvc.storage.file_lock import DatabaseLock

LOG: Final = logging.getLogger(__name__)
PAUSE_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 15  # a server that stops needs up to ten


class ServerLock:
    """The lock that a server, or a migration, holds on its database from before it is opened."""

    def __init__(self, path: Path | None, *, serving: bool) -> None:
        self._path = path
        self._serving = serving
        self._lock = DatabaseLock.open(path) if path else None
        self.is_alone = self._lock is not None  # whether it is known that no other server runs

    def was_used(self) -> bool:
        """Return whether the database was ready for use once."""
        return self._lock is not None and self._lock.is_used()

    async def enter(self) -> None:
        """Hold the lock alone; if servers run, hold it together with them.

        Raises:
            Unavailable: a command that must be alone is still working after 15 seconds.
        """
        lock = self._lock
        if lock:
            await _wait_for(lambda: lock.try_alone() or lock.try_shared(), WAIT_SECONDS, self._busy())
            self.is_alone = lock.is_alone

    async def require_alone(self) -> None:
        """Hold the lock alone. A server waits 15 seconds for the one before it to stop.

        Raises:
            Unavailable: a server is still running.
        """
        if self._lock is None or self.is_alone:
            return
        if self._serving:
            LOG.warning("waiting for the server on the database %s to stop", self._path)
        refusal = Unavailable(f"A server is running on the database {self._path}. Stop it, then try again.")
        await _wait_for(self._lock.try_alone, WAIT_SECONDS if self._serving else 0, refusal)
        self.is_alone = True

    async def share(self) -> None:
        """Let other servers and commands in. Warn if this server is the second one."""
        if self._lock and self.is_alone:
            await _wait_for(self._lock.try_shared, WAIT_SECONDS, self._busy())  # a change of the lock is not atomic
        elif self._lock and self._serving:
            LOG.warning("another server is running on the database %s; stop one of the two", self._path)

    def mark_used(self) -> None:
        """Note that the database is ready for use."""
        if self._lock:
            self._lock.mark_used()

    def close(self) -> None:
        """Release the lock."""
        if self._lock:
            self._lock.close()

    def _busy(self) -> Unavailable:
        return Unavailable(f"Another command is changing the database {self._path}. Try again when it is done.")


async def _wait_for(attempt: Callable[[], bool], seconds: float, refusal: Unavailable) -> None:
    deadline = time.monotonic() + seconds
    while not attempt():
        if time.monotonic() >= deadline:
            raise refusal
        await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def enter_database(config: Config, *, serving: bool = False) -> AsyncIterator[ServerLock]:
    """Hold the lock of the database: alone, or together with the servers that run on it."""
    path = config.sqlite_path
    lock = ServerLock(path.absolute() if path else None, serving=serving)
    try:
        await lock.enter()
        yield lock
    finally:
        lock.close()


def is_server_running(config: Config) -> bool:
    """Return whether a server may run on the database. With PostgreSQL, or with a new lock, that is not known: True."""
    path = config.sqlite_path
    lock = DatabaseLock.open(path) if path else None
    if lock is None:
        return True
    try:
        return not lock.is_used() or not lock.try_alone()
    finally:
        lock.close()
