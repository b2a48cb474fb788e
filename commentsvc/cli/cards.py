"""Format a comment for a terminal. Text from strangers cannot imitate our own text."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from commentsvc.cli.escape import escape_line, escape_text
from commentsvc.cli.terminal import BOLD, DIM, YELLOW, Terminal, text_width, wrap_text
from commentsvc.domain.models import Status
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.wording import actor_name, relative_time

MIN_COLUMNS: Final = 30
MAX_COLUMNS: Final = 100  # longer lines are hard to read
LABEL_WIDTH: Final = 9
EXCERPT_WIDTH: Final = 60
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


def format_row(card: ModeratorComment, now: datetime) -> str:
    """Return a comment as one line of a list."""
    excerpt = wrap_text(escape_line(card.comment), EXCERPT_WIDTH)[0]
    facts = (card.id, relative_time(card.created_at, now), f"{card.site} {card.thread.key}", card.name or "", excerpt)
    return "  ".join(map(escape_line, facts))


def _list_facts(card: ModeratorComment, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Yield a label, a text and a style for each fact about a comment."""
    yield "page", f"{card.site} {card.thread.key}{' (comments are closed)' if card.thread.closed else ''}", ""
    yield "title", card.thread.title or "", ""
    yield "name", card.name or "", BOLD
    yield "email", card.email or "", ""
    yield "website", card.website or "", ""
    age = relative_time(card.created_at, now) + (", edited" if card.edited_at else "")
    record = f"{card.author.approved:,} approved · {card.author.spam:,} spam"
    yield "from", f"{card.network or 'network no longer stored'} · {age} · {record}", ""
    for number, reason in enumerate(card.reasons):
        label = "held" if card.status is Status.PENDING else card.status.value
        yield "also" if number else label, f"{reason.text} ({actor_name(reason.actor)})", YELLOW
    if card.reports:
        yield "reports", f"{card.reports:,} from readers", YELLOW
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
