"""Checkpoints beside the writer: a thread copies the write-ahead log into the database while comments are stored.

SQLite's own checkpoints run inside a COMMIT, and made one comment in a hundred wait 90 ms. Copying alone does not bound
the log, since it starts again only at a moment when everything is copied: under load it grew to 963 MB. So the writer
itself restarts it between two batches, for which only the last few pages are left to copy.
"""

import logging
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOG: Final = logging.getLogger(__name__)

# Pages in the log before they are copied (25 MB). A page that changed twice is copied once, so more is less to write.
PAGES_PER_CHECKPOINT: Final = 6000
ROWS_PER_CHECK: Final = 150  # changed rows after which the thread checks the log: about 1,000 pages
IDLE_SECONDS: Final = 60.0  # after so long with fewer rows the log is emptied: erased text does not stay in it
RETRY_SECONDS: Final = 0.5  # while a long read prevents that the log is emptied after an erasure
RESTART_WAIT_MS: Final = 20  # for readers that still use the log; writes wait too
SECONDS_BETWEEN_RESTARTS: Final = 0.1  # while a long read prevents it
WAL_HEADER: Final = struct.Struct(">8xI4x8s")  # https://sqlite.org/fileformat2.html#walformat
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24


class WalFile:
    """Counts pages in the log. Only the log: closing the other files would drop the locks that SQLite holds on them."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-wal"

    def read(self) -> tuple[bytes, int]:
        """Return the salts of the log, which change when it starts again, and the number of its pages since then."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b"", 0
        try:
            header = os.pread(descriptor, WAL_HEADER_BYTES, 0)
            if len(header) < WAL_HEADER_BYTES:
                return b"", 0
            page_size, salts = WAL_HEADER.unpack_from(header)
            frame = FRAME_HEADER_BYTES + page_size
            low, high = 0, (os.fstat(descriptor).st_size - WAL_HEADER_BYTES) // frame
            while low < high:  # old pages follow the new ones
                middle = (low + high) // 2
                current = os.pread(descriptor, 8, WAL_HEADER_BYTES + middle * frame + 8) == salts
                low, high = (middle + 1, high) if current else (low, middle)
            return salts, low
        finally:
            os.close(descriptor)

    def is_empty(self) -> bool:
        """Return whether the file has no pages at all, not even old ones."""
        try:
            return Path(self._path).stat().st_size == 0
        except FileNotFoundError:
            return True


class Checkpointer:
    """The thread that copies the log, and the writer's part of it."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._log = WalFile(path)
        self._connect = connect
        self._wake = threading.Event()
        self._closed = False
        self._emptying = False
        self._changed_rows = 0
        self._restart_at: float | None = None
        self._salts, self._copied = b"", 0
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def note_changes(self, rows: int) -> None:
        """Note that a batch has changed rows. The writer calls it after the commit."""
        self._changed_rows += rows
        if self._changed_rows >= ROWS_PER_CHECK:
            self._changed_rows = 0
            self._wake.set()

    def empty_soon(self) -> None:
        """Empty the log after an erasure, as soon as no reader uses it."""
        self._emptying = True
        self._wake.set()

    def restart_if_due(self, connection: sqlite3.Connection) -> None:
        """Start the log again if nearly all of it is copied. The writer calls it between two batches."""
        if self._restart_at is None or time.monotonic() < self._restart_at:
            return
        (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout={RESTART_WAIT_MS}")
        try:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout={timeout}")
        self._restart_at = time.monotonic() + SECONDS_BETWEEN_RESTARTS if busy else None

    def close(self) -> None:
        """Stop the thread. The last connection that SQLite closes copies the rest and deletes the log."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = self._connect()
        except sqlite3.Error:
            LOG.warning("checkpoints: could not open the database; they delay comments now", exc_info=True)
            return
        try:
            while not self._closed:
                woke = self._wake.wait(RETRY_SECONDS if self._emptying else IDLE_SECONDS)
                self._copy_if_due(connection, is_idle=not woke)
        finally:
            connection.close()

    def _copy_if_due(self, connection: sqlite3.Connection, *, is_idle: bool) -> None:
        self._wake.clear()
        asked, self._emptying = self._emptying, False  # an erasure during this asks again
        try:
            salts, pages = self._log.read()
            if salts != self._salts:
                self._salts, self._copied = salts, 0
            if (asked or is_idle) and not self._log.is_empty():  # pages from before a restart are still in the file
                # A comment waits as long as this waits for a reader.
                connection.execute(f"PRAGMA busy_timeout={RESTART_WAIT_MS}")
                (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if asked and busy:
                    self._emptying = True
            elif pages - self._copied >= PAGES_PER_CHECKPOINT and not self._closed:
                _, _, self._copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._restart_at = time.monotonic()
        except (OSError, sqlite3.Error):  # such as a full disk, which stops writes too: they report it
            if asked:
                self._emptying = True
            LOG.info("checkpoint failed; next attempt later", exc_info=True)
