"""Find rows whose tokens have all terms of a search, in the order of a page.

The rows that come first in that order are read before the index is asked: a word that most rows have fills the page at
once, where the index would list and sort them all. A rare word is found by the index, which lists few rows then.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from commentsvc.domain.models import Status
from commentsvc.domain.search_tokens import Term
from commentsvc.storage import search
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.dialect import INDEXED

# Rows that are read before the index is asked: first few, for words in many rows. If fewer than one row in 80 has a
# word, the index is faster than a longer window: in a million rows both take about 30 ms then.
FIRST_WINDOW: Final = 4  # times the length of the page
LAST_WINDOW: Final = 4000
MAX_BRANCHES: Final = 200  # SQLite merges up to 500
MAX_UNSELECTIVE: Final = 3  # letters of a beginning that so many words have that the index does not help

Statement = tuple[str, dict[str, Any]]


class WordPlan(Protocol):
    """Statements that find ids after an id, in the order of a page, up to ``:limit``."""

    @property
    def order(self) -> str:
        """ASC or DESC."""

    def page(self, after: str | None, /) -> Statement:
        """Return the statement for all rows that match without the words."""

    def matching(self, terms: Sequence[Term], after: str | None, /) -> Statement:
        """Return the statement for the rows that have all terms, by the full-text index."""


async def find_words(
    unit: PrivateRead, plan: WordPlan, table: str, terms: Sequence[Term], *, after: str | None, limit: int
) -> list[str]:
    """Return the first ids after an id whose rows in a table of tokens have all terms."""
    if not terms:
        return []
    found: list[str] = []
    end = after
    # A bulk action asks for more ids than a window has rows, so it asks the index at once.
    for size in (FIRST_WINDOW * limit, LAST_WINDOW) if FIRST_WINDOW * limit <= LAST_WINDOW else ():
        found, end = await _read_window(unit, plan, table, terms, after=after, limit=limit, size=size)
        if len(found) == limit or end is None:
            return found
    statement, values = plan.matching(terms, end)
    return found + [row["id"] for row in await unit.all(statement, limit=limit - len(found), **values)]


async def _read_window(
    unit: PrivateRead, plan: WordPlan, table: str, terms: Sequence[Term], *, after: str | None, limit: int, size: int
) -> tuple[list[str], str | None]:
    """Return the ids in a window whose rows have all terms, and its last id; None if there are fewer rows."""
    page, values = plan.page(after)
    has_terms, more = contain(table, terms)
    last = "MAX" if plan.order == "ASC" else "MIN"
    rows = await unit.all(
        f"""
        WITH seen AS MATERIALIZED ({page})
        SELECT id, 1 AS found FROM (
            SELECT seen.id FROM seen CROSS JOIN {table} WHERE {table}.{INDEXED[table].key} = seen.id AND {has_terms}
            ORDER BY seen.id {plan.order} LIMIT CAST(:wanted AS BIGINT)
        ) AS hits
        UNION ALL SELECT {last}(id), 0 FROM seen WHERE (SELECT COUNT(*) FROM seen) >= CAST(:limit AS BIGINT)
        """,
        limit=size,
        wanted=limit,
        **values,
        **more,
    )
    found = [row["id"] for row in rows if row["found"]]
    (end,) = (row["id"] for row in rows if not row["found"])
    return sorted(found, reverse=plan.order == "DESC"), end


def merge_branches(statements: Sequence[str], order: str) -> str:
    """Return the statement for the first ``:limit`` ids of several statements, each of which is in this order."""
    if len(statements) == 1:
        return statements[0]
    merged = " UNION ALL ".join(f"SELECT id FROM ({one}) AS branch{number}" for number, one in enumerate(statements))
    return f"{merged} ORDER BY id {order} LIMIT CAST(:limit AS BIGINT)"


def contain(table: str, terms: Sequence[Term]) -> Statement:
    """Return the condition that a row of a table of tokens has all terms, and its parameters."""
    text = " || ".join(f"{table}.{column}" for column in INDEXED[table].columns)
    values = {f"term{number}": f" {term.text}{' ' if term.whole else ''}" for number, term in enumerate(terms)}
    return " AND ".join(f"INSTR({text}, :{name}) > 0" for name in values) or "1 = 1", values


def split_terms(terms: Sequence[Term]) -> tuple[list[Term], list[Term]]:
    """Return the terms that the index helps to find, and those that so many words begin with that it does not."""
    long = [term for term in terms if term.whole or _is_selective(term.text.lstrip(search.REASON))]
    return (long, [term for term in terms if term not in long]) if long else (list(terms), [])


def _is_selective(text: str) -> bool:
    return len(text) > MAX_UNSELECTIVE or not (text.isascii() and text.isalpha())


def match(terms: Sequence[Term], status: Status | None, sites: Sequence[str] | None) -> str:
    """Return what the full-text index must match. More than ``MAX_BRANCHES`` sites are left out."""
    parts = [f'"{term.text}"' if term.whole else f'"{term.text}" *' for term in terms]
    if status:
        parts.append(f'"{search.status_mark(status)}"')
    if sites and len(sites) <= MAX_BRANCHES:
        marks = [f'"{search.site_mark(site)}"' for site in sites]
        parts.append(f"({' OR '.join(marks)})")
    return " AND ".join(parts)


def without_index(condition: str) -> str:
    """Return a condition that uses no index, so that a more selective or already sorted index is used."""
    return f"({condition}) IS TRUE"
