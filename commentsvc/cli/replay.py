"""Print the test of the learned filter: its numbers, and its curve as rows."""

from collections.abc import Iterator

from commentsvc.cli.escape import escape_line
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import Terminal
from commentsvc.rules.schemas import BacktestResult, CurvePoint, LearnedResult


def describe_replay(result: BacktestResult, learned: LearnedResult, terminal: Terminal) -> Iterator[str]:
    """Yield the lines that say what the learned filter would have caught, and with which share of good comments."""
    yield f"Learned filter, from {learned.from_good:,} good and {learned.from_spam:,} spam decisions."
    if learned.missing_good or learned.missing_spam:
        yield f"It needs {learned.missing_good:,} more good and {learned.missing_spam:,} more spam decisions."
    if not result.tried:
        yield "There are no later decisions to test it on yet."
        return
    yield f"Replayed {result.tried:,} in order: each comment was judged only by decisions made before it."
    yield (
        f"At {learned.keep:g}% it catches {result.rejected:,} of {learned.spam:,} spam "
        f"and {result.approved:,} of {learned.good:,} good comments."
    )
    yield from format_table(_curve(learned), learned.curve, terminal)
    for label, features in (("Speaks for spam", learned.spam_features), ("Speaks against spam", learned.good_features)):
        if features:
            yield f"{label}: {', '.join(escape_line(one.text) for one in features)}"


def _curve(learned: LearnedResult) -> Table[CurvePoint]:
    return (
        (Column("KEEP"), lambda point: f"{point.keep:.1f}%"),
        (Column("SPAM CAUGHT"), lambda point: f"{point.caught:,} of {learned.spam:,}"),
        (Column("GOOD LOST"), lambda point: f"{point.lost:,} of {learned.good:,}"),
    )
