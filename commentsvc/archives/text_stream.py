"""Read text of archives in pieces, without the characters that YAML forbids."""

import codecs
import re
from typing import BinaryIO, Final

# YAML 1.1, section 5.1: a parser refuses the whole file because of one of them.
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class TextStream:
    """UTF-8 text for a parser. ``dropped`` says whether forbidden characters were left out since it was reset."""

    def __init__(self, file: BinaryIO) -> None:
        self.dropped = False
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")

    def read(self, size: int = 65_536, /) -> str:
        """Return the next piece of text; nothing at the end of the file only."""
        while data := self._file.read(size):
            text = self._decoder.decode(data)
            clean = FORBIDDEN.sub("", text)
            self.dropped |= len(clean) != len(text)
            if clean:
                return clean
        return self._decoder.decode(b"", final=True)
