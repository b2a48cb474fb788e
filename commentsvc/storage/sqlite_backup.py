"""Copy an SQLite database while it is in use, and write one again without free pages."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.storage import durable_files
from commentsvc.storage.sqlite_connection import open_read_only
from commentsvc.storage.sqlite_faults import may_pass
from commentsvc.storage.sqlite_inspection import Stopped

PAGES_PER_STEP: Final = 1024  # 4 MB, which are then on disk: a writer's fsync waits for few other bytes
PAUSE_SECONDS: Final = 0.005  # after each step, so that writers come first
LOCK_SECONDS: Final = 1.0  # to wait for a command that uses the database


def copy_online(source: Path, target: Path, stop: threading.Event) -> None:
    """Copy a database into a new file while others write. The copy is on disk when this returns.

    The copy is one snapshot. Writers go on: a reader does not block them in WAL mode.

    Raises:
        OSError: it could not be read or written.
        Stopped: ``stop`` was set.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def note_step(*_: int) -> None:
        if stop.is_set():
            raise Stopped
        os.fdatasync(descriptor)
        time.sleep(PAUSE_SECONDS)

    try:
        with open_read_only(source) as original, closing(sqlite3.connect(target, isolation_level=None)) as copied:
            copied.execute("PRAGMA synchronous = OFF")  # it is synced below; half a copy is of no use
            copied.execute("PRAGMA journal_mode = OFF")
            # One snapshot: without it, the copy would begin again after every write of another connection.
            original.execute("BEGIN")
            original.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
            original.backup(copied, pages=PAGES_PER_STEP, progress=note_step)
            copied.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        os.fsync(descriptor)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    finally:
        os.close(descriptor)
    durable_files.sync_folder(target.parent)


def count_free_bytes(path: Path) -> int:
    """Return how many bytes of a database file are in pages that hold nothing."""
    with open_read_only(path) as connection:
        (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size)


def has_erased(path: Path) -> bool:
    """Return whether comments were erased since the file was last written as a whole."""
    with open_read_only(path) as connection:
        return bool(connection.execute("SELECT 1 FROM search_cleanup WHERE erased > rewritten").fetchone())


@contextmanager
def hold_alone(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Lock a database for this connection alone, with its log copied into it and removed. None if it is damaged.

    Raises:
        Unavailable: another program has it open, or its disk is full.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_SECONDS)
    with closing(connection):
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the lock stays after the transaction
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            is_whole = True
        except sqlite3.Error as error:
            if may_pass(error):
                raise Unavailable(
                    f"Another program uses the database {path}, or its disk is full ({error}). Try again later."
                ) from None
            is_whole = False
        yield connection if is_whole else None


def shrink(path: Path, new: Path) -> None:
    """Write a database again without its free pages, unless another program uses it. ``new`` is an empty file.

    A kill at any moment leaves the old file or the new one.

    Raises:
        OSError: it could not be written. The database is as it was.
        Unavailable: another program uses the database.
    """
    with hold_alone(path) as old:
        if old is None:
            raise OSError("it is damaged")
        try:
            old.execute("VACUUM INTO ?", [str(new)])  # https://sqlite.org/lang_vacuum.html#vacuuminto
            with closing(sqlite3.connect(new, isolation_level=None)) as written:
                written.execute("UPDATE search_cleanup SET rewritten = erased")
        except sqlite3.Error as error:
            raise OSError(str(error)) from error
        descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)  # the index of the log that is gone
        new.rename(path)
        durable_files.sync_folder(path.parent)
