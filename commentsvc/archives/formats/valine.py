"""Exports of Valine: the class Comment of LeanCloud. Its texts are HTML, or Markdown of some versions.

A blog that went on to Waline has rows of both, so that each row is read as what it is: see ``waline.py``.
"""

from collections.abc import Iterator
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import waline
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.formats.valine_rows import LISTS, comments_head, read_dialect
from commentsvc.archives.json_rows import sample
from commentsvc.archives.records import Record


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export of Valine."""
    return read_dialect(file, waline.DIALECT)


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is such an export. Rows with a status are Waline's."""
    rows = [row for _path, row in sample(comments_head(file, head), LISTS).rows]
    ours = any("objectId" in row and "comment" in row and ("nick" in row or "url" in row) for row in rows)
    return ours and not any("status" in row for row in rows)


FORMAT: Final = ArchiveFormat("valine", "Valine (LeanCloud)", read, matches, waline.name_source)
