"""Read the rows of JSON files: elements of a list, or one object in each line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import HEAD_BYTES, ArchiveFile
from commentsvc.archives.json_elements import MAX_ELEMENT_BYTES, Path, Splitter, read_elements
from commentsvc.archives.values import Row

BOM: Final = b"\xef\xbb\xbf"
SAMPLE_ROWS: Final = 50  # of which the format is guessed


@dataclass(frozen=True)
class Sample:
    """The beginning of a JSON file: the keys of the object at its top, and some rows of the wanted lists."""

    keys: tuple[str, ...]
    rows: tuple[tuple[Path, Row], ...]


def decode_row(data: bytes) -> Row | None:
    """Return a JSON object, or None for other bytes. Raw control characters in strings are accepted."""
    try:
        row = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def read_rows(file: ArchiveFile, wanted: frozenset[Path]) -> Iterator[tuple[Path, Row | None]]:
    """Yield the rows of the wanted lists, or of the lines if the file has one object in each; None for a broken row.

    Raises:
        UnreadableArchive: the file is neither.
    """
    if _has_lines(file.head(), wanted):
        yield from (((), row) for row in read_lines(file))
        return
    for path, element in read_elements(file, wanted):
        yield from _rows_of_table(path, decode_row(element))


def _rows_of_table(path: Path, row: Row | None) -> Iterator[tuple[Path, Row | None]]:
    """Yield a row, or those of a table: phpMyAdmin exports a list with an object for each, and with notes."""
    kind, data = (row or {}).get("type"), (row or {}).get("data")
    if kind == "table" and isinstance(data, list):
        name = (str((row or {}).get("name")),)
        yield from ((name, one if isinstance(one, dict) else None) for one in data)
    elif kind not in {"header", "database"} or path:
        yield path, row


def read_lines(file: ArchiveFile) -> Iterator[Row | None]:
    """Yield the object of each line, or None for a broken line. Lines that begin with # are skipped.

    Raises:
        UnreadableArchive: the first line is no JSON object, or a line is too long.
    """
    with file.open() as stream:
        yield from read_line_rows(stream, file.name)


def read_line_rows(stream: BinaryIO, name: str) -> Iterator[Row | None]:
    """Yield the object of each line, as ``read_lines`` does.

    Raises:
        UnreadableArchive: the first line is no JSON object, or a line is too long.
    """
    first = True
    while line := stream.readline(MAX_ELEMENT_BYTES + 1):
        if len(line) > MAX_ELEMENT_BYTES:
            raise UnreadableArchive(f"{name} has a line of more than 16 MB. No comment is that long.")
        line = line.removeprefix(BOM).strip()
        if not line or line.startswith(b"#"):
            continue
        row = decode_row(line)
        if first and row is None:
            raise UnreadableArchive(f"{name} is no JSON: its first line is no object.")
        first = False
        yield row


def sample(head: bytes, wanted: frozenset[Path]) -> Sample:
    """Return what the beginning of a file shows. Anything may be in it."""
    if not head.removeprefix(BOM).lstrip().startswith((b"{", b"[", b"#filetype")):
        return Sample((), ())
    splitter, found = Splitter(wanted), list[tuple[Path, Row | None]]()
    for path, element in splitter.feed(head):
        found += _rows_of_table(path, decode_row(element))
        if len(found) >= SAMPLE_ROWS:
            break
    if not found and _has_lines(head, wanted):
        lines = head.removeprefix(BOM).split(b"\n")
        whole = lines if len(head) < HEAD_BYTES else lines[:-1]
        found = [((), decode_row(line)) for line in whole[:SAMPLE_ROWS] if line.strip()]
    return Sample(tuple(splitter.keys), tuple((path, row) for path, row in found if row is not None))


def _has_lines(head: bytes, wanted: frozenset[Path]) -> bool:
    """Return whether the file has one object in each line, and is not one object with the wanted lists."""
    start = head.removeprefix(BOM).lstrip()
    if start.startswith(b"#"):
        return True
    if not start.startswith(b"{"):
        return False
    splitter = Splitter(wanted)
    for _ in splitter.feed(start):
        break
    return not splitter.found and not {path[0] for path in wanted if path} & set(splitter.keys)
