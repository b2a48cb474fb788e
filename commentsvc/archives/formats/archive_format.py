"""Describe a format of archives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
