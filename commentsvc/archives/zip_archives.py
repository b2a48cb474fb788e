"""Open zip archives within limits."""

import io
import zipfile
from contextlib import ExitStack
from typing import BinaryIO, Final, cast

from commentsvc.archives.errors import UnreadableArchive

ZIP_MAGIC: Final = b"PK\x03\x04"
# Comments become 3 to 20 times as long when they are decompressed, 1,032 times is what gzip can do.
MAX_RATIO: Final = 250
SMALL: Final = 64 * 2**20  # bytes; a file that does not grow beyond it is harmless
MAX_DIRECTORY_BYTES: Final = 16_777_216
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


def open_only_member(stack: ExitStack, file: BinaryIO) -> BinaryIO | None:
    """Open the file in a zip archive that has only one; None if it has several.

    Raises:
        UnreadableArchive: the file becomes too large, or is encrypted.
    """
    archive = open_zip(stack, file)
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) != 1:
        return None
    only = members[0]
    if only.file_size > SMALL and only.file_size > MAX_RATIO * only.compress_size:
        raise UnreadableArchive(
            f"The file becomes more than {MAX_RATIO} times as large when it is decompressed, so it is refused. "
            "Decompress it yourself if you trust it, and import the result."
        )
    if only.flag_bits & ENCRYPTED:
        raise UnreadableArchive("The zip archive is encrypted. Decompress it yourself, and import the result.")
    return cast(BinaryIO, stack.enter_context(archive.open(only)))
