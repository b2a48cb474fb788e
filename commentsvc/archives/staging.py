"""The records of an archive, in a temporary file while they are imported, so that memory does not grow with archives.

The file is an SQLite database that nobody else uses. It has no name once it is open, so it disappears even if the
process is killed.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.records import CommentRecord, ThreadRecord
from commentsvc.archives.staged import Page, StagedComment

PREFIX: Final = "import-"
SUFFIX: Final = ".staging"
PIECE: Final = 500  # records that are written together
NO_ROOM: Final = "The disk has no room for a copy of the archive. Free some space, then import again."
SCHEMA: Final = """
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -4096;
    CREATE TABLE source (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE thread (
        source INTEGER NOT NULL, id TEXT NOT NULL, links TEXT NOT NULL, title TEXT, is_closed INTEGER NOT NULL,
        page INTEGER, PRIMARY KEY (source, id)
    ) WITHOUT ROWID;
    CREATE TABLE comment (
        seq INTEGER PRIMARY KEY, source INTEGER NOT NULL, id TEXT NOT NULL, thread TEXT NOT NULL, parent TEXT,
        created_at INTEGER, twin BLOB, record BLOB NOT NULL, UNIQUE (source, id)
    );
    CREATE TABLE left_out (
        source INTEGER NOT NULL, id TEXT NOT NULL, parent TEXT, PRIMARY KEY (source, id)
    ) WITHOUT ROWID;
    CREATE TABLE page (
        number INTEGER PRIMARY KEY, site_id TEXT NOT NULL, name TEXT NOT NULL, url TEXT, title TEXT,
        is_closed INTEGER NOT NULL
    );
    CREATE TABLE page_name (
        site_id TEXT NOT NULL, name TEXT NOT NULL, page INTEGER NOT NULL, is_link INTEGER NOT NULL,
        PRIMARY KEY (site_id, name)
    ) WITHOUT ROWID;
"""


class Staging:
    """The records of one import. Use it from one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, reserved: int) -> None:
        self._connection = connection
        self._folder, self._reserved = folder, reserved
        self._comments: list[tuple[Any, ...]] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._sources: dict[str, int] = {}

    @classmethod
    @contextmanager
    def open(cls, folder: Path, reserved: int = 0) -> Iterator[Self]:
        """Create the file in a folder; delete it at the end. So many bytes stay ``reserved`` on the disk.

        Raises:
            UnreadableArchive: the disk has no room for it.
        """
        for left in folder.glob(f"{PREFIX}*{SUFFIX}"):  # by a process that was killed in this moment
            with suppress(OSError):
                left.unlink()
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX, suffix=SUFFIX, delete=False) as file:
            path = Path(file.name)  # mode 0600
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.executescript(SCHEMA)
            path.unlink(missing_ok=True)
            connection.execute("BEGIN")
            yield cls(connection, folder, reserved)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                raise
            raise UnreadableArchive(NO_ROOM) from error
        finally:
            path.unlink(missing_ok=True)
            connection.close()

    def add_source(self, name: str) -> int:
        """Return the number of a source. Ids are unique in it."""
        if name not in self._sources:
            self._sources[name] = len(self._sources)
            self._connection.execute("INSERT INTO source VALUES (?, ?)", (self._sources[name], name))
        return self._sources[name]

    @property
    def sources(self) -> list[str]:
        """The sources by their numbers."""
        return list(self._sources)

    def add_thread(self, source: int, record: ThreadRecord) -> None:
        """Add a thread, or complete what is known about it."""
        self._connection.execute(
            """
            INSERT INTO thread (source, id, links, title, is_closed) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET links = CASE WHEN excluded.links = '[]' THEN links ELSE excluded.links END,
                title = COALESCE(excluded.title, title), is_closed = MAX(excluded.is_closed, is_closed)
            """,
            (source, record.id, msgspec.json.encode(record.links).decode(), record.title, record.is_closed),
        )

    def add_comment(self, source: int, record: CommentRecord, created_at: int | None, twin: bytes | None) -> None:
        """Add a comment. If several have the same id, only the first is kept: see ``count_comments``."""
        encoded = self._encoder.encode(record)
        self._comments.append((source, record.id, record.thread, record.parent, created_at, twin, encoded))
        if len(self._comments) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Write the comments that are in memory.

        Raises:
            UnreadableArchive: the disk has no room for them.
        """
        self.require_room()
        self._connection.executemany(
            """
            INSERT OR IGNORE INTO comment (source, id, thread, parent, created_at, twin, record)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            self._comments,
        )
        self._comments.clear()

    def require_room(self) -> None:
        """Check that the disk has room: small archives can become large, and new comments need some of it.

        Raises:
            UnreadableArchive: it has not.
        """
        if shutil.disk_usage(self._folder).free < self._reserved:
            raise UnreadableArchive(NO_ROOM)

    def add_left_out(self, source: int, record_id: str, parent: str | None) -> None:
        """Note the parent of a comment that is not imported."""
        self._connection.execute("INSERT OR IGNORE INTO left_out VALUES (?, ?, ?)", (source, record_id, parent))

    def count_comments(self) -> int:
        """Return the number of comments."""
        return self._number("SELECT COUNT(*) FROM comment")

    def finish_reading(self) -> None:
        """Get ready for the questions below: everything was read."""
        self.flush()
        self._connection.executescript(
            """
            CREATE INDEX comment_thread ON comment (source, thread, seq);
            INSERT OR IGNORE INTO thread (source, id, links, is_closed)
                SELECT DISTINCT source, thread, '[]', 0 FROM comment;
            """
        )

    def list_threads(self) -> Iterator[tuple[int, ThreadRecord]]:
        """Return the threads with their sources, those with a comment also if the archive does not list them."""
        rows = self._connection.execute("SELECT source, id, links, title, is_closed FROM thread ORDER BY source, id")
        for source, id_, links, title, is_closed in rows:
            known = tuple(msgspec.json.decode(links, type=list[str]))
            yield source, ThreadRecord(id=id_, links=known, title=title, is_closed=bool(is_closed))

    def find_page(self, site_id: str, names: Iterable[str]) -> int | None:
        """Return the number of the first page that has one of these names."""
        for name in names:
            row = self._connection.execute(
                "SELECT page FROM page_name WHERE site_id = ? AND name = ?", (site_id, name)
            ).fetchone()
            if row:
                return int(row[0])
        return None

    def add_page(self, site_id: str, name: str, url: str | None, title: str | None, *, is_closed: bool) -> int:
        """Add a page; return its number."""
        return (
            self._connection.execute(
                "INSERT INTO page (site_id, name, url, title, is_closed) VALUES (?, ?, ?, ?, ?)",
                (site_id, name, url, title, is_closed),
            ).lastrowid
            or 0
        )

    def join_page(self, page: int, source: int, thread: ThreadRecord) -> None:
        """Note that a thread belongs to a page. A page is closed if all its threads are."""
        self._connection.execute("UPDATE thread SET page = ? WHERE source = ? AND id = ?", (page, source, thread.id))
        self._connection.execute(
            "UPDATE page SET title = COALESCE(title, ?), is_closed = MIN(is_closed, ?) WHERE number = ?",
            (thread.title, thread.is_closed, page),
        )

    def add_names(self, page: int, site_id: str, names: Iterable[str], *, is_link: bool) -> None:
        """Give a page more names, unless another page has them."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO page_name VALUES (?, ?, ?, ?)", [(site_id, name, page, is_link) for name in names]
        )

    def finish_pages(self) -> None:
        """Get ready for the questions below: every thread has its page, or none."""
        self._connection.executescript(
            "CREATE INDEX thread_page ON thread (page); CREATE INDEX page_names ON page_name (page);"
        )

    def list_pages(self) -> Iterator[Page]:
        """Return the pages that have a comment, in the order of the archive."""
        rows = self._connection.execute(
            """
            SELECT * FROM page WHERE EXISTS (
                SELECT 1 FROM thread JOIN comment ON comment.source = thread.source AND comment.thread = thread.id
                WHERE thread.page = page.number
            ) ORDER BY number
            """
        )
        return (msgspec.convert(row, Page, strict=False) for row in rows)

    def list_names(self, page: int) -> list[tuple[str, bool]]:
        """Return the names of a page, each with whether it is the name of a link, the first ones first."""
        rows = self._connection.execute(
            "SELECT name, is_link FROM page_name WHERE page = ? ORDER BY is_link DESC, name", (page,)
        )
        return [(name, bool(is_link)) for name, is_link in rows]

    def list_comments(self, page: int) -> list[StagedComment]:
        """Return the comments of a page, in the order of the archive."""
        rows = self._connection.execute(
            """
            SELECT seq, source, comment.id, parent, created_at, twin FROM thread
            JOIN comment USING (source) WHERE thread.page = ? AND comment.thread = thread.id ORDER BY seq
            """,
            (page,),
        )
        return [StagedComment(*row) for row in rows]

    def find_record(self, seq: int) -> bytes:
        """Return an encoded comment: see ``preparation``."""
        (record,) = self._connection.execute("SELECT record FROM comment WHERE seq = ?", (seq,)).fetchone()
        return bytes(record)

    def find_left_out(self, source: int, record_id: str) -> tuple[str | None] | None:
        """Return the parent of a comment that was left out; None if it was not."""
        row = self._connection.execute(
            "SELECT parent FROM left_out WHERE source = ? AND id = ?", (source, record_id)
        ).fetchone()
        return (row[0],) if row else None

    def find_time_before(self, seq: int) -> int | None:
        """Return the time of the nearest comment with one before this one in the archive, or else after it."""
        (number,) = self._connection.execute(
            """
            SELECT COALESCE(
                (SELECT created_at FROM comment WHERE created_at IS NOT NULL AND seq < ?1 ORDER BY seq DESC LIMIT 1),
                (SELECT created_at FROM comment WHERE created_at IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT 1)
            )
            """,
            (seq,),
        ).fetchone()
        return None if number is None else int(number)

    def count_without_page(self) -> int:
        """Return the number of comments whose thread belongs to no page."""
        return self._number(
            """
            SELECT COUNT(*) FROM thread JOIN comment ON comment.source = thread.source AND comment.thread = thread.id
            WHERE thread.page IS NULL
            """
        )

    def count_threads_without_comments(self) -> int:
        """Return the number of threads in which no comment was found that can be imported."""
        return self._number(
            """
            SELECT COUNT(*) FROM thread WHERE NOT EXISTS (
                SELECT 1 FROM comment WHERE comment.source = thread.source AND comment.thread = thread.id
            )
            """
        )

    def _number(self, sql: str) -> int:
        (number,) = self._connection.execute(sql).fetchone()
        return int(number)
