"""Read tables of an SQLite file that a stranger may have made.

Nothing in the file is executed: it is opened read-only, views and virtual tables are refused, and functions are denied.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final
from urllib.parse import quote

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import GZIP_MAGIC, ArchiveFile
from commentsvc.archives.values import Row

MAGIC: Final = b"SQLite format 3\x00"
MAX_VALUE_BYTES: Final = 16_777_216
ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
PRAGMAS: Final = ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0")


class Tables:
    """The real tables of a file, with the columns that they have."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._columns: dict[str, tuple[str, ...]] = {}

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table that stores its rows; none if there is no such table."""
        return self._columns.get(table, ())

    def load(self, wanted: tuple[str, ...]) -> None:
        """Look up the columns of some tables. Afterwards, the file can only be read."""
        for table in wanted:
            query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?"
            found = self._connection.execute(query, (table,)).fetchone()
            # The definition of a virtual table begins with CREATE VIRTUAL TABLE: a module would run.
            if found and str(found[0]).upper().startswith("CREATE TABLE"):
                info = self._connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
                self._columns[table] = tuple(str(column[1]) for column in info)
        self._connection.set_authorizer(_authorize)

    def rows(self, table: str, columns: tuple[str, ...], order: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, with those of the columns that it has."""
        here = [column for column in columns if column in self.columns(table)]
        if not here:
            return
        names = ", ".join(map(_quoted, here))
        by = f" ORDER BY {_quoted(order)}" if order in here and order is not None else ""
        for row in self._connection.execute(f"SELECT {names} FROM {_quoted(table)}{by}"):  # noqa: S608 -- quoted names
            yield dict(zip(here, row, strict=True))


@contextmanager
def open_tables(file: ArchiveFile, wanted: tuple[str, ...]) -> Iterator[Tables]:
    """Open an SQLite file for reading only, as it is on the disk.

    Raises:
        UnreadableArchive: it is damaged, compressed, no SQLite file, or still in use.
    """
    _refuse_unfinished(file)
    address = f"file:{quote(str(file.path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.text_factory = _decode
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            tables = Tables(connection)
            tables.load(wanted)
            yield tables
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:  # the last: names of columns that are no text
        raise UnreadableArchive(f"{file.name} is a damaged SQLite file: {error}.") from error


def is_sqlite(head: bytes) -> bool:
    """Return whether a file begins as an SQLite file does."""
    return head.startswith(MAGIC)


def _refuse_unfinished(file: ArchiveFile) -> None:
    """Refuse a file whose last changes are in another file. ``immutable`` would read it without them."""
    if not file.path.is_file():
        raise UnreadableArchive(f"{file.name} is no file.")
    with file.path.open("rb") as stream:
        magic = stream.read(len(MAGIC))
    if magic.startswith(GZIP_MAGIC):
        raise UnreadableArchive(f"{file.name} is compressed. Decompress it first, for example by gunzip.")
    if magic != MAGIC:
        raise UnreadableArchive(f"{file.name} is no SQLite file.")
    for ending in ("-wal", "-journal"):
        beside = file.path.with_name(file.path.name + ending)
        if beside.exists() and beside.stat().st_size:
            raise UnreadableArchive(
                f"{file.name} is in use: {beside.name} has changes that are not in it. "
                "Stop the program that uses it, or copy it with: sqlite3 FILE '.backup COPY'"
            )


def _authorize(action: int, *_details: str | None) -> int:
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")
