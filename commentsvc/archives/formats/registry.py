"""All formats of archives, and how one is recognised."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.records import Record


@dataclass(frozen=True)
class ArchiveFormat:
    """A format: its name on the command line, the systems that write it, and its reader."""

    name: str
    title: str
    read: Callable[[ArchiveFile], Iterator[Record]]
    # Recognises a file by its beginning, decompressed (nothing of a folder).
    matches: Callable[[ArchiveFile, bytes], bool]
    # Names the archive itself, as in "disqus/forum": ids are unique in it. The default is the name of the format.
    name_source: Callable[[ArchiveFile], str] | None = None


FORMATS: Final[tuple[ArchiveFormat, ...]] = ()


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
    raise UnreadableArchive(f"{file.name} has no format that is known here. Name one of: {known}.")
