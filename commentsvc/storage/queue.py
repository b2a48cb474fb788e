"""What moderators look for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from commentsvc.domain.models import Comment, Status
from commentsvc.storage import contacts
from commentsvc.storage import search as storage_search
from commentsvc.storage.comment_filter import conditions
from commentsvc.storage.comments import COLUMNS
from commentsvc.storage.database import PrivateRead, in_list, site_condition


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
    """Comments that match, from after an id on."""
    direction = "DESC" if newest_first else "ASC"
    ids, values = _ids(search, after=after, newest_first=newest_first)
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM comment WHERE comment.id IN ({ids}) ORDER BY comment.id {direction}",
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]


async def list_ids(unit: PrivateRead, search: Search, most: int) -> list[str]:
    """Ids of comments that match, oldest first, at most so many."""
    ids, values = _ids(search)
    return [row["id"] for row in await unit.all(ids, limit=most, **values)]


async def list_versions(unit: PrivateRead, search: Search, most: int) -> dict[str, int | None]:
    """Return ids of matching comments with their versions, oldest first, at most so many."""
    ids, values = _ids(search)
    rows = await unit.all(f"SELECT id, version FROM comment WHERE id IN ({ids}) ORDER BY id", limit=most, **values)
    return {row["id"]: row["version"] for row in rows}


async def count_same_text(
    unit: PrivateRead, comment_ids: Sequence[str], sites: Sequence[str] | None, most: int
) -> dict[str, int]:
    """How many comments wait with each text of these comments; no more than ``most`` are counted."""
    ids, values = in_list("id", comment_ids)
    reach, more = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT seen.text_digest, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM comment
                WHERE comment.text_digest = seen.text_digest AND status = 'pending' AND {reach}
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
    """The query for the first ``:limit`` ids that match, and its parameters.

    Its tables stand with the most telling one first; SQLite keeps that order for CROSS JOIN
    (https://sqlite.org/optoverview.html#crossjoin). Each is walked by comment id, so that the walk ends
    when enough is found: a page costs what it shows, however long the queue.
    """
    tables = _tables(search)
    walked = "comment.id" if tables[0] == "comment" else f"{tables[0]}.comment_id"
    joined = [f"{table}.comment_id = comment.id" for table in tables if table != "comment"]
    wanted, values = _conditions(search, tables[0])
    if after:
        wanted.append(f"{walked} {'<' if newest_first else '>'} :after")
        values["after"] = after
    query = f"""
        SELECT comment.id FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(joined + wanted)}
        ORDER BY {walked} {"DESC" if newest_first else "ASC"} LIMIT CAST(:limit AS BIGINT)
    """
    return query, values


def _tables(search: Search) -> list[str]:
    searched = [storage_search.TABLE] if storage_search.TABLE in search.tables else []
    if contacts.TABLE in search.tables:
        return [contacts.TABLE, "comment", *searched]
    if _is_selective(search):
        return ["comment", *searched]
    return [*searched, "comment"]


def _is_selective(search: Search) -> bool:
    """Whether an index of the comment table finds few rows."""
    return bool(search.thread_id or search.values.get("reported") or search.values.get("same_text"))


def _conditions(search: Search, first: str) -> tuple[list[str], dict[str, Any]]:
    wanted, values = _status_conditions(search, first)
    if search.thread_id:
        wanted.append("comment.thread_id = :thread_id")
        values["thread_id"] = search.thread_id
    for name, sql in conditions():
        if name not in search.values:
            continue
        value = sql.prepare(search.values[name])
        if value is False and sql.when_false:
            wanted.append(sql.when_false)
        elif isinstance(value, tuple):
            listed, found = in_list(name, value)
            wanted.append(sql.condition.replace(":value", listed))
            values |= found
        else:
            wanted.append(sql.condition.replace(":value", f":{name}"))
            values |= {name: value} if ":value" in sql.condition else {}
    return wanted, values


def _status_conditions(search: Search, first: str) -> tuple[list[str], dict[str, Any]]:
    """Where comments stand: which status, which sites. A thread's site was looked at when it was named."""
    site = f"{first}.site_id" if first == contacts.TABLE else "comment.site_id"
    reach, values = site_condition(site, None if search.thread_id else search.sites)
    standing = "1 = 1"
    if search.status:
        standing = f"{first}.status = :status"
        values["status"] = search.status.value
    if first != "comment":
        return [standing, reach], values
    if search.thread_id or search.values.get("reported"):
        standing = _without_index(standing)
    if search.values.get("reported") or search.status is None or len(search.sites or ()) > 1:
        reach = _without_index(reach)
    if search.status in {None, Status.TRASH}:
        standing += " AND comment.erased_at IS NULL"  # neither contact nor words are kept of these
    return [standing, reach], values


def _without_index(condition: str) -> str:
    """The same condition, but no index is used for it: a better one is there, or one in the right order."""
    return f"({condition}) IS TRUE"
