"""A comment as its moderator reads it at a terminal. Nothing a stranger wrote can pass for a word of ours."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from commentsvc.cli.escape import harmless, one_line
from commentsvc.cli.terminal import BOLD, DIM, YELLOW, Terminal, width, wrapped
from commentsvc.domain.models import Status
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.moderation.wording import relative_time

NARROWEST: Final = 30
WIDEST: Final = 100  # longer lines are hard to read
LABEL: Final = 9
EXCERPT: Final = 60
GUTTER: Final = "│ "  # stands before every line of a comment, and before no other


def shown(card: ModeratorComment, place: str, now: datetime, terminal: Terminal) -> str:
    """All that a decision needs, in rows that fit the terminal."""
    columns = _columns(terminal)
    head = f"── {place} "
    rows = [terminal.paint(head + "─" * (columns - width(head)), DIM)]
    for label, text, style in _facts(card, now):
        rows += _labelled(label, text, style, columns, terminal)
    rows += ["", *_words(card.comment, columns, terminal), ""]
    if card.similar:
        rows.append(f"{card.similar:,} similar {'waits' if card.similar == 1 else 'wait'}.")
    return "\n".join(rows)


def listed(card: ModeratorComment, now: datetime) -> str:
    """A comment in a list: on one line."""
    begins = wrapped(one_line(card.comment), EXCERPT)[0]
    facts = (card.id, relative_time(card.created_at, now), f"{card.site} {card.thread.key}", card.name or "", begins)
    return "  ".join(map(one_line, facts))


def _columns(terminal: Terminal) -> int:
    return min(max(terminal.columns(), NARROWEST), WIDEST)


def _facts(card: ModeratorComment, now: datetime) -> Iterator[tuple[str, str, str]]:
    """What is known beside the words: a label, the text, its style."""
    yield "page", f"{card.site} {card.thread.key}", ""
    yield "title", card.thread.title or "", ""
    yield "name", card.name or "", BOLD
    yield "email", card.email or "", ""
    yield "website", card.website or "", ""
    age = relative_time(card.created_at, now) + (", edited" if card.edited_at else "")
    known = f"{card.author.approved:,} approved · {card.author.spam:,} spam"
    yield "from", f"{card.network or 'a network not known any more'} · {age} · {known}", ""
    for number, reason in enumerate(card.reasons):
        label = "held" if card.status is Status.PENDING else card.status.value
        yield "also" if number else label, f"{reason.reason} ({reason.rule})", YELLOW
    if card.reports:
        yield "reports", f"{card.reports:,} from readers", YELLOW
    yield "answers", card.parent_excerpt or "", DIM
    yield "note", card.note or "", ""


def _labelled(label: str, text: str, style: str, columns: int, terminal: Terminal) -> Iterator[str]:
    """A label and what it says, further rows below it; nothing where it says nothing."""
    for number, row in enumerate(filter(None, wrapped(one_line(text), columns - LABEL))):
        before = "" if number else label
        yield terminal.paint(before.ljust(LABEL), DIM) + terminal.paint(row, style)


def _words(text: str, columns: int, terminal: Terminal) -> list[str]:
    """A comment's own words, whole."""
    text = re.sub(r"\n\s*\n", "\n\n", harmless(text)).strip("\n")
    return [terminal.paint(GUTTER, DIM) + row for row in wrapped(text, columns - width(GUTTER))]
