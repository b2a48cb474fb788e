"""Locks beside an SQLite database.

Servers share one lock, and what needs that no server runs holds it alone. Processes that write take turns with another.

They are advisory locks (flock) on files of their own: closing any descriptor of the database file would drop SQLite's
locks. The kernel releases them when the process ends, however it ends.
"""

import errno
import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, Self

from commentsvc.storage import durable_files
from commentsvc.storage.data_folder import keep_owner, require_usable

USED: Final = b"in use\n"
TAKEN: Final = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class FileLock:
    """A file beside a database that processes lock (flock). When the last of them ends, the kernel frees the lock."""

    suffix: ClassVar[str]

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def open(cls, database: Path) -> Self | None:
        """Open the lock of a database; create it if it is missing. None if the folder cannot be written to.

        Raises:
            ConfigurationError: SQLite cannot keep its files in this folder.
        """
        require_usable(database)
        descriptor = _open(cls.file_of(database), database)
        return None if descriptor is None else cls(descriptor)

    @classmethod
    def file_of(cls, database: Path) -> Path:
        """Return the file of the lock of a database."""
        return database.absolute().with_name(f"{database.name}{cls.suffix}")

    def close(self) -> None:
        """Close the file: this process releases the lock. Others that inherited the file still hold it."""
        os.close(self.descriptor)


class DatabaseLock(FileLock):
    """The lock of one database, held in one way at a time."""

    suffix = ".lock"
    is_alone = False

    def try_alone(self) -> bool:
        """Hold the lock alone, unless another process holds it. If that fails, it is not held at all."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Hold the lock together with others, unless another process holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def _try(self, kind: int) -> bool:
        if not _lock(self.descriptor, kind | fcntl.LOCK_NB):
            return False  # a failed change of a held lock has released it (flock(2))
        self.is_alone = kind == fcntl.LOCK_EX
        return True

    def is_used(self) -> bool:
        """Return whether the database was ready for use once."""
        return bool(os.fstat(self.descriptor).st_size)

    def mark_used(self, database: Path) -> None:
        """Note on disk that the database is ready for use."""
        if not self.is_used():
            os.pwrite(self.descriptor, USED, 0)
            os.fsync(self.descriptor)
            durable_files.sync_folder(database.absolute().parent)


class ServiceLock(FileLock):
    """The lock that a service holds on its database: one service, with all its processes.

    Forked workers inherit the open file and with it the lock, and so does the program that replaces their parent.
    """

    suffix = ".service.lock"

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        os.set_inheritable(descriptor, False)  # the parent changes this when it replaces its program

    def try_hold(self) -> bool:
        """Hold the lock, unless another service holds it."""
        return _lock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """The turn to write, among the processes that use one database. SQLite alone decides whether a write is correct.

    SQLite's own lock is asked for again and again (busy_timeout): with two busy processes one comment in a hundred
    waited 650 to 960 ms. The kernel wakes the next process, and nobody waits longer than 70 ms.
    """

    def __init__(self, database: Path) -> None:
        """Open the file of the lock. Without a file, or on a file system without locks, everybody has a turn."""
        self._descriptor = _open(database.absolute().with_name(f"{database.name}.turn"), database)
        self._mutex = threading.Lock()
        self._held: threading.Event | None = None  # set when the thread that waits for the lock has it
        self._wanted = False

    def acquire(self, seconds: float) -> bool:
        """Take the lock; return False if another process holds it for this long, such as one that was stopped."""
        if self._descriptor is None or (self._held is None and self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)):
            return True
        # flock has no timeout, so a thread waits for it.
        with self._mutex:
            self._wanted = True
            held = self._held
            if held is None:
                held = self._held = threading.Event()
                threading.Thread(target=self._wait, args=(held,), name="turn", daemon=True).start()
        held.wait(seconds)
        with self._mutex:
            self._wanted = False
            if held.is_set():
                self._held = None
            return held.is_set()

    def release(self) -> None:
        """Give the lock to the next process."""
        self._lock(fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file of the lock."""
        if self._descriptor is not None and self._held is None:
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self, held: threading.Event) -> None:
        self._lock(fcntl.LOCK_EX)
        with self._mutex:
            if self._wanted:
                held.set()
            else:
                self._held = None
                self._lock(fcntl.LOCK_UN)

    def _lock(self, kind: int) -> bool:
        return self._descriptor is None or _lock(self._descriptor, kind)


def _open(file: Path, database: Path) -> int | None:
    try:
        durable_files.create_folder(file.parent)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    with suppress(OSError):
        keep_owner(file, database if database.exists() else file.parent)
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind)
    except OSError as error:
        # If this file system has no locks, go on as if nobody else were there.
        return error.errno not in TAKEN
    return True
