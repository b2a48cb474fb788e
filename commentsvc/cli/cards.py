"""Format a comment for a terminal. Text from strangers cannot imitate our own text."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from commentsvc.cli.escape import escape_line, escape_text
from commentsvc.cli.tables import Column, Table, cut_text, format_table
from commentsvc.cli.terminal import BOLD, DIM, YELLOW, Terminal
from commentsvc.domain.columns import text_width, wrap_text
from commentsvc.domain.models import Status
from commentsvc.domain.timestamps import parse_time
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.wording import actor_name, relative_time

MIN_COLUMNS: Final = 30
MAX_COLUMNS: Final = 100  # longer lines are hard to read
LABEL_WIDTH: Final = 9
MAX_EXCERPT: Final = 500  # characters; more than any terminal shows in a line
EXCERPT_WIDTH: Final = 60  # where there is no terminal that it must fit
AGES: Final = ((365 * 86_400, "y"), (86_400, "d"), (3600, "h"), (60, "min"))
GUTTER: Final = "│ "  # marks every line of the comment's text, and no other line


def format_card(card: ModeratorComment, position: str, now: datetime, terminal: Terminal) -> str:
    """Return all facts that a decision needs, in rows that fit the terminal."""
    columns = min(max(terminal.columns(), MIN_COLUMNS), MAX_COLUMNS)
    title = f"── {position} "
    rows = [terminal.paint(title + "─" * (columns - text_width(title)), DIM)]
    for label, text, style in _list_facts(card, now):
        rows += _format_fact(label, text, style, columns, terminal)
    rows += ["", *_format_comment_text(card.comment, columns, terminal), ""]
    if card.similar:
        similar = "comment is" if card.similar == 1 else "comments are"
        rows.append(f"{card.similar:,} similar {similar} pending.")
    return "\n".join(rows)


def format_rows(found: Sequence[ModeratorComment], now: datetime, terminal: Terminal) -> list[str]:
    """Return comments as a list, one line each where the terminal is wide enough."""
    excerpt_width = terminal.table_columns() or EXCERPT_WIDTH
    table: Table[ModeratorComment] = (
        (Column("ID"), lambda card: card.id),
        (Column("AGE"), lambda card: short_age(card.created_at, now)),
        (Column("SITE", 6, optional=True), lambda card: card.site),
        (Column("PAGE", 8), lambda card: card.thread.key),
        (Column("NAME", 6), lambda card: card.name or ""),
        (Column("COMMENT", 12), lambda card: cut_text(escape_line(card.comment[:MAX_EXCERPT]), excerpt_width)),
    )
    return format_table(table, found, terminal)


def short_age(time: str, now: datetime) -> str:
    """Return how long ago a time was, in few letters: ``3 h``."""
    seconds = (now - parse_time(time)).total_seconds()
    length, unit = next((one for one in AGES if seconds >= one[0]), (1, ""))
    return f"{seconds // length:,.0f} {unit}" if unit else "now"


def _list_facts(card: ModeratorComment, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Yield a label, a text and a style for each fact about a comment."""
    yield "page", f"{card.site} {card.thread.key}{' (comments are closed)' if card.thread.closed else ''}", ""
    yield "title", card.thread.title or "", ""
    yield "name", card.name or "", BOLD
    yield "email", f"{card.email or ''}{' (verified)' if card.verified else ''}", ""
    yield "website", card.website or "", ""
    age = f"{relative_time(card.created_at, now)}{', edited' if card.edited_at else ''}"
    record = f"{card.author.approved:,} approved · {card.author.spam:,} spam"
    yield "from", f"{card.network or 'network no longer stored'} · {age} · {record}", ""
    for number, reason in enumerate(card.reasons):
        label = "held" if card.status is Status.PENDING else card.status.value
        yield "also" if number else label, f"{reason.text} ({actor_name(reason.actor)})", YELLOW
    if card.reports:
        quoted = "".join(f", “{reason}”" for reason in card.report_reasons)
        yield "reports", f"{card.reports:,} from readers{quoted}", YELLOW
    if card.namesake:
        yield "warning", f"same name as a commenter with {card.namesake:,} approved comments, other address", YELLOW
    yield "reply to", card.parent_excerpt or "", DIM
    yield "note", card.note or "", ""


def _format_fact(label: str, text: str, style: str, columns: int, terminal: Terminal) -> Iterator[str]:
    """Yield the rows of a fact, with the label before the first row; none for an empty text."""
    for number, row in enumerate(filter(None, wrap_text(escape_line(text), columns - LABEL_WIDTH))):
        prefix = "" if number else label
        yield terminal.paint(prefix.ljust(LABEL_WIDTH), DIM) + terminal.paint(row, style)


def _format_comment_text(text: str, columns: int, terminal: Terminal) -> list[str]:
    text = re.sub(r"\n\s*\n", "\n\n", escape_text(text)).strip("\n")
    return [terminal.paint(GUTTER, DIM) + row for row in wrap_text(text, columns - text_width(GUTTER))]
