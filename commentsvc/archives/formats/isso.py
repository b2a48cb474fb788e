"""The database of Isso: an SQLite file. Its texts are Markdown."""

import hashlib
from collections.abc import Iterator
from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.sqlite_tables import Tables, is_sqlite, open_tables
from commentsvc.archives.values import Row, email_of, identifier, moment, optional, text_of
from commentsvc.domain.models import Status

THREAD_COLUMNS: Final = ("id", "uri", "title")
# Files of older versions lack some.
COMMENT_COLUMNS: Final = (
    "tid id parent created modified mode remote_addr text author email website".split()  # noqa: SIM905 -- one line
)
TABLES: Final = ("threads", "comments", "preferences")
STATUSES: Final = {"1": Status.APPROVED, "": Status.APPROVED, "2": Status.PENDING}
DELETED_MODE: Final = "4"  # kept for its replies, without its text


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of a database."""
    with open_tables(file, TABLES) as tables:
        if not _is_isso(tables):
            raise UnreadableArchive(f"{file.name} is no database of Isso: it lacks the tables threads and comments.")
        for row in tables.rows("threads", THREAD_COLUMNS):
            uri = optional(row.get("uri"))
            links = (uri,) if uri else ()
            yield ThreadRecord(id=text_of(row.get("id")), links=links, title=optional(row.get("title")))
        yield from map(_record, tables.rows("comments", tuple(COMMENT_COLUMNS), order="id"))


def _record(row: Row) -> CommentRecord | LeftOut:
    own, parent, mode = identifier(row.get("id")), identifier(row.get("parent")), text_of(row.get("mode"))
    thread = identifier(row.get("tid"))
    if own is None:
        return LeftOut(reason=LeftOutReason.UNREADABLE)
    if mode == DELETED_MODE or thread is None:
        reason = LeftOutReason.BAD_THREAD if thread is None else LeftOutReason.DELETED
        return LeftOut(reason=reason, id=own, parent=parent)
    return CommentRecord(
        id=own,
        thread=thread,
        parent=parent,
        text=text_of(row.get("text")),
        markup=Markup.MIXED,
        name=text_of(row.get("author")),
        email=email_of(row.get("email")),
        website=optional(row.get("website")),
        address=optional(row.get("remote_addr")),
        created_at=moment(row.get("created")),
        edited_at=moment(row.get("modified")),
        status=STATUSES.get(mode, Status.PENDING),
    )


def _is_isso(tables: Tables) -> bool:
    return {"id", "uri"} <= set(tables.columns("threads")) and {"tid", "id", "text"} <= set(tables.columns("comments"))


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such a database.

    Raises:
        UnreadableArchive: it is a database, but cannot be read as it is: no other format can read it either.
    """
    if not is_sqlite(head):
        return False
    with open_tables(file, TABLES) as tables:
        return _is_isso(tables)


def name_source(file: ArchiveFile) -> str:
    """Return the name of the database. Ids are small numbers; the session key differs for each installation."""
    with open_tables(file, TABLES) as tables:
        for row in tables.rows("preferences", ("key", "value")):
            if text_of(row.get("key")) == "session-key":
                return f"isso/{hashlib.sha256(text_of(row.get('value')).encode()).hexdigest()[:12]}"
    return "isso"


FORMAT: Final = ArchiveFormat("isso", "Isso (SQLite file)", read, matches, name_source)
