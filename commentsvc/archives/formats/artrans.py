"""Artrans, the format of Artalk: a list in which every value is a string. Its texts are Markdown."""

from collections.abc import Iterator
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import read_rows, sample
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.values import Row, email_of, flag, identifier, moment, optional, text_of
from commentsvc.domain.models import Status

LISTS: Final[frozenset[Path]] = frozenset({()})


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export of Artalk."""
    threads: set[str] = set()
    for _path, row in read_rows(file, LISTS):
        own = identifier(row.get("id")) if row else None
        if row is None or own is None or "content" not in row:
            yield LeftOut(reason=LeftOutReason.UNREADABLE, id=own)
        else:
            yield from _records(row, own, threads)


def _records(row: Row, own: str, threads: set[str]) -> Iterator[Record]:
    parent = identifier(row.get("rid"))
    parent = None if parent in {"0", own} else parent
    page = optional(row.get("page_key"))
    if page is None:
        yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=own, parent=parent)
        return
    if page not in threads:
        threads.add(page)
        yield ThreadRecord(id=page, links=(page,), title=optional(row.get("page_title")))
    yield CommentRecord(
        id=own,
        thread=page,
        parent=parent,
        text=text_of(row["content"]),
        markup=Markup.MIXED,
        name=text_of(row.get("nick")),
        email=email_of(row.get("email")),
        website=optional(row.get("link")),
        address=optional(row.get("ip")),
        agent=optional(row.get("ua")),
        created_at=moment(row.get("created_at")) or moment(row.get("date")),
        status=Status.PENDING if flag(row.get("is_pending")) else Status.APPROVED,
    )


def _is_comment(row: Row) -> bool:
    return "page_key" in row and "content" in row


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export."""
    return any(_is_comment(row) for _path, row in sample(head, LISTS).rows)


def name_source(file: ArchiveFile) -> str:
    """Return the name of the archive: ids are numbers, so that two sites may have the same."""
    site = next((text_of(row.get("site_name")) for _path, row in read_rows(file, LISTS) if row is not None), "")
    return f"artrans/{site}" if site else "artrans"


FORMAT: Final = ArchiveFormat("artrans", "Artalk (Artrans)", read, matches, name_source)
