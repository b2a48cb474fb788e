"""Decide whether the tables of a comment are rendered: only if they stay small, and no text gets lost.

A renderer fills short rows with cells: 10,000 characters became 20 MB of HTML. It leaves out the cells of long rows.
"""

import re
from typing import Final

MAX_CELLS: Final = 2000  # in all tables of a comment, with those that fill rows
_CONTAINERS: Final = re.compile(r"[ \t]*(?:(?:>|[-+*]|[0-9]{1,9}[.)])[ \t]+)*>?[ \t]*")
# Under the head of a table. ``---`` alone is a heading or a line.
_DELIMITER: Final = re.compile(r"(?=[^|:]*[|:])\|?(?:[ \t]*:?-+:?[ \t]*\|)*[ \t]*:?-+:?[ \t]*\|?[ \t]*")
_ESCAPED: Final = re.compile(r"\\.")


def can_render_tables(source: str) -> bool:
    """Return whether to render the tables of a comment. If one of them has a problem, all are shown as typed."""
    columns = cells = 0  # of the open table; of all tables
    for line in source.split("\n"):
        row = line[_CONTAINERS.match(line).end() :]  # type: ignore[union-attr]  # it matches nothing, too
        if not row.strip():
            columns = 0
        elif _DELIMITER.fullmatch(row):
            columns = _count_cells(row)
            cells += 2 * columns
        elif columns:
            cells += columns
            if _count_cells(row) > columns:
                return False
        if cells > MAX_CELLS:
            return False
    return True


def _count_cells(row: str) -> int:
    row = _ESCAPED.sub("", row).strip()
    return row.removeprefix("|").removesuffix("|").count("|") + 1
