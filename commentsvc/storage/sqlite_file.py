"""The files of an SQLite database: whether they are still the ones that were opened, are whole, and have room."""

import logging
import os
import sqlite3
from pathlib import Path
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.storage.database import unavailable
from commentsvc.storage.sqlite_faults import describe_damage

LOG: Final = logging.getLogger(__name__)
SUFFIXES: Final = ("", "-wal", "-shm")  # https://sqlite.org/tempfiles.html


class FileLost(sqlite3.OperationalError):
    """The file was moved, replaced or deleted: what is written to the open one is lost at the next start."""


class SqliteFile:
    """The database file with its write-ahead log and its index of that log."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._known: dict[str, tuple[int, int]] = {}
        self._size = 0
        self._may_shrink = False
        self._damage: str | None = None

    def check_identity(self) -> None:
        """Check that each file is the one that was first seen, and that no smaller database overwrote it.

        Raises:
            FileLost: one is another file now, or is gone.
            sqlite3.OperationalError: the disk does not tell.
        """
        for suffix in SUFFIXES:
            size = self._size  # before the look: checks in two threads at once see the file grow
            found = _stat(f"{self.path}{suffix}")
            place = found and (found.st_dev, found.st_ino)
            if place is not None:
                self._known.setdefault(suffix, place)
            # The file of the database never shrinks: VACUUM runs at a start only.
            if place != self._known.get(suffix) or (
                found and not suffix and found.st_size < size and not self._may_shrink
            ):
                raise FileLost("the database file was moved, replaced or deleted")
            if found and not suffix:
                self._size = found.st_size

    def expect_smaller(self, *, expected: bool) -> None:
        """Accept from now on that the file gets smaller, or accept it no longer."""
        self._may_shrink, self._size = expected, 0

    def check_damage(self) -> None:
        """Check that no statement has found damage since the start.

        Raises:
            Unavailable: one has. It stays so until the next start: pages in memory may be wrong after an I/O error.
        """
        if self._damage:
            raise Unavailable("The database file is damaged. Restart the service. If that fails, restore a backup.")

    def refuse(self, error: sqlite3.Error) -> Unavailable:
        """Return the refusal for an error of the database. Log the loss or damage of a file."""
        damage = describe_damage(error)
        if damage and not self._damage:
            self._damage = damage
            LOG.error("%s is damaged (%s); restart the service; if that fails, restore a backup", self.path, damage)
        if isinstance(error, FileLost):
            LOG.error("%s was moved, replaced or deleted; no comment is accepted until the next start", self.path)
        return unavailable(error)

    def check_space(self, free_bytes: int) -> None:
        """Check that the files can grow.

        Raises:
            Unavailable: the file or its file system is read-only, or fewer bytes are free.
        """
        system = os.statvfs(self.path)
        if system.f_flag & os.ST_RDONLY or not os.access(self.path, os.W_OK):
            raise Unavailable("The database file is read-only. Make it writable.")
        # The last blocks of many file systems are kept for root.
        blocks = system.f_bfree if os.geteuid() == 0 else system.f_bavail
        if blocks * system.f_frsize < free_bytes:
            raise Unavailable("The disk of the database is full. Free some space.")


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 -- runs at every commit; a Path costs more than the call
    except FileNotFoundError:
        return None
    except OSError as error:  # the disk itself has failed
        raise sqlite3.OperationalError(f"the database file cannot be found: {os.strerror(error.errno or 0)}") from None
