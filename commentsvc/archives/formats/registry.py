"""All formats of archives, and how one is recognised."""

from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import (
    artrans,
    commento,
    cusdis,
    disqus,
    isso,
    remark42,
    staticman,
    twikoo,
    valine,
    waline,
    wp2hugo,
    wxr,
)
from commentsvc.archives.formats.archive_format import ArchiveFormat

__all__ = ["FORMATS", "ArchiveFormat", "find_format"]

# One of them at most recognises a file: their order is that of the help.
FORMATS: Final[tuple[ArchiveFormat, ...]] = (
    wxr.FORMAT,
    disqus.FORMAT,
    twikoo.FORMAT,
    waline.FORMAT,
    valine.FORMAT,
    isso.FORMAT,
    remark42.FORMAT,
    cusdis.FORMAT,
    commento.FORMAT,
    staticman.FORMAT,
    wp2hugo.FORMAT,
    artrans.FORMAT,
)


def find_format(file: ArchiveFile) -> ArchiveFormat:
    """Return the format of a file.

    Raises:
        UnreadableArchive: no format matches.
    """
    head = file.head()
    for one in FORMATS:
        if one.matches(file, head):
            return one
    known = ", ".join(one.name for one in FORMATS)
    if not head and not file.path.is_dir():
        raise UnreadableArchive(f"{file.name} is empty. Export or download it again.")
    raise UnreadableArchive(f"{file.name} has no format that is known here. Name one of: {known}.")
