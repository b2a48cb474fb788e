"""Exports of Commento (version 1) and Comentario (version 3): JSON with comments, commenters and pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.json_elements import Path, read_elements
from commentsvc.archives.json_rows import decode_row, sample
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, ThreadRecord
from commentsvc.archives.values import Row, email_of, first_of, flag, identifier, moment, optional, text_of
from commentsvc.domain.models import Status

COMMENTS: Final[Path] = ("comments",)
COMMENTERS: Final[Path] = ("commenters",)
PAGES: Final[Path] = ("pages",)
STATUSES: Final = {
    "approved": Status.APPROVED,
    "": Status.APPROVED,
    "flagged": Status.SPAM,  # by its filter
}
# Commento's name for somebody without an account.
ANONYMOUS: Final = frozenset({"anonymous", "0" * 64, "00000000-0000-0000-0000-000000000000"})
REMOVED_TEXTS: Final = frozenset({"[deleted]"})


@dataclass
class Index:
    """Commenters and pages by their ids. They may come after the comments, so they are read first."""

    commenters: dict[str, Row] = field(default_factory=dict)
    pages: dict[str, Row] = field(default_factory=dict)


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export."""
    index, threads = _index(file), set[str]()
    for _path, element in read_elements(file, frozenset({COMMENTS})):
        row = decode_row(element)
        own = identifier(row.get("commentHex") or row.get("id")) if row else None
        if row is None or own is None:
            yield LeftOut(reason=LeftOutReason.UNREADABLE)
        else:
            yield from _records(row, own, index, threads)


def _index(file: ArchiveFile) -> Index:
    index = Index()
    for path, element in read_elements(file, frozenset({COMMENTERS, PAGES, COMMENTS})):
        row = decode_row(element) if path != COMMENTS else None
        own = identifier(row.get("commenterHex") or row.get("id")) if row else None
        if row is not None and own is not None:
            (index.pages if path == PAGES else index.commenters)[own] = row
    return index


def _records(row: Row, own: str, index: Index, threads: set[str]) -> Iterator[Record]:
    parent = identifier(row.get("parentHex") or row.get("parentId"))
    parent = None if parent in {"root", own} else parent
    page = index.pages.get(identifier(row.get("pageId")) or "", {})
    link = _link(row, page)
    if _is_deleted(row):
        yield LeftOut(reason=LeftOutReason.DELETED, id=own, parent=parent)
    elif link is None:
        yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=own, parent=parent)
    else:
        if link not in threads:
            threads.add(link)
            closed = flag(page.get("isReadonly"))
            yield ThreadRecord(id=link, links=(link,), title=optional(page.get("title")), is_closed=closed)
        yield _comment(row, own, parent, link, index)


def _is_deleted(row: Row) -> bool:
    removed = text_of(row.get("markdown")) in REMOVED_TEXTS
    return removed or flag(row.get("deleted")) or flag(row.get("isDeleted")) or text_of(row.get("state")) == "deleted"


def _link(row: Row, page: Row) -> str | None:
    # Commento wrote the path as "url", Comentario as "path", and version 3 into its pages.
    path = next(
        (found for value in (page.get("path"), row.get("path"), row.get("url")) if (found := optional(value))), None
    )
    if path is None or path.startswith(("http://", "https://")):
        return path
    host = optional(row.get("domain")) or optional(row.get("host"))
    path = f"/{path.removeprefix('/')}"
    return f"https://{host}{path}" if host else path


def _comment(row: Row, own: str, parent: str | None, link: str, index: Index) -> CommentRecord:
    author = identifier(row.get("commenterHex") or row.get("userCreated"))
    commenter = index.commenters.get(author or "", {})
    source = text_of(row.get("markdown"))
    return CommentRecord(
        id=own,
        thread=link,
        parent=parent,
        text=source or text_of(row.get("html")),
        markup=Markup.MIXED if source else Markup.HTML,
        name=optional(commenter.get("name")) or first_of(row, "authorName"),
        author=None if author in ANONYMOUS else author,
        email=email_of(commenter.get("email")),
        website=optional(commenter.get("link")) or optional(commenter.get("websiteUrl")),
        address=optional(row.get("authorIp")),
        created_at=moment(row.get("creationDate")) or moment(row.get("createdTime")),
        edited_at=moment(row.get("editedTime")),
        status=_status(row),
    )


def _status(row: Row) -> Status:
    if "isApproved" not in row:
        return STATUSES.get(text_of(row.get("state")).lower(), Status.PENDING)
    if flag(row.get("isPending")):
        return Status.PENDING
    return Status.APPROVED if flag(row["isApproved"]) else Status.TRASH  # refused by a moderator


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export."""
    found = sample(head, frozenset({COMMENTS, COMMENTERS, PAGES}))
    rows = [row for path, row in found.rows if path == COMMENTS]
    if rows:
        return any("commentHex" in row or ("userCreated" in row and "pageId" in row) for row in rows)
    return "version" in found.keys and bool({"pages", "commenters"} & set(found.keys))


FORMAT: Final = ArchiveFormat("commento", "Commento, Comentario", read, matches)
