"""Open the files of archives: plain or compressed, within limits."""

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.utf_16 import as_utf_8
from commentsvc.archives.zip_archives import MAX_RATIO, SMALL, ZIP_MAGIC, is_left_by_system, list_parts, open_content

GZIP_MAGIC: Final = b"\x1f\x8b"
HEAD_BYTES: Final = 65_536  # of which the format is guessed
CHUNK: Final = 131_072  # bytes that are decompressed at once


@dataclass(frozen=True)
class ArchiveFile:
    """A file or folder that somebody wants to import."""

    path: Path
    part: str | None = None  # of a zip archive with the parts of one export

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.path.name

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file, decompressed; of a zip archive its only file, or its XML files one after the other.

        Raises:
            UnreadableArchive: it cannot be read, or becomes too large when it is decompressed.
        """
        try:
            with ExitStack() as stack:
                file = stack.enter_context(_open_regular(self.path))
                magic = file.read(max(len(GZIP_MAGIC), len(ZIP_MAGIC)))
                file.seek(0)
                if magic.startswith(GZIP_MAGIC):
                    yield as_utf_8(stack.enter_context(_decompress(file)))
                elif magic == ZIP_MAGIC and (content := open_content(stack, file, self.part)) is not None:
                    yield as_utf_8(content)
                else:
                    file.seek(0)
                    yield as_utf_8(file)
        except EOFError as error:
            raise UnreadableArchive(f"{self.name} is cut off. Copy or download it again.") from error
        except (zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise UnreadableArchive(f"{self.name} is damaged. Copy or download it again.") from error
        except OSError as error:
            reason = error.strerror or error
            raise UnreadableArchive(f"{self.name} cannot be read: {reason}.") from error

    def parts(self) -> "list[ArchiveFile]":
        """Return the parts of an export in a zip archive or in a folder of XML files; otherwise the file alone.

        Raises:
            UnreadableArchive: it is a damaged zip archive.
        """
        try:
            if self.path.is_dir():
                return _xml_files(self.path) or [self]
            with _open_regular(self.path) as file:
                is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
                names = list_parts(file) if is_zip else []
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UnreadableArchive(f"{self.name} is damaged. Copy or download it again.") from error
        except OSError as error:
            raise UnreadableArchive(f"{self.name} cannot be read: {error.strerror or error}.") from error
        return [ArchiveFile(self.path, name) for name in names] or [self]

    def head(self) -> bytes:
        """Return the beginning of the file, or of the first part of an export, decompressed; nothing of a folder."""
        with suppress(OSError):  # then ``open`` says what is wrong
            if self.path.is_dir():
                first = self.parts()[0]
                return first.head() if first != self else b""
        with self.open() as file:
            return file.read(HEAD_BYTES)


def _xml_files(folder: Path) -> list[ArchiveFile]:
    """Return the XML files of a folder, if it has nothing else."""
    found = sorted(one for one in folder.iterdir() if not is_left_by_system(one.name))
    are_xml = all(one.suffix.lower() == ".xml" and not one.is_symlink() for one in found)
    return [ArchiveFile(one) for one in found] if are_xml else []


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file. Others may wait for ever, or never end: pipes, devices."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise UnreadableArchive(f"{path.name} is a folder, and this format needs a file. Name the file in it.")
    raise UnreadableArchive(f"{path.name} is not a regular file. Copy its content to a file, and import that.")


def _decompress(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Decompressed(file), CHUNK))


class _Decompressed(io.RawIOBase):
    """The content of a gzip file, up to ``MAX_RATIO`` times its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._content = gzip.GzipFile(fileobj=file, mode="rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub allows any buffer
        data = self._content.read(len(buffer))
        buffer[: len(data)] = data
        size = self._content.tell()
        if size > SMALL and size > MAX_RATIO * self._file.tell():
            raise UnreadableArchive(
                f"The file becomes more than {MAX_RATIO} times as large when it is decompressed, so it is refused. "
                "Decompress it yourself if you trust it, and import the result."
            )
        return len(data)
