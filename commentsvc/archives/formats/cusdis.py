"""The tables of Cusdis: an SQLite file, JSON, CSV, or a folder with one file for each table. Its texts are Markdown."""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from commentsvc.archives.csv_rows import csv_header, read_csv
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.folders import is_folder, read_members
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.json_elements import Path, Splitter
from commentsvc.archives.json_rows import decode_row, read_rows, sample
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.sqlite_tables import is_sqlite, open_tables
from commentsvc.archives.values import Row, earliest_key, email_of, first_of, flag, identifier, optional, text_of
from commentsvc.domain.models import Status

TABLES: Final = ("comments", "pages")
LISTS: Final[frozenset[Path]] = frozenset({(), ("comments",), ("pages",)})
TOP: Final[frozenset[Path]] = frozenset({()})
MARK: Final = "by_nickname"  # a field that only Cusdis has
TABLE_IN_JSON: Final = re.compile(rb'"type":\s*"table",\s*"name":\s*"comments"[^{]{0,500}\{[^{}]{0,2000}"by_nickname"')
ENDINGS: Final = (".csv", ".json")
MAX_TABLE_BYTES: Final = 67_108_864  # of a table in a folder
PAGE_IDS: Final = ("pageId", "pageid", "page_id")
PARENT_IDS: Final = ("parentId", "parentid", "parent_id")
TIMES: Final = ("created_at", "createdAt")
REMOVED: Final = ("deletedAt", "deletedat", "deleted_at")
COMMENT_COLUMNS: Final = ("id", MARK, "by_email", "content", "approved", *PAGE_IDS, *PARENT_IDS, *TIMES, *REMOVED)
PAGE_COLUMNS: Final = ("id", "slug", "url", "title")


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export."""
    head = file.head()
    if is_sqlite(head):
        return _read_sqlite(file)
    if is_folder(file, head):
        return _read_folder(file)
    return _read_csv(file) if MARK in csv_header(head) else _read_json(file)


def _read_sqlite(file: ArchiveFile) -> Iterator[Record]:
    with open_tables(file, TABLES) as tables:
        if MARK not in tables.columns("comments"):
            raise UnreadableArchive(f"{file.name} is no database of Cusdis: it lacks the table comments.")
        pages = _by_id(tables.rows("pages", PAGE_COLUMNS))
        yield from _records(tables.rows("comments", COMMENT_COLUMNS), pages)


def _read_csv(file: ArchiveFile) -> Iterator[Record]:
    with file.open() as stream:
        yield from _records(read_csv(stream, file.name), {})


def _read_json(file: ArchiveFile) -> Iterator[Record]:
    pages = _by_id(row for path, row in read_rows(file, LISTS) if path == ("pages",))
    yield from _records((row for path, row in read_rows(file, LISTS) if path in {(), ("comments",)}), pages)


def _read_folder(file: ArchiveFile) -> Iterator[Record]:
    found: dict[str, list[Row | None]] = {}
    for member in read_members(file, ENDINGS, MAX_TABLE_BYTES):
        table = PurePosixPath(member.path)
        if table.stem.lower() in TABLES:
            if member.data is None:
                raise UnreadableArchive(f"{member.path} in {file.name} is a link, or has more than 64 MB.")
            found[table.stem.lower()] = list(_table(member.data, table))
    if "comments" not in found:
        raise UnreadableArchive(f"{file.name} has no table of comments. Expected comments.csv or comments.json.")
    yield from _records(found["comments"], _by_id(found.get("pages", ())))


def _table(data: bytes, path: PurePosixPath) -> Iterator[Row | None]:
    if path.suffix.lower() == ".csv":
        yield from read_csv(io.BytesIO(data), path.name)
        return
    splitter = Splitter(TOP)
    for start in range(0, len(data), MAX_TABLE_BYTES // 16):
        yield from (decode_row(one) for _path, one in splitter.feed(data[start : start + MAX_TABLE_BYTES // 16]))
    yield from (decode_row(one) for _path, one in splitter.end())


def _by_id(rows: Iterable[Row | None]) -> dict[str, Row]:
    return {own: row for row in rows if row is not None and (own := identifier(row.get("id")))}


def _records(rows: Iterable[Row | None], pages: dict[str, Row]) -> Iterator[Record]:
    threads: set[str] = set()
    for row in rows:
        own = identifier(row.get("id")) if row else None
        if row is None or own is None or "content" not in row:
            yield LeftOut(reason=LeftOutReason.UNREADABLE, id=own)
        else:
            yield from _comment(row, own, pages, threads)


def _comment(row: Row, own: str, pages: dict[str, Row], threads: set[str]) -> Iterator[Record]:
    parent, nested = identifier(first_of(row, *PARENT_IDS)), row.get("page")
    page = nested if isinstance(nested, dict) else row
    thread = first_of(row, *PAGE_IDS) or first_of(page, "url", "slug")
    if any(optional(row.get(key)) for key in REMOVED) or not thread:
        reason = LeftOutReason.DELETED if thread else LeftOutReason.BAD_THREAD
        yield LeftOut(reason=reason, id=own, parent=parent)
        return
    if thread not in threads:
        threads.add(thread)
        yield _thread(thread, pages.get(thread, page))
    yield CommentRecord(
        id=own,
        thread=thread,
        parent=parent,
        text=text_of(row["content"]),
        markup=Markup.MARKDOWN,
        name=text_of(row.get(MARK)),
        email=email_of(row.get("by_email")),
        created_at=earliest_key(row, TIMES),
        status=Status.APPROVED if flag(row.get("approved")) else Status.PENDING,
    )


def _thread(thread: str, page: Row) -> ThreadRecord:
    links = [found for key in ("url", "slug") if (found := optional(page.get(key)))]
    return ThreadRecord(id=thread, links=tuple(dict.fromkeys(links)), title=optional(page.get("title")))


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export.

    Raises:
        UnreadableArchive: it is a database, but cannot be read as it is: no other format can read it either.
    """
    if is_sqlite(head):
        with open_tables(file, TABLES) as tables:
            return MARK in tables.columns("comments")
    try:
        if is_folder(file, head):
            names = {PurePosixPath(one.path).stem.lower() for one in read_members(file, ENDINGS, 0)}
            return "comments" in names and _folder_has_mark(file)
    except UnreadableArchive:
        return False
    if MARK in csv_header(head) or TABLE_IN_JSON.search(head):
        return True
    return any(MARK in row for _path, row in sample(head, LISTS).rows)


def _folder_has_mark(file: ArchiveFile) -> bool:
    members = read_members(file, ENDINGS, MAX_TABLE_BYTES)
    tables = (one for one in members if PurePosixPath(one.path).stem.lower() == "comments")
    return any(MARK.encode() in (one.data or b"")[:MAX_TABLE_BYTES] for one in tables)


FORMAT: Final = ArchiveFormat("cusdis", "Cusdis (SQLite, JSON or CSV)", read, matches)
