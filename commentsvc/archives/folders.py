"""Read the files of a folder, or of a tar or zip archive of one, without writing any of them to the disk.

Links, devices, names that lead out of the folder, and files that are too long are reported, and never opened.
"""

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.utf_16 import text_as_utf_8
from commentsvc.archives.zip_archives import ENCRYPTED, ZIP_MAGIC, is_left_by_system, open_zip

TAR_MAGIC: Final = b"ustar"
TAR_MAGIC_AT: Final = 257
MAX_MEMBERS: Final = 200_000
MAX_TOTAL_BYTES: Final = 1_073_741_824  # unpacked
MAX_READ_BYTES: Final = 67_108_864  # at once: headers of a tar archive may claim any length
SKIP_BYTES: Final = 1_048_576
TAR_BLOCK: Final = 512
# What the standard library raises for damaged archives.
DAMAGE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError),
    *(ValueError, OverflowError, RuntimeError, NotImplementedError, KeyError, IndexError),
)


@dataclass(frozen=True)
class Member:
    """A file of a folder. ``data`` is None if it must not be read, or is too long."""

    path: str  # inside the folder, with slashes
    data: bytes | None


def is_folder(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is a folder, or an archive that can hold one."""
    return is_container(file, head) or _is_zip(file)


def is_container(file: ArchiveFile, head: bytes) -> bool:
    """Return the same, but not for a zip archive with one file: its head is the head of that file."""
    return file.path.is_dir() or head[TAR_MAGIC_AT:].startswith(TAR_MAGIC) or head.startswith(ZIP_MAGIC)


def _is_zip(file: ArchiveFile) -> bool:
    """Return whether it is a zip archive. The head of one with a single file is that file's."""
    with file.path.open("rb") as stream:
        return stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC


def read_members(file: ArchiveFile, endings: tuple[str, ...], max_bytes: int) -> Iterator[Member]:
    """Yield the files whose names have one of some endings, each at most ``max_bytes`` long; UTF-16 becomes UTF-8.

    Raises:
        UnreadableArchive: the archive is damaged, or unpacks to more than any blog has.
    """
    try:
        found = (one for one in _members(file, endings, max_bytes) if not is_left_by_system(one.path))
        for number, member in enumerate(found):
            if number >= MAX_MEMBERS:
                raise UnreadableArchive(f"{file.name} has more than {MAX_MEMBERS:,} files. Give the comments alone.")
            yield member if member.data is None else Member(member.path, text_as_utf_8(member.data))
    except DAMAGE as error:
        raise UnreadableArchive(f"{file.name} is damaged, or no archive: {error}") from error


def _members(file: ArchiveFile, endings: tuple[str, ...], max_bytes: int) -> Iterator[Member]:
    if file.path.is_dir():
        return _folder(file.path, endings, max_bytes)
    if _is_zip(file):
        return _zip(file, endings, max_bytes)
    return _tar(file, endings, max_bytes)


def _folder(folder: Path, endings: tuple[str, ...], max_bytes: int) -> Iterator[Member]:
    for where, folders, names in os.walk(folder):  # follows no links
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if name.lower().endswith(endings):
                yield Member(path.relative_to(folder).as_posix(), _read_file(path, max_bytes))


def _read_file(path: Path, max_bytes: int) -> bytes | None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with path.open("rb") as stream:
        return _limited(stream.read(max_bytes + 1), max_bytes)


def _limited(data: bytes, max_bytes: int) -> bytes | None:
    return data if len(data) <= max_bytes else None


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and name.isprintable()


def _zip(file: ArchiveFile, endings: tuple[str, ...], max_bytes: int) -> Iterator[Member]:
    total = 0
    with ExitStack() as stack:
        archive = open_zip(stack, stack.enter_context(file.path.open("rb")))
        for info in archive.infolist():
            if info.is_dir() or not info.filename.lower().endswith(endings):
                continue
            data = None
            if _is_inside(info.filename) and not _is_special(info) and not info.flag_bits & ENCRYPTED:
                data = _read_zipped(archive, info, max_bytes)
                total += min(info.file_size, max_bytes)  # also of files that are dropped: they took as much time
            if total > MAX_TOTAL_BYTES:
                raise UnreadableArchive(f"{file.name} unpacks to more than 1 GB. Give the comments alone.")
            yield Member(info.filename, data)


def _is_special(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16
    return stat.S_IFMT(mode) not in {0, stat.S_IFREG}


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes | None:
    try:
        with archive.open(info) as stream:
            return _limited(stream.read(max_bytes + 1), max_bytes)
    except DAMAGE:
        return None  # the other files are still good


class _ForwardFile:
    """A file for tarfile that is only read forwards, in small pieces, and not without end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ_BYTES:
            raise UnreadableArchive("The tar archive has a header of an impossible length.")
        data = self._stream.read(size)
        self._position += len(data)
        if self._position > MAX_TOTAL_BYTES:
            raise UnreadableArchive("The tar archive unpacks to more than 1 GB. Give the comments alone.")
        return data

    def seek(self, position: int, _whence: int = 0) -> int:
        # A negative length in a header would lead back to it for ever.
        if position < self._position:
            raise UnreadableArchive("The tar archive has a header of an impossible length.")
        while self._position < position and self.read(min(SKIP_BYTES, position - self._position)):
            pass
        return self._position


def _tar(file: ArchiveFile, endings: tuple[str, ...], max_bytes: int) -> Iterator[Member]:
    with file.open() as stream:
        forward = cast(BinaryIO, _ForwardFile(stream))
        with tarfile.open(fileobj=forward, mode="r:") as archive:
            while (info := archive.next()) is not None:
                cast(Any, archive).members.clear()  # or they fill the memory
                if info.isdir() or not info.name.lower().endswith(endings):
                    continue
                # A sparse file may be long and take no space.
                good = info.isreg() and not info.issparse() and _is_inside(info.name) and info.size <= max_bytes
                content = archive.extractfile(info) if good else None
                yield Member(info.name, content.read(max_bytes) if content else None)
