"""A lock beside an SQLite database: servers share it, and what needs that no server runs holds it alone.

It is an advisory lock (flock) on a file of its own: closing any descriptor of the database file would drop SQLite's
locks. The kernel releases it when the process ends, however it ends.
"""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from commentsvc.storage.data_folder import keep_owner, require_usable

USED: Final = b"in use\n"
TAKEN: Final = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


def lock_file(database: Path) -> Path:
    """Return the lock file of a database."""
    return database.absolute().with_name(f"{database.name}.lock")


class DatabaseLock:
    """The lock of one database, held in one way at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_alone = False

    @classmethod
    def open(cls, database: Path) -> "DatabaseLock | None":
        """Open the lock of a database; create it if it is missing. None if the folder cannot be written to.

        Raises:
            ConfigurationError: SQLite cannot keep its files in this folder.
        """
        require_usable(database)
        file = lock_file(database)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = cls(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            return None
        with suppress(OSError):
            keep_owner(file, database if database.exists() else file.parent)
        return lock

    def try_alone(self) -> bool:
        """Hold the lock alone, unless another process holds it. If that fails, it is not held at all."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Hold the lock together with others, unless another process holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in TAKEN:
                return False  # a failed change of a held lock has released it (flock(2))
            # This file system has no locks: go on as if nobody else were there.
        self.is_alone = kind == fcntl.LOCK_EX
        return True

    def is_used(self) -> bool:
        """Return whether the database was ready for use once."""
        return bool(os.fstat(self._descriptor).st_size)

    def mark_used(self) -> None:
        """Note on disk that the database is ready for use."""
        if not self.is_used():
            os.pwrite(self._descriptor, USED, 0)
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)
