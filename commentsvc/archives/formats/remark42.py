"""Backups of Remark42: JSON lines. The first has users and pages, each other line a comment."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import read_lines, sample
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.values import Row, email_of, flag, identifier, moment, optional, text_of

META_KEYS: Final = frozenset({"version", "users"})
NO_LISTS: Final[frozenset[Path]] = frozenset()


@dataclass
class Meta:
    """Facts about the whole backup, from its first line."""

    emails: dict[str, str] = field(default_factory=dict)  # by the id of the user
    closed: set[str] = field(default_factory=set)  # addresses of pages


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of a backup."""
    meta, threads = Meta(), set[str]()
    for number, row in enumerate(read_lines(file)):
        if row is not None and number == 0 and row.keys() >= META_KEYS:
            meta = _meta(row)
        elif row is None:
            yield LeftOut(reason=LeftOutReason.UNREADABLE)
        else:
            yield from _records(row, meta, threads)


def _meta(row: Row) -> Meta:
    meta = Meta()
    for user in _objects(row.get("users")):
        details = [user, *_objects(user.get("details")), *_objects([user.get("details")])]
        email = next((found for one in details if (found := email_of(one.get("email")))), None)
        own = identifier(user.get("id"))
        if email and own:
            meta.emails[own] = email
    for page in _objects(row.get("posts")):
        if flag(page.get("read_only")):
            meta.closed.add(text_of(page.get("url")))
    return meta


def _objects(value: object) -> list[Row]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _records(row: Row, meta: Meta, threads: set[str]) -> Iterator[Record]:
    own, parent = identifier(row.get("id")), identifier(row.get("pid"))
    url = text_of(_object(row.get("locator")).get("url"))
    if own is None:
        yield LeftOut(reason=LeftOutReason.UNREADABLE)
    elif flag(row.get("delete")):
        yield LeftOut(reason=LeftOutReason.DELETED, id=own, parent=parent)
    elif not url:
        yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=own, parent=parent)
    else:
        if url not in threads:
            threads.add(url)
            title = optional(row.get("title"))
            yield ThreadRecord(id=url, links=(url,), title=title, is_closed=url in meta.closed)
        yield _comment(row, own, parent, meta)


def _comment(row: Row, own: str, parent: str | None, meta: Meta) -> CommentRecord:
    user, source = _object(row.get("user")), text_of(row.get("orig"))
    author = identifier(user.get("id"))
    return CommentRecord(
        id=own,
        thread=text_of(_object(row.get("locator")).get("url")),
        parent=parent,
        text=source or text_of(row.get("text")),
        markup=Markup.MIXED if source else Markup.HTML,
        name=text_of(user.get("name")),
        author=author,
        email=meta.emails.get(author or "") or email_of(user.get("email")),
        created_at=moment(row.get("time")),
        edited_at=moment(_object(row.get("edit")).get("time")),
    )


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such a backup."""
    found = sample(head, NO_LISTS)
    is_meta = set(found.keys) >= META_KEYS and not {"comments", "data"} & set(found.keys)
    return is_meta or any("locator" in row and "user" in row for _path, row in found.rows)


def name_source(file: ArchiveFile) -> str:
    """Return the name of the archive: ids of comments that Remark42 imported are unique in one site only."""
    located = (_object(row.get("locator")) for row in read_lines(file) if row is not None)
    site = next((site for locator in located if (site := text_of(locator.get("site")))), "")
    return f"remark42/{site}" if site else "remark42"


FORMAT: Final = ArchiveFormat("remark42", "Remark42 (backup)", read, matches, name_source)
