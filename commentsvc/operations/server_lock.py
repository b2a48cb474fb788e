"""Know whether a server runs on an SQLite file. With PostgreSQL nothing is locked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain.errors import Unavailable
from commentsvc.storage.file_lock import DatabaseLock, ServiceLock

LOG: Final = logging.getLogger(__name__)
PAUSE_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 15  # a service that stops needs up to twelve


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
        refusal = _is_in_use(self._path)
        await _wait_for(self._lock.try_alone, WAIT_SECONDS if self._serving else 0, refusal)
        self.is_alone = True

    async def share(self) -> None:
        """Let other processes of the service, and commands, in."""
        if self._lock and self.is_alone:
            await _wait_for(self._lock.try_shared, WAIT_SECONDS, self._busy())  # a change of the lock is not atomic

    def mark_used(self) -> None:
        """Note that the database is ready for use."""
        if self._lock and self._path:
            self._lock.mark_used(self._path)

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


@contextmanager
def service_lock(config: Config) -> Iterator[ServiceLock | None]:
    """Hold the lock of the service on its SQLite database; all its processes inherit it. With PostgreSQL: None.

    It waits 15 seconds for an earlier service to stop. It blocks: no event loop runs yet, since workers are forked.

    Raises:
        Unavailable: another service runs on the database.
        ConfigurationError: SQLite cannot keep its files in this folder.
    """
    path = config.sqlite_path.absolute() if config.sqlite_path else None
    lock = ServiceLock.open(path) if path else None
    try:
        if lock and not lock.try_hold():
            LOG.warning("waiting for the server on the database %s to stop", path)
            asyncio.run(_wait_for(lock.try_hold, WAIT_SECONDS, _is_in_use(path)))
        yield lock
    finally:
        if lock:
            lock.close()


def _is_in_use(path: Path | None) -> Unavailable:
    return Unavailable(f"A server is running on the database {path}. Stop it, then try again.")


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
