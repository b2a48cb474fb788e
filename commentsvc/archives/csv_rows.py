"""Read CSV files with a header line."""

import csv
import itertools
from collections.abc import Iterator
from typing import BinaryIO, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.values import Row

MAX_LINE_BYTES: Final = 1_048_576
BOM: Final = b"\xef\xbb\xbf"
DELIMITERS: Final = ",;\t"
csv.field_size_limit(MAX_LINE_BYTES)  # the default is 128 KiB, and texts have pictures as data


def csv_header(head: bytes) -> tuple[str, ...]:
    """Return the names of the columns, if the first line is a header."""
    line, _, _ = head.removeprefix(BOM).partition(b"\n")
    if line.lstrip().startswith((b"{", b"[", b"<")):
        return ()
    text = line.decode("utf-8", "replace").strip()
    return tuple(name.strip().strip('"') for name in text.split(_find_delimiter(text)))


def _find_delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)  # the first of those that are there as often


def read_csv(stream: BinaryIO, name: str) -> Iterator[Row]:
    """Yield the rows of a CSV file, by the names of its columns.

    Raises:
        UnreadableArchive: it is no CSV, or has a line or a field of an impossible length.
    """
    try:
        lines = _lines(stream, name)
        header = next(lines, "")
        for row in csv.DictReader(itertools.chain([header], lines), delimiter=_find_delimiter(header)):
            yield {key: value for key, value in row.items() if isinstance(key, str)}
    except csv.Error as error:
        raise UnreadableArchive(f"{name} is no valid CSV: {error}.") from error


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise UnreadableArchive(f"{name} has a line of more than 1 MB. No comment is that long.")
        yield line.removeprefix(BOM).decode("utf-8", "replace")
