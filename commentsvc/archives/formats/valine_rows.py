"""Rows of Valine, and of the systems that took over its fields: Waline and Twikoo.

``pid`` names the parent, ``rid`` the first comment of the branch. LeanCloud exports a class as JSON lines under a line
that begins with ``#filetype``, as a list, or as ``{"results": […]}``; or all classes as an archive of such files.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import HEAD_BYTES, ArchiveFile
from commentsvc.archives.folders import Member, is_container, read_members
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import read_line_rows, read_rows
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.values import Row, earliest_key, email_of, first_of, flag, identifier, optional, text_of
from commentsvc.domain.models import Status

LISTS: Final[frozenset[Path]] = frozenset({(), ("results",)})
MAX_MEMBER_BYTES: Final = 67_108_864
NO_PARENT: Final = frozenset({None, "0"})


@dataclass(frozen=True)
class Dialect:
    """Differences of one of the systems from Valine."""

    lists: frozenset[Path]
    times: tuple[str, ...]  # fields, the best first
    status_of: Callable[[Row], Status]
    markup_of: Callable[[Row], Markup]
    # The rows in an element of the file; by default it is one itself.
    rows_of: Callable[[Path, Row], Iterator[Row | None]] | None = None


def status_by_spam(row: Row) -> Status:
    """Return the status in the field ``isSpam``."""
    return Status.SPAM if flag(row.get("isSpam")) else Status.APPROVED


def read_dialect(file: ArchiveFile, dialect: Dialect) -> Iterator[Record]:
    """Yield the threads and comments of an export."""
    return records_of(_rows(file, dialect), dialect)


def records_of(rows: Iterable[Row | None], dialect: Dialect) -> Iterator[Record]:
    """Yield the threads and comments of some rows."""
    threads: set[str] = set()
    for row in rows:
        if row is None or "comment" not in row:
            yield LeftOut(reason=LeftOutReason.UNREADABLE)
        else:
            yield from _records(row, dialect, threads)


def comments_head(file: ArchiveFile, head: bytes) -> bytes:
    """Return the beginning of the comments: of the file, or of the file with comments in an archive of LeanCloud."""
    if not is_container(file, head):
        return head
    try:
        return next((member.data[:HEAD_BYTES] for member in _members(file) if member.data), b"")
    except UnreadableArchive:
        return b""


def _members(file: ArchiveFile) -> Iterator[Member]:
    """Yield the files of the class Comment: Comment.0.jsonl and its successors."""
    for member in read_members(file, (".jsonl",), MAX_MEMBER_BYTES):
        if PurePosixPath(member.path).name.lower().startswith("comment."):
            yield member


def _member_rows(file: ArchiveFile) -> Iterator[Row | None]:
    for member in _members(file):
        if member.data is None:
            raise UnreadableArchive(f"{member.path} is a link, or has more than 64 MB. Unpack it, and import it alone.")
        yield from read_line_rows(io.BytesIO(member.data), member.path)


def _rows(file: ArchiveFile, dialect: Dialect) -> Iterator[Row | None]:
    if is_container(file, file.head()):
        yield from _member_rows(file)
        return
    for path, row in read_rows(file, dialect.lists):
        if path and path not in dialect.lists and not path[-1].lower().endswith("comment"):
            continue  # another table of the database
        if dialect.rows_of is None or row is None:
            yield row
        else:
            yield from dialect.rows_of(path, row)


def _records(row: Row, dialect: Dialect, threads: set[str]) -> Iterator[Record]:
    own = next((found for key in ("_id", "objectId", "id") if (found := identifier(row.get(key)))), None)
    parent = _parent(row, own)
    links = tuple(dict.fromkeys(link for key in ("href", "url") if (link := optional(row.get(key)))))
    if own is None or not links:
        reason = LeftOutReason.UNREADABLE if own is None else LeftOutReason.BAD_THREAD
        yield LeftOut(reason=reason, id=own, parent=parent)
        return
    thread = links[-1]
    if thread not in threads:
        threads.add(thread)
        yield ThreadRecord(id=thread, links=links)
    yield CommentRecord(
        id=own,
        thread=thread,
        parent=parent,
        text=text_of(row["comment"]),
        markup=dialect.markup_of(row),
        name=text_of(row.get("nick")),
        author=identifier(row.get("user_id")),
        email=email_of(row.get("mail")),
        website=optional(row.get("link")),
        address=optional(row.get("ip")),
        agent=first_of(row, "ua") or None,
        created_at=earliest_key(row, dialect.times),
        status=dialect.status_of(row),
    )


def _parent(row: Row, own: str | None) -> str | None:
    for key in ("pid", "rid"):
        parent = identifier(row.get(key))
        if parent not in NO_PARENT and parent != own:
            return parent
    return None
