"""Read CSV files with a header line."""

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.values import Row

MAX_LINE_BYTES: Final = 1_048_576
BOM: Final = b"\xef\xbb\xbf"


def csv_header(head: bytes) -> tuple[str, ...]:
    """Return the names of the columns, if the first line is a header."""
    line, _, _ = head.removeprefix(BOM).partition(b"\n")
    if line.lstrip().startswith((b"{", b"[", b"<")):
        return ()
    return tuple(name.strip().strip('"') for name in line.decode("utf-8", "replace").strip().split(","))


def read_csv(stream: BinaryIO, name: str) -> Iterator[Row]:
    """Yield the rows of a CSV file, by the names of its columns.

    Raises:
        UnreadableArchive: it is no CSV, or has a line or a field of an impossible length.
    """
    try:
        for row in csv.DictReader(_lines(stream, name)):
            yield {key: value for key, value in row.items() if isinstance(key, str)}
    except csv.Error as error:
        raise UnreadableArchive(f"{name} is no valid CSV: {error}.") from error


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise UnreadableArchive(f"{name} has a line of more than 1 MB. No comment is that long.")
        yield line.removeprefix(BOM).decode("utf-8", "replace")
