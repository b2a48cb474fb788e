"""Exports of Twikoo: a list, JSON lines of MongoDB, or the file of LokiJS. Its texts are HTML."""

from collections.abc import Iterator
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.formats.valine_rows import LISTS, Dialect, read_dialect, status_by_spam
from commentsvc.archives.json_elements import Path
from commentsvc.archives.json_rows import sample
from commentsvc.archives.records import Markup, Record
from commentsvc.archives.values import Row

COLLECTIONS: Final[Path] = ("collections",)  # of LokiJS: a collection is one element, so 16 MB at most
# Its function on CloudBase answers {"code": 0, "data": […]}, and the browser saves that.
OWN_LISTS: Final = LISTS | {COLLECTIONS, ("data",)}


def _rows(path: Path, row: Row) -> Iterator[Row | None]:
    if path != COLLECTIONS:
        yield row
    elif row.get("name") == "comment" and isinstance(row.get("data"), list):
        yield from (one if isinstance(one, dict) else None for one in row["data"])


def _markup(_row: Row) -> Markup:
    return Markup.HTML


DIALECT: Final = Dialect(OWN_LISTS, ("created", "createdAt"), status_by_spam, _markup, _rows)


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export of Twikoo."""
    return read_dialect(file, DIALECT)


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export."""
    found = sample(head, OWN_LISTS)
    rows = [one for path, row in found.rows for one in _rows(path, row) if one is not None]
    if any("status" in row for row in rows):
        return False  # of Waline, from the same database
    return any("_id" in row and "comment" in row and "nick" in row for row in rows) or _is_loki(found.keys, head)


def _is_loki(keys: tuple[str, ...], head: bytes) -> bool:
    return "collections" in keys and b'"comment"' in head and b'"nick"' in head


FORMAT: Final = ArchiveFormat("twikoo", "Twikoo", read, matches)
