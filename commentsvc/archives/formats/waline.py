"""Exports of Waline: its own JSON, or the class Comment of LeanCloud. Its texts are Markdown."""

import re
from collections.abc import Iterator
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.formats.valine_rows import LISTS, Dialect, comments_head, read_dialect, status_by_spam
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import sample
from commentsvc.archives.records import Markup, Record
from commentsvc.archives.values import Row, text_of
from commentsvc.domain.models import Status

# In a file of its admin page, and in an answer of its API.
OWN_LISTS: Final[frozenset[Path]] = LISTS | {("data", "Comment"), ("data", "data", "Comment")}
# ``insertedAt`` is when somebody wrote it, ``createdAt`` when the row was last imported.
TIMES: Final = ("insertedAt", "createdAt")
STATUSES: Final = {"approved": Status.APPROVED, "spam": Status.SPAM}
# Comments that came from Valine are still HTML.
RENDERED: Final = re.compile(r"<(p|div|ul|ol|pre|blockquote|a)\b.*>", re.IGNORECASE | re.DOTALL)


def _status(row: Row) -> Status:
    status = text_of(row.get("status")).lower()
    return STATUSES.get(status, Status.PENDING) if status else status_by_spam(row)


def _markup(row: Row) -> Markup:
    """Return Markdown for rows of Waline. Those of Valine have no status, or are rendered."""
    is_html = "status" not in row or RENDERED.fullmatch(text_of(row["comment"]))
    return Markup.HTML if is_html else Markup.MIXED


DIALECT: Final = Dialect(OWN_LISTS, TIMES, _status, _markup)


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export of Waline."""
    return read_dialect(file, DIALECT)


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export."""
    found = sample(comments_head(file, head), OWN_LISTS)
    if any(path[-1:] == ("Comment",) for path, _row in found.rows):
        return True
    return any("comment" in row and "status" in row for _path, row in found.rows)


def name_source(_file: ArchiveFile) -> str:
    """Return the name of the archive: the same for Valine, since a blog that changed kept its ids."""
    return "waline"


FORMAT: Final = ArchiveFormat("waline", "Waline", read, matches, name_source)
