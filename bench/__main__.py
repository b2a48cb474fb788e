"""Measure the service: python -m bench [GROUP …]. See docs/performance.md."""

import argparse
import fcntl
import sys
from collections.abc import Sequence
from typing import Final

from bench.databases import KEPT, open_folder
from bench.deliveries import measure_deliveries
from bench.imports import measure_imports
from bench.lag import report_lag
from bench.load import require_wrk
from bench.measure import GROUPS, Effort, Rows
from bench.ratios import TABLE, compare, find_missing, read_table, write_table
from bench.spam import main as judge_spam

ALL: Final = tuple(GROUPS)
NAMED: Final = ("lag", "deliveries", "imports", "spam")  # only if they are named: they have no rows in the table


def main(words: Sequence[str] | None = None) -> int:
    """Measure the named groups, and compare them with the table. Exit code 1: a row got worse."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"{', '.join((*ALL, *NAMED))}; default: all but {', '.join(NAMED)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each request is measured (default: 3)")
    parser.add_argument("--seconds", type=int, default=2, help="how long each time (default: 2)")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="only these requests")
    parser.add_argument("--write", action="store_true", help="write what was measured into the table")
    given = parser.parse_args(words)
    unknown = set(given.groups) - {*ALL, *NAMED}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = [group for group in given.groups if group not in NAMED] if given.groups else ALL
    if {*chosen} - {"start"}:
        require_wrk()
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would measure each other
        if "lag" in given.groups:
            with open_folder() as folder:
                report_lag(folder, lambda probe: not given.only or probe.name in given.only)
        if "deliveries" in given.groups:
            measure_deliveries()
        if "imports" in given.groups:
            measure_imports()
        missed = "spam" in given.groups and judge_spam([])
        effort = Effort(given.rounds, given.seconds, tuple(given.only))
        found = {group: GROUPS[group](effort) for group in chosen}
        return report(found, write=given.write, whole=not given.only) or int(missed)


def report(found: dict[str, Rows], *, write: bool, whole: bool) -> int:
    """Print the rows that moved, and those that the table or this run lacks; return 1 if one got worse.

    With ``whole``, each group was measured with all its rows: a row of the table that is not among them is gone.
    """
    expected = read_table(TABLE.read_text(encoding="utf-8"))
    moved = list(compare(expected, found))
    print()
    for one in moved:
        print(one.line())
    missing = find_missing(expected, found, whole=whole)
    for row in missing:
        print(f"only in one of the two: {row}")
    if any(found.values()) and not moved and not missing:
        print(f"Every row is as in {TABLE.name}.")
    if write:
        kept = {} if whole else expected
        merged = {group: {**kept.get(group, {}), **rows} for group, rows in found.items() if rows}
        TABLE.write_text(write_table({**expected, **merged}), encoding="utf-8")
    return int(any(not one.is_better for one in moved))


if __name__ == "__main__":
    sys.exit(main())
