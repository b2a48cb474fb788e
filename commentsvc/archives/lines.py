"""Read the lines of our own archives."""

import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.schemas import ArchiveLine

MOST_BYTES: Final = 32 * 1024 * 1024  # of a line: a comment with all its revisions, or a word list
NUL: Final = b"\\u0000"  # as JSON has it; PostgreSQL stores no text with it
_REGEX: Final = re.compile("Expected `str` matching regex '.*'")
_DECODER: Final = msgspec.json.Decoder(ArchiveLine)


def is_own_archive(file: ArchiveFile) -> bool:
    """Return whether a file begins as an archive of our own format."""
    return file.head().startswith(b'{"type":"archive","format":"commentsvc"')


def line_error(number: int, problem: str) -> UnreadableArchive:
    """Return the error of a line."""
    return UnreadableArchive(f"Line {number:,}: {problem}")


def read_lines(file: ArchiveFile) -> Iterator[tuple[int, ArchiveLine]]:
    """Yield the lines of an archive with their numbers. Memory holds one line.

    Raises:
        UnreadableArchive: the file cannot be read, or a line is not valid; names the line.
    """
    number = 0
    try:
        with file.open() as opened:
            while raw := opened.readline(MOST_BYTES):
                number += 1
                yield number, _decode(number, raw)
    except zlib.error as error:
        raise line_error(number + 1, f"the compressed file is damaged ({error}).") from error


def _decode(number: int, raw: bytes) -> ArchiveLine:
    if not raw.endswith(b"\n"):
        cause = "is too long" if len(raw) == MOST_BYTES else "is cut off. Export the archive again"
        raise line_error(number, f"the line {cause}.")
    try:
        line: ArchiveLine = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = _REGEX.sub("Not a valid value", str(error))  # people need not read it
        raise line_error(number, f"{problem}.") from None
    if NUL in raw and _has_nul(msgspec.to_builtins(line)):
        raise line_error(number, "a text contains the character U+0000.")
    return line


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\x00" in value
