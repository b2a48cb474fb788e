"""Format rows as columns that fit the terminal, also with letters of double width."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from commentsvc.cli.escape import escape_line
from commentsvc.cli.terminal import Terminal
from commentsvc.domain.columns import split_clusters, text_width

GAP: Final = 2
INDENT: Final = 2  # of the second line of a row
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A column: its title, and how narrow it may become; None: its cells are never cut, so that they can be copied.

    An optional column is left out if that makes the others fit.
    """

    title: str
    narrowest: int | None = None
    optional: bool = False


Table = Sequence[tuple[Column, Callable[[T], str]]]


def format_table(table: Table[T], items: Iterable[T], terminal: Terminal) -> list[str]:
    """Return a line for each item, in columns; on a terminal, titles first. Empty columns are left out.

    If the columns do not fit the terminal, an item takes two lines: what is never cut, then the rest.
    """
    columns = [column for column, _ in table]
    rows = [[escape_line(read(item)) for _, read in table] for item in items]
    if not rows:
        return []
    used = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    if terminal.interactive:
        rows.insert(0, [column.title for column in columns])
    return _lay_out([columns[at] for at in used], [[row[at] for at in used] for row in rows], terminal.table_columns())


def _lay_out(columns: list[Column], rows: list[list[str]], limit: int | None) -> list[str]:
    widths = [max(text_width(row[at]) for row in rows) for at in range(len(columns))]
    if limit is None:
        return _join_cells(rows, widths)
    while not _fits(columns, widths, limit) and any(column.optional for column in columns):
        last = max(at for at, column in enumerate(columns) if column.optional)
        columns, widths = _without(columns, last), _without(widths, last)
        rows = [_without(row, last) for row in rows]
    if _fits(columns, widths, limit):
        return _join_cells(rows, _narrow(columns, widths, limit))
    return _lay_out_twice(columns, rows, limit)


def _lay_out_twice(columns: list[Column], rows: list[list[str]], limit: int) -> list[str]:
    kept = [at for at, column in enumerate(columns) if column.narrowest is None]
    cut = [at for at, column in enumerate(columns) if column.narrowest is not None]
    if not kept or not cut:  # narrower than everything
        return [cut_text("  ".join(row), limit) if not kept else "  ".join(row) for row in rows]
    first = _join_cells(
        [[row[at] for at in kept] for row in rows], [max(text_width(row[at]) for row in rows) for at in kept]
    )
    rest = _lay_out([columns[at] for at in cut], [[row[at] for at in cut] for row in rows], limit - INDENT)
    return [line for pair in zip(first, rest, strict=True) for line in (pair[0], " " * INDENT + pair[1])]


def _without(cells: list[T], at: int) -> list[T]:
    return cells[:at] + cells[at + 1 :]


def _fits(columns: list[Column], widths: list[int], limit: int) -> bool:
    least = (
        width if column.narrowest is None else min(width, column.narrowest)
        for column, width in zip(columns, widths, strict=True)
    )
    return sum(least) + GAP * (len(widths) - 1) <= limit


def _narrow(columns: list[Column], widths: list[int], limit: int) -> list[int]:
    """Return widths that fit: the widest column that may be cut becomes narrower first."""
    widths = [*widths]
    while sum(widths) + GAP * (len(widths) - 1) > limit:
        _, at = max(
            (width, at)
            for at, width in enumerate(widths)
            if (least := columns[at].narrowest) is not None and width > least
        )
        widths[at] -= 1
    return widths


def _join_cells(rows: list[list[str]], widths: list[int]) -> list[str]:
    return [
        (" " * GAP).join(_pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _pad(text: str, width: int) -> str:
    shown = cut_text(text, width)
    return shown + " " * (width - text_width(shown))


def cut_text(text: str, width: int) -> str:
    """Return as much of an escaped text as fits, with an ellipsis if that is not all."""
    if text_width(text) <= width:
        return text
    shown, left = "", width - 1
    for cluster in split_clusters(text):
        left -= text_width(cluster)
        if left < 0:
            break
        shown += cluster
    return f"{shown.rstrip()}…" if width > 0 else ""
