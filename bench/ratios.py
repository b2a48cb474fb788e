"""Compare what was measured with the committed table. Ratios are much the same on every machine; times are not."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("ratios.toml")
TOLERANCE: Final = 0.25  # of a row's value: what a shared machine adds
# In these rows more is better; in all others less is.
MORE_IS_BETTER: Final = ("rate", "speedup")

Rows = Mapping[str, Mapping[str, float]]  # group -> row -> value


@dataclass(frozen=True)
class Moved:
    """A row that differs from the table by more than the tolerance."""

    group: str
    row: str
    expected: float
    found: float

    @property
    def is_better(self) -> bool:
        """Tell whether the row moved to the better side."""
        more = self.row.rpartition(".")[2] in MORE_IS_BETTER
        return (self.found > self.expected) is more

    def line(self) -> str:
        """Return what moved, in words."""
        change = (self.found / self.expected - 1) * 100
        word = "better" if self.is_better else "WORSE"
        return f"{word}: {self.group} {self.row} is {self.found:.3g}, not {self.expected:.3g} ({change:+.0f} %)"


def read_table(text: str) -> Rows:
    """Return the rows of a table.

    Raises:
        ValueError: it is not TOML, or a value is not a positive number.
    """
    table = tomllib.loads(text)
    for group, rows in table.items():
        for row, value in rows.items():
            if not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{group} {row}: {value!r} is not a positive number.")
    return table


def write_table(rows: Rows) -> str:
    """Return a table as text."""
    parts = [
        f"[{group}]\n" + "".join(f'"{row}" = {float(f"{value:.3g}"):g}\n' for row, value in sorted(values.items()))
        for group, values in sorted(rows.items())
    ]
    return (
        "# Written by `make bench`. Each value is a ratio, or a figure that is much the same on every machine.\n\n"
        + ("\n".join(parts))
    )


def compare(expected: Rows, found: Rows, tolerance: float = TOLERANCE) -> Iterator[Moved]:
    """Yield the rows in both tables that differ by more than the tolerance."""
    for group, rows in found.items():
        for row, value in rows.items():
            before = expected.get(group, {}).get(row)
            if before is not None and not before / (1 + tolerance) <= value <= before * (1 + tolerance):
                yield Moved(group, row, before, value)


def find_missing(expected: Rows, found: Rows, *, whole: bool = True) -> list[str]:
    """Return the rows of a measured group that one of the two tables lacks; without ``whole``, only the new ones."""
    both = [(group, set(expected.get(group, {})), set(rows)) for group, rows in found.items()]
    return [f"{group} {row}" for group, before, now in both for row in sorted(before ^ now if whole else now - before)]
