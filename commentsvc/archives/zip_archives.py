"""Open zip archives within limits."""

import io
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO, BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive

ZIP_MAGIC: Final = b"PK\x03\x04"
# Comments become 3 to 20 times as long when they are decompressed, 1,032 times is what gzip can do.
MAX_RATIO: Final = 250
SMALL: Final = 64 * 2**20  # bytes; a file that does not grow beyond it is harmless
MAX_DIRECTORY_BYTES: Final = 16_777_216
SYSTEM_FILES: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
ENCRYPTED: Final = 1  # flag of a member


class _DirectoryGuard(io.RawIOBase):
    """A zip file that is read in pieces which fit into memory: its directory may claim any length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= MAX_DIRECTORY_BYTES and size != -1:
            raise UnreadableArchive("The zip archive names too many files. Import the comments alone.")
        return self._file.read(MAX_DIRECTORY_BYTES if size == -1 else size)


def open_zip(stack: ExitStack, file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip archive, until the stack is closed.

    Raises:
        UnreadableArchive: it names more files than any blog has.
        zipfile.BadZipFile: it is damaged.
    """
    return stack.enter_context(zipfile.ZipFile(cast(BinaryIO, _DirectoryGuard(file))))


def is_left_by_system(name: str) -> bool:
    """Return whether a file of an archive was added by an operating system, as macOS and Windows do."""
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name in SYSTEM_FILES


def list_parts(file: BinaryIO) -> list[str]:
    """Return the names of the files in a zip archive that has several XML files and no others; none for another one."""
    with ExitStack() as stack:
        members = _list_members(open_zip(stack, file))
        return [one.filename for one in members] if len(members) > 1 and _are_xml(members) else []


def open_content(stack: ExitStack, file: BinaryIO, part: str | None = None) -> BinaryIO | None:
    """Open the file in a zip archive that has only one, or its XML files one after the other if it has no others.

    WordPress.com packs the parts of a long export so; ``part`` names one of them. Return None for other archives with
    several files.

    Raises:
        UnreadableArchive: a file becomes too large, or is encrypted.
    """
    archive = open_zip(stack, file)
    members = [one for one in _list_members(archive) if part in {None, one.filename}]
    if not members or (len(members) > 1 and not _are_xml(members)):
        return None
    size, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    if size > SMALL and size > MAX_RATIO * packed:
        raise UnreadableArchive(
            f"The file becomes more than {MAX_RATIO} times as large when it is decompressed, so it is refused. "
            "Decompress it yourself if you trust it, and import the result."
        )
    if any(one.flag_bits & ENCRYPTED for one in members):
        raise UnreadableArchive("The zip archive is encrypted. Decompress it yourself, and import the result.")
    if len(members) == 1:
        return cast(BinaryIO, stack.enter_context(archive.open(members[0])))
    return cast(BinaryIO, io.BufferedReader(_Joined(archive, members)))


def _list_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [one for one in archive.infolist() if not one.is_dir() and not is_left_by_system(one.filename)]
    return sorted(members, key=lambda one: one.filename)


def _are_xml(members: Sequence[zipfile.ZipInfo]) -> bool:
    return all(one.filename.lower().endswith(".xml") for one in members)


class _Joined(io.RawIOBase):
    """The content of some members of an archive, one after the other."""

    def __init__(self, archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._members = list(members)
        self._current: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub allows any buffer
        while self._current or self._members:
            if self._current is None:
                self._current = self._archive.open(self._members.pop(0))
            data = self._current.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            self._current.close()
            self._current = None
        return 0

    def close(self) -> None:
        if self._current:
            self._current.close()
        super().close()
