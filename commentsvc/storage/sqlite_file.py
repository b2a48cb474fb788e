"""The files of an SQLite database: whether they are still the ones that were opened, and have room."""

import os
import sqlite3
from pathlib import Path
from typing import Final

from commentsvc.domain.errors import Unavailable

SUFFIXES: Final = ("", "-wal", "-shm")  # https://sqlite.org/tempfiles.html


class FileLost(sqlite3.OperationalError):
    """The file was moved, replaced or deleted: what is written to the open one is lost at the next start."""


class SqliteFile:
    """The database file with its write-ahead log and its index of that log."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._known: dict[str, tuple[int, int]] = {}

    def check_identity(self) -> None:
        """Check that each file is the one that was first seen.

        Raises:
            FileLost: one is another file now, or is gone.
        """
        for suffix in SUFFIXES:
            found = _identify(f"{self.path}{suffix}")
            if found is not None:
                self._known.setdefault(suffix, found)
            if found != self._known.get(suffix):
                raise FileLost("the database file was moved, replaced or deleted")

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


def _identify(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 -- runs at every commit; a Path costs more than the call
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
