"""Exports of Waline: its own JSON, its table, or the class Comment of LeanCloud. Its texts are Markdown and HTML."""

import re
from collections.abc import Iterator
from typing import Final

from commentsvc.archives.csv_rows import csv_header, read_csv
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.formats.valine_rows import (
    LISTS,
    Dialect,
    comments_head,
    read_dialect,
    records_of,
    status_by_spam,
)
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import sample
from commentsvc.archives.records import Markup, Record
from commentsvc.archives.sqlite_tables import is_sqlite, open_tables
from commentsvc.archives.values import Row, text_of
from commentsvc.domain.models import Status

# In a file of its admin page, and in an answer of its API.
OWN_LISTS: Final[frozenset[Path]] = LISTS | {("data", "Comment"), ("data", "data", "Comment"), ("wl_Comment",)}
# Its table in SQLite, MySQL and PostgreSQL. On GitHub, it is a CSV file.
TABLES: Final = ("wl_Comment", "Comment")
COLUMNS: Final = tuple(
    "id objectId user_id comment insertedAt ip link mail nick pid rid status isSpam ua url createdAt".split()  # noqa: SIM905 -- one line
)
NEEDED: Final = frozenset({"comment", "nick", "url"})
TABLE_IN_JSON: Final = re.compile(rb'"type":\s*"table",\s*"name":\s*"(?:\w{1,60}_)?[Cc]omment"')
# ``insertedAt`` is when somebody wrote it, ``createdAt`` when the row was last imported.
TIMES: Final = ("insertedAt", "insertedat", "createdAt", "createdat")  # PostgreSQL has no capital letters
STATUSES: Final = {"approved": Status.APPROVED, "spam": Status.SPAM}
# Comments that came from Valine are still HTML, but for those of some of its versions.
RENDERED: Final = re.compile(r"<(p|div|ul|ol|pre|blockquote|a)\b.*>", re.IGNORECASE | re.DOTALL)


def _status(row: Row) -> Status:
    status = text_of(row.get("status")).lower()
    return STATUSES.get(status, Status.PENDING) if status else status_by_spam(row)


def _markup(row: Row) -> Markup:
    """Return HTML for rows that are rendered: those of Valine mostly are. Others are Markdown."""
    return Markup.HTML if RENDERED.fullmatch(text_of(row["comment"])) else Markup.MIXED


DIALECT: Final = Dialect(OWN_LISTS, TIMES, _status, _markup)


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export of Waline."""
    head = file.head()
    if is_sqlite(head):
        return _read_sqlite(file)
    return _read_csv(file) if set(csv_header(head)) >= NEEDED else read_dialect(file, DIALECT)


def _read_sqlite(file: ArchiveFile) -> Iterator[Record]:
    with open_tables(file, TABLES) as tables:
        name = next((table for table in TABLES if set(tables.columns(table)) >= NEEDED), None)
        if name is None:
            raise UnreadableArchive(f"{file.name} is no database of Waline: it lacks the table wl_Comment.")
        yield from records_of(tables.rows(name, COLUMNS), DIALECT)


def _read_csv(file: ArchiveFile) -> Iterator[Record]:
    with file.open() as stream:
        yield from records_of(read_csv(stream, file.name), DIALECT)


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export.

    Raises:
        UnreadableArchive: it is a database, but cannot be read as it is: no other format can read it either.
    """
    if is_sqlite(head):
        with open_tables(file, TABLES) as tables:
            return any(set(tables.columns(table)) >= NEEDED for table in TABLES)
    if set(csv_header(head)) >= NEEDED or TABLE_IN_JSON.search(head):
        return True
    found = sample(comments_head(file, head), OWN_LISTS)
    if any(path[-1:] == ("Comment",) for path, _row in found.rows):
        return True
    return any("comment" in row and "status" in row for _path, row in found.rows)


def name_source(_file: ArchiveFile) -> str:
    """Return the name of the archive: the same for Valine, since a blog that changed kept its ids."""
    return "waline"


FORMAT: Final = ArchiveFormat("waline", "Waline", read, matches, name_source)
