"""What moderators look for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from commentsvc.domain.models import Comment, Status
from commentsvc.storage import contacts
from commentsvc.storage import search as storage_search
from commentsvc.storage.comments import COLUMNS
from commentsvc.storage.database import PrivateRead, in_list, site_condition


@dataclass(frozen=True)
class Search:
    """What is looked for; None is no condition. Times are compared with when a comment was written."""

    status: Status | None = None
    sites: tuple[str, ...] | None = None
    thread_id: str | None = None
    q: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    email_digests: tuple[str, ...] | None = None
    network: str | None = None
    reported: bool | None = None
    text_digest: str | None = None
    as_of: str | None = None


TIMES: Final = {
    "comment.created_at >= :since": "since",
    "comment.created_at < :until": "until",
    "comment.created_at <= :as_of AND COALESCE(comment.edited_at, '') <= :as_of": "as_of",
}


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
    sought = [storage_search.TABLE] if search.q or search.reason else []
    if search.email_digests is not None or search.network:
        return [contacts.TABLE, "comment", *sought]
    if search.thread_id or search.reported or search.text_digest:
        return ["comment", *sought]
    return [*sought, "comment"]


def _conditions(search: Search, first: str) -> tuple[list[str], dict[str, Any]]:
    wanted, values = _status_conditions(search, first)
    if search.thread_id:
        wanted.append("comment.thread_id = :thread_id")
        values["thread_id"] = search.thread_id
    if search.text_digest is not None:
        wanted.append("comment.text_digest = :text_digest AND comment.erased_at IS NULL")
        values["text_digest"] = search.text_digest
    if search.reported is not None:
        wanted.append("comment.reports > 0" if search.reported else "comment.reports = 0")
    for column, text in (("words", search.q), ("reasons", search.reason)):
        if text:
            wanted.append(storage_search.contains(column, column))
            values[column] = text.lower()
    for condition, name in TIMES.items():
        if getattr(search, name):
            wanted.append(condition)
            values[name] = getattr(search, name)
    if search.email_digests is not None:
        digests, found = in_list("digest", search.email_digests)
        wanted.append(contacts.EMAIL_CONDITION.format(digests=digests))
        values |= found
    if search.network:
        wanted.append(contacts.NETWORK_CONDITION)
        values["network"] = search.network
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
    if search.thread_id or search.reported:
        standing = _without_index(standing)
    if search.reported or search.status is None or len(search.sites or ()) > 1:
        reach = _without_index(reach)
    if search.status in {None, Status.TRASH}:
        standing += " AND comment.erased_at IS NULL"  # neither contact nor words are kept of these
    return [standing, reach], values


def _without_index(condition: str) -> str:
    """The same condition, but no index is used for it: a better one is there, or one in the right order."""
    return f"({condition}) IS TRUE"
