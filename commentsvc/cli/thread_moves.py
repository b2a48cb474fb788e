"""Run the command that moves threads to new addresses."""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from commentsvc.cli.escape import escape_line
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.config.program import command_line
from commentsvc.delivery import redirects
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.moderation import thread_moves
from commentsvc.moderation.thread_moves import Move, Outcome, ThreadMoves
from commentsvc.service import Service

STANDARD_INPUT: Final = "-"
HEADERS: Final = frozenset({"from", "old", "source", "old_url", "old url"})
COLUMNS: Final = 2
SEPARATORS: Final = "\t;,"
LABELS: Final = {
    Outcome.MOVED: "moved",
    Outcome.UNCHANGED: "there already",
    Outcome.UNKNOWN: "no thread has the old address",
    Outcome.TAKEN: "another thread has the new address",
    Outcome.INVALID: "not valid",
}


async def _move_threads(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    unreached = ""
    if arguments.csv:
        moves = read_moves(_open(arguments.csv, terminal), arguments.csv)
    else:
        found = await redirects.find_moves(service, OPERATOR, arguments.site)
        moves = found.moves
        unreached = "\n".join(f"{escape_line(one.address)}: {escape_line(one.problem)}" for one in found.unreached)
    done = await thread_moves.move_threads(service, OPERATOR, moves, arguments.site, is_dry_run=arguments.dry_run)
    problem = "" if done.is_complete or not moves else "Not every thread was moved: see above."
    if unreached:
        problem = f"Pages that could not be reached:\n{unreached}"
    return CommandResult(done, _describe(done, is_dry_run=arguments.dry_run), problem)


def _open(name: str, terminal: Terminal) -> Iterable[str]:
    if name == STANDARD_INPUT:
        return terminal.read_lines()
    try:
        return Path(name).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(FieldError("csv", "invalid", f"The file cannot be read: {error}")) from None


def read_moves(lines: Iterable[str], name: str) -> list[Move]:
    """Return the moves of a file with two columns, separated by commas, semicolons or tabs; a header is skipped.

    Raises:
        Invalid: for the field ``csv``: a line has not two columns, or there is no line.
    """
    kept = [(number, line.rstrip("\r\n")) for number, line in enumerate(lines, 1) if line.strip()]
    if not kept:
        raise Invalid(FieldError("csv", "required", "The file has no lines. Write: old address, new address."))
    separator = next((mark for mark in SEPARATORS if mark in kept[0][1]), ",")
    moves = []
    for (number, _), row in zip(kept, csv.reader((line for _, line in kept), delimiter=separator), strict=True):
        cells = [cell.strip() for cell in row]
        if number == kept[0][0] and cells[0].casefold() in HEADERS:
            continue
        if len(cells) != COLUMNS or not all(cells):
            raise Invalid(
                FieldError("csv", "invalid", f"Line {number} of {name} needs two columns: old address, new address.")
            )
        moves.append(Move(cells[0], cells[1], number))
    return moves


def _describe(done: ThreadMoves, *, is_dry_run: bool) -> str:
    rows = [
        f"{one.line or '':>5}  {escape_line(one.source)} → {escape_line(one.target)}: "
        f"{escape_line(one.problem or LABELS[one.outcome])}"
        for one in done.threads
        if is_dry_run or one.outcome not in {Outcome.MOVED, Outcome.UNCHANGED}
    ]
    counts = [f"{getattr(done, outcome):,} {label}" for outcome, label in LABELS.items() if getattr(done, outcome)]
    total = f"Threads: {len(done.threads):,} = {' + '.join(counts) or '0'}"
    if is_dry_run:
        total += ". Nothing was changed. Do it without --dry-run."
    elif done.moved and done.id:
        total += f". Undo with: {command_line('undo', done.id)}"
    return "\n".join([*rows, total])


COMMANDS: Final[Commands] = {("thread", "move"): _move_threads}
