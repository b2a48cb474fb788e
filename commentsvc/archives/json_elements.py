"""Split JSON of any size into the elements of its lists, without reading it whole.

Elements are cut out by their brackets, and decoded one by one: a broken one does not spoil the others.
"""

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile

Path: TypeAlias = tuple[str, ...]  # keys that lead to a list: () is a list at the top

CHUNK_BYTES: Final = 262_144
MAX_ELEMENT_BYTES: Final = 16_777_216
MAX_DEPTH: Final = 8  # of lists that are looked for
MAX_KEYS: Final = 100
# A whole string, a quote whose string is cut off, or punctuation.
TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},:]', re.DOTALL)
OPENING: Final = (b"[", b"{")
CLOSING: Final = (b"]", b"}")


class Splitter:
    """Yields the elements of the wanted lists of a JSON text that arrives in chunks."""

    def __init__(self, wanted: frozenset[Path]) -> None:
        self.found = False  # a wanted list
        self.keys: list[str] = []  # of the object at the top
        self._wanted = wanted
        self._buffer = b""
        self._at = 0  # up to here the buffer was scanned
        self._wait = 0  # length of the buffer from which scanning goes on
        self._open: list[str] = []  # the keys of the open objects
        self._list: Path = ()  # the wanted list that is open, if ``_start`` is not None
        self._start: int | None = None  # of the current element, in the buffer
        self._inside = 0  # brackets that are open in the current element
        self._skipped = 0  # brackets that are open in something that is not wanted
        self._string = b""  # the last one
        self._key = ""

    def feed(self, chunk: bytes) -> Iterator[tuple[Path, bytes]]:
        """Yield the elements that end in this chunk.

        Raises:
            UnreadableArchive: an element or a string is longer than any comment.
        """
        self._buffer += chunk
        if len(self._buffer) >= self._wait:
            yield from self._scan()
        if len(self._buffer) > MAX_ELEMENT_BYTES:
            raise UnreadableArchive("The file has an element of more than 16 MB. No comment is that long.")

    def end(self) -> Iterator[tuple[Path, bytes]]:
        """Yield the last element, if the text was cut off inside it."""
        yield from self._scan()
        if self._start is not None and (element := self._buffer[self._start :].strip()):
            yield self._list, element

    def _scan(self) -> Iterator[tuple[Path, bytes]]:
        at, cut = len(self._buffer), False
        for token in TOKEN.finditer(self._buffer, self._at):
            if token[0] == b'"':
                at, cut = token.start(), True
                break
            yield from self._take(token[0], token.start(), token.end())
        self._forget(at)
        # A long string is not scanned again for each chunk.
        self._wait = 2 * len(self._buffer) if cut else 0

    def _forget(self, at: int) -> None:
        keep = at if self._start is None else min(self._start, at)
        self._buffer = self._buffer[keep:]
        self._at = at - keep
        self._start = None if self._start is None else self._start - keep

    def _take(self, symbol: bytes, start: int, end: int) -> Iterator[tuple[Path, bytes]]:
        if self._skipped:
            self._skipped += (symbol in OPENING) - (symbol in CLOSING)
        elif self._start is not None:
            yield from self._take_in_list(symbol, start, end)
        else:
            self._take_outside(symbol, end)

    def _take_in_list(self, symbol: bytes, start: int, end: int) -> Iterator[tuple[Path, bytes]]:
        if symbol in OPENING:
            self._inside += 1
        elif self._inside:
            self._inside -= symbol in CLOSING
        elif symbol == b"," or symbol in CLOSING:
            element = self._buffer[self._start : start].strip()
            self._start = None if symbol in CLOSING else end
            if element:
                yield self._list, element

    def _take_outside(self, symbol: bytes, end: int) -> None:
        if symbol.startswith(b'"'):
            self._string = symbol
        elif symbol == b":":
            self._key = self._string[1:-1].decode("utf-8", "replace")
            if len(self._open) == 1 and len(self.keys) < MAX_KEYS:
                self.keys.append(self._key)
        elif symbol == b"{":
            self._open_object()
        elif symbol == b"[":
            self._open_list(end)
        elif symbol == b"}" and self._open:
            self._open.pop()

    def _open_object(self) -> None:
        if len(self._open) < MAX_DEPTH:
            self._open.append(self._key)
        else:
            self._skipped = 1

    def _open_list(self, end: int) -> None:
        self._list = (*self._open[1:], self._key) if self._open else ()
        if self._list in self._wanted:
            self.found, self._start = True, end
        else:
            self._skipped = 1


def read_elements(file: ArchiveFile, wanted: frozenset[Path]) -> Iterator[tuple[Path, bytes]]:
    """Yield each element of the wanted lists with the path of its list.

    Raises:
        UnreadableArchive: the file has none of these lists, or an element that is too long.
    """
    splitter = Splitter(wanted)
    with file.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield from splitter.feed(chunk)
        yield from splitter.end()
    if not splitter.found:
        names = ", ".join(".".join(path) or "at the top" for path in sorted(wanted))
        raise UnreadableArchive(f"{file.name} has no list of comments. Expected JSON with a list ({names}).")
