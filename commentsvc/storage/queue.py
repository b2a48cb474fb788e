"""Search comments for moderators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from commentsvc.domain.models import Comment, Status
from commentsvc.storage import contacts
from commentsvc.storage.comment_filter import conditions
from commentsvc.storage.comments import COLUMNS
from commentsvc.storage.database import PrivateRead, in_list, site_condition
from commentsvc.storage.search import SEARCH_TABLE


@dataclass(frozen=True)
class Search:
    """A comment filter whose names are resolved: a site or thread to its ids, an email to its digests.

    ``values`` holds the values of the filters that have a condition of their own (``comment_filter.conditions``).
    """

    status: Status | None = None
    sites: tuple[str, ...] | None = None
    thread_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> set[str]:
        """The tables that the conditions read."""
        return {sql.table for name, sql in conditions() if name in self.values}


async def list_page(
    unit: PrivateRead, search: Search, *, after: str | None, newest_first: bool, limit: int
) -> list[Comment]:
    """Return matching comments after an id."""
    direction = "DESC" if newest_first else "ASC"
    ids, values = _ids(search, after=after, newest_first=newest_first)
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM comment WHERE comment.id IN ({ids}) ORDER BY comment.id {direction}",
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]


async def list_ids(unit: PrivateRead, search: Search, most: int) -> list[str]:
    """Return the ids of matching comments, oldest first, up to ``most``."""
    ids, values = _ids(search)
    return [row["id"] for row in await unit.all(ids, limit=most, **values)]


async def list_versions(unit: PrivateRead, search: Search, most: int) -> dict[str, int | None]:
    """Return the versions of matching comments by id, oldest first, up to ``most``."""
    ids, values = _ids(search)
    rows = await unit.all(f"SELECT id, version FROM comment WHERE id IN ({ids}) ORDER BY id", limit=most, **values)
    return {row["id"]: row["version"] for row in rows}


async def count_same_text(
    unit: PrivateRead, comment_ids: Sequence[str], sites: Sequence[str] | None, most: int
) -> dict[str, int]:
    """Return the number of pending comments by text digest, up to ``most``, for the texts of these comments."""
    ids, values = in_list("id", comment_ids)
    on_sites, more = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT seen.text_digest, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM comment
                WHERE comment.text_digest = seen.text_digest AND status = 'pending' AND {on_sites}
                LIMIT CAST(:most AS BIGINT)
            ) AS counted
        ) AS number
        FROM (SELECT DISTINCT text_digest FROM comment WHERE id IN {ids}) AS seen
        """,
        most=most,
        **values,
        **more,
    )
    return {row["text_digest"]: row["number"] for row in rows}


def _ids(search: Search, *, after: str | None = None, newest_first: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the query for the first ``:limit`` matching ids, and its parameters.

    The most selective table comes first; SQLite keeps this order for CROSS JOIN
    (https://sqlite.org/optoverview.html#crossjoin). It is read in the order of comment ids, so the query ends when it
    has enough rows: the cost of a page does not grow with the queue.
    """
    tables = _tables(search)
    sort_key = "comment.id" if tables[0] == "comment" else f"{tables[0]}.comment_id"
    joined = [f"{table}.comment_id = comment.id" for table in tables if table != "comment"]
    clauses, values = _conditions(search, tables[0])
    if after:
        clauses.append(f"{sort_key} {'<' if newest_first else '>'} :after")
        values["after"] = after
    query = f"""
        SELECT comment.id FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(joined + clauses)}
        ORDER BY {sort_key} {"DESC" if newest_first else "ASC"} LIMIT CAST(:limit AS BIGINT)
    """
    return query, values


def _tables(search: Search) -> list[str]:
    text_table = [SEARCH_TABLE] if SEARCH_TABLE in search.tables else []
    if contacts.TABLE in search.tables:
        return [contacts.TABLE, "comment", *text_table]
    if _is_selective(search):
        return ["comment", *text_table]
    return [*text_table, "comment"]


def _is_selective(search: Search) -> bool:
    """Return whether an index of the comment table finds few rows."""
    return bool(search.thread_id or search.values.get("reported") or search.values.get("same_text"))


def _conditions(search: Search, first: str) -> tuple[list[str], dict[str, Any]]:
    clauses, values = _status_conditions(search, first)
    if search.thread_id:
        clauses.append("comment.thread_id = :thread_id")
        values["thread_id"] = search.thread_id
    for name, sql in conditions():
        if name not in search.values:
            continue
        value = sql.prepare(search.values[name])
        if value is False and sql.when_false:
            clauses.append(sql.when_false)
        elif isinstance(value, tuple):
            listed, found = in_list(name, value)
            clauses.append(sql.condition.replace(":value", listed))
            values |= found
        else:
            clauses.append(sql.condition.replace(":value", f":{name}"))
            values |= {name: value} if ":value" in sql.condition else {}
    return clauses, values


def _status_conditions(search: Search, first: str) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions on status and sites. A thread's site was checked when its name was resolved."""
    site = f"{first}.site_id" if first == contacts.TABLE else "comment.site_id"
    on_sites, values = site_condition(site, None if search.thread_id else search.sites)
    status = "1 = 1"
    if search.status:
        status = f"{first}.status = :status"
        values["status"] = search.status.value
    if first != "comment":
        return [status, on_sites], values
    if search.thread_id or search.values.get("reported"):
        status = _without_index(status)
    if search.values.get("reported") or search.status is None or len(search.sites or ()) > 1:
        on_sites = _without_index(on_sites)
    if search.status in {None, Status.TRASH}:
        status += " AND comment.erased_at IS NULL"  # these have neither contact nor search text
    return [status, on_sites], values


def _without_index(condition: str) -> str:
    """Return a condition that uses no index, so that a more selective or already sorted index is used."""
    return f"({condition}) IS TRUE"
