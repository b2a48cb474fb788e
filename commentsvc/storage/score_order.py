"""Find pending comments in the order of their spam scores, least likely spam first."""

from typing import Any, Final

from commentsvc.storage.contacts import TABLE
from commentsvc.storage.database import PrivateRead, site_condition
from commentsvc.storage.queue_plan import Plan, Search

EVERY: Final = 2**53  # matching comments are sorted by score, so all of them are read
AFTER: Final = f"({TABLE}.spam_score, {TABLE}.comment_id) > (CAST(:score AS BIGINT), CAST(:after AS TEXT))"


async def list_by_score(unit: PrivateRead, search: Search, *, after: tuple[int, str] | None, limit: int) -> list[str]:
    """Return the ids of matching pending comments after a score and an id.

    The search has the status pending and asks for no words. A comment without a score comes first. Searches by status
    and site read an index and stop when the page is full; others sort all that they find.
    """
    if search.sites == ():
        return []
    statement, values = build_statement(search, after)
    return [row["comment_id"] for row in await unit.all(statement, wanted=limit, **values)]


def build_statement(search: Search, after: tuple[int, str] | None) -> tuple[str, dict[str, Any]]:
    """Return the statement for the first ``:wanted`` ids, and its other values."""
    found, values = _on_sites(search) if _is_plain(search) else _filtered(search)
    if after:
        values |= {"score": after[0], "after": after[1]}
    statement = f"""
        SELECT {TABLE}.comment_id FROM {found} AND {TABLE}.status = 'pending'{f" AND {AFTER}" if after else ""}
        ORDER BY {TABLE}.spam_score, {TABLE}.comment_id LIMIT CAST(:wanted AS BIGINT)
    """
    return statement, values


def _is_plain(search: Search) -> bool:
    return not search.thread_id and not search.values


def _on_sites(search: Search) -> tuple[str, dict[str, Any]]:
    on_sites, values = site_condition(f"{TABLE}.site_id", search.sites)
    return f"{TABLE} WHERE {on_sites}", values


def _filtered(search: Search) -> tuple[str, dict[str, Any]]:
    page, values = Plan(search, newest_first=False).page(None)
    return f"({page}) AS found CROSS JOIN {TABLE} WHERE {TABLE}.comment_id = found.id", values | {"limit": EVERY}
