"""The comments.yaml that wp2hugo writes of a WordPress export. Its texts are as WordPress stored them."""

import re
from collections.abc import Iterator
from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, Repair, ThreadRecord
from commentsvc.archives.values import Row, email_of, identifier, moment, optional, text_of
from commentsvc.archives.yaml_values import read_documents

KEYS: Final = ("author_name", "content", "post_url")
FIRST_ITEM: Final = re.compile(rb"\s*(?:#[^\n]*\n\s*|---\s*\n)*- [a-z_]+:")


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of the file."""
    threads: set[str] = set()
    found = False
    with file.open() as stream:
        for row, dropped in read_documents(stream, file.name):
            own = identifier(row.get("id")) if isinstance(row, dict) else None
            found = found or own is not None
            if own is None or "content" not in row:
                yield LeftOut(reason=LeftOutReason.UNREADABLE, id=own)
            else:
                yield from _records(row, own, threads, (Repair.CONTROL_CHARACTERS,) if dropped else ())
    if not found:
        raise UnreadableArchive(f"{file.name} is no comments.yaml of wp2hugo: it is no list of comments.")


def _records(row: Row, own: str, threads: set[str], repairs: tuple[Repair, ...]) -> Iterator[Record]:
    parent = identifier(row.get("parent_id"))
    parent = None if parent in {"0", own} else parent
    link = optional(row.get("post_url"))
    thread = identifier(row.get("post_id")) or link
    if thread is None:
        yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=own, parent=parent)
        return
    if thread not in threads:
        threads.add(thread)
        yield ThreadRecord(id=thread, links=(link,) if link else ())
    yield CommentRecord(
        id=own,
        thread=thread,
        parent=parent,
        text=text_of(row["content"]),
        markup=Markup.WORDPRESS,
        name=text_of(row.get("author_name")),
        email=email_of(row.get("author_email")),
        website=optional(row.get("author_url")),
        created_at=moment(row.get("published")),
        repairs=repairs,
    )


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such a list."""
    return bool(FIRST_ITEM.match(head)) and all(f"{key}:".encode() in head for key in KEYS)


FORMAT: Final = ArchiveFormat("wp2hugo", "wp2hugo (comments.yaml)", read, matches)
