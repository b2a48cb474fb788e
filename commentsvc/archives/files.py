"""Open the files of archives: plain or compressed, within limits."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive

GZIP_MAGIC: Final = b"\x1f\x8b"
HEAD_BYTES: Final = 65_536  # of which the format is guessed


@dataclass(frozen=True)
class ArchiveFile:
    """A file or folder that somebody wants to import."""

    path: Path

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.path.name

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file, decompressed.

        Raises:
            UnreadableArchive: it cannot be read.
        """
        try:
            with ExitStack() as stack:
                file = stack.enter_context(self.path.open("rb"))
                magic = file.read(len(GZIP_MAGIC))
                file.seek(0)
                yield cast(BinaryIO, stack.enter_context(gzip.open(file))) if magic == GZIP_MAGIC else file
        except (OSError, EOFError) as error:
            raise UnreadableArchive(f"{self.name} cannot be read: {error}") from error

    def head(self) -> bytes:
        """Return the beginning of the file, decompressed; nothing of a folder."""
        if self.path.is_dir():
            return b""
        with self.open() as file:
            return file.read(HEAD_BYTES)
