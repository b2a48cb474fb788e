"""Read files in UTF-16 as UTF-8. PowerShell writes the output of every program so."""

import codecs
import io
from typing import BinaryIO, Final, cast

MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
MARK_BYTES: Final = 2
NOT_UTF_16: Final = codecs.BOM_UTF32_LE  # begins with a mark of UTF-16
CHUNK: Final = 131_072


def as_utf_8(file: BinaryIO) -> BinaryIO:
    """Return the file, or its text in UTF-8 if it begins with a byte order mark of UTF-16."""
    charset = _find_charset(cast(io.BufferedReader, file).peek(len(NOT_UTF_16)))
    if charset is None:
        return file
    file.read(MARK_BYTES)
    return cast(BinaryIO, io.BufferedReader(_Transcoded(file, charset), CHUNK))


def text_as_utf_8(data: bytes) -> bytes:
    """Return the content of a file; its text in UTF-8 if it begins with a byte order mark of UTF-16."""
    charset = _find_charset(data)
    return data[MARK_BYTES:].decode(charset, "replace").encode() if charset else data


def _find_charset(head: bytes) -> str | None:
    return None if head.startswith(NOT_UTF_16) else MARKS.get(head[:MARK_BYTES])


class _Transcoded(io.RawIOBase):
    """The content of a file in another charset, as UTF-8. Halves of surrogate pairs become U+FFFD."""

    def __init__(self, file: BinaryIO, charset: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(charset)("replace")
        self._ready = b""
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub allows any buffer
        while not self._ready and not self._is_at_end:
            data = self._file.read(CHUNK)
            self._is_at_end = not data
            self._ready = self._decoder.decode(data, final=self._is_at_end).encode("utf-8", "replace")
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
