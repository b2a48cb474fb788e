"""Readers' reports. Comments and threads count the open ones."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.models import Comment
from commentsvc.storage import events, threads
from commentsvc.storage.database import MAX_HISTORY, NOW_OR_CREATED, PrivateRead, Row, Write, in_list, site_condition


async def is_reported(unit: PrivateRead, comment_id: str, readers: Sequence[str]) -> bool:
    """Return whether one of these readers, which are digests of one network, has reported a comment."""
    listed, values = in_list("reader", readers)
    row = await unit.one(
        f"SELECT 1 AS found FROM report WHERE comment_id = :id AND reader_digest IN {listed}", id=comment_id, **values
    )
    return row is not None


async def add(unit: Write, comment: Comment, reader: str, reason: str | None, now: str, *, holds: bool) -> None:
    """Insert a report, and count it. ``holds``: whether it counts towards holding the comment."""
    inserted = await unit.one(
        """
        INSERT INTO report (comment_id, reader_digest, reason, created_at, holds)
        VALUES (:id, :reader, :reason, :now, :holds)
        ON CONFLICT (comment_id, reader_digest) DO NOTHING RETURNING comment_id
        """,
        id=comment.id,
        reader=reader,
        reason=reason,
        now=now,
        holds=int(holds),
    )
    if inserted:
        await _open(unit, comment, 1)
        await events.add_of_comment(unit, EventKind.REPORT_CREATED, comment)


async def count_holding(unit: PrivateRead, comment_id: str) -> int:
    """Return the number of open reports that count towards holding a comment."""
    row = await unit.one(
        "SELECT COUNT(*) AS number FROM report WHERE comment_id = :id AND settled_at IS NULL AND holds = 1",
        id=comment_id,
    )
    return int(row["number"]) if row else 0


async def count_since(unit: PrivateRead, since: str, sites: Sequence[str] | None, most: int) -> int:
    """Return the number of open reports since a time on these sites, up to ``most``. None means all sites."""
    on_sites, values = site_condition("comment.site_id", sites)
    row = await unit.one(
        f"""
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM report JOIN comment ON comment.id = report.comment_id
            WHERE report.settled_at IS NULL AND report.created_at >= :since AND {on_sites} LIMIT CAST(:most AS BIGINT)
        ) AS counted
        """,
        since=since,
        most=most,
        **values,
    )
    return int(row["number"]) if row else 0


async def settle(unit: Write, comment: Comment, action_id: str) -> None:
    """Close a comment's open reports, because a person has decided on it."""
    closed = await unit.run(
        f"""
        UPDATE report SET settled_at = {NOW_OR_CREATED}, settled_by = :action_id
        WHERE comment_id = :id AND settled_at IS NULL
        """,
        id=comment.id,
        now=unit.now(),
        action_id=action_id,
    )
    if closed:
        await _open(unit, comment, -closed)


async def reopen(unit: Write, found: Sequence[Comment], action_id: str) -> list[Comment]:
    """Open the reports again that an action closed; return the comments with their new numbers."""
    ids, values = in_list("id", [comment.id for comment in found])
    rows = await unit.all(
        f"""
        UPDATE report SET settled_at = NULL, settled_by = NULL
        WHERE comment_id IN {ids} AND settled_by = :action_id RETURNING comment_id
        """,
        action_id=action_id,
        **values,
    )
    opened = Counter(row["comment_id"] for row in rows)
    after = []
    for comment in found:
        number = await _open(unit, comment, opened[comment.id]) if opened[comment.id] else comment.reports
        after.append(msgspec.structs.replace(comment, reports=number))
    return after


async def _open(unit: Write, comment: Comment, change: int) -> int:
    """Add to a comment's number of open reports; return the new number. The caller must have locked the thread."""
    row = await unit.one(
        "UPDATE comment SET reports = reports + CAST(:change AS BIGINT) WHERE id = :id RETURNING reports",
        id=comment.id,
        change=change,
    )
    now_open = int(row["reports"]) if row else 0
    await threads.set_counters(unit, {comment.thread_id: {"reported": (now_open > 0) - (now_open > change)}})
    return now_open


async def list_of_comment(unit: PrivateRead, comment_id: str) -> Sequence[Row]:
    """Return ``reason, created_at, settled_at`` of the latest reports of a comment, oldest first."""
    rows = await unit.all(
        f"""
        SELECT reason, created_at, settled_at FROM report WHERE comment_id = :id
        ORDER BY created_at DESC, reader_digest DESC LIMIT {MAX_HISTORY}
        """,
        id=comment_id,
    )
    return rows[::-1]


async def list_reasons(unit: PrivateRead, comment_ids: Sequence[str], most: int) -> dict[str, list[str]]:
    """Return the reasons of open reports by comment id, up to ``most`` of each comment, without equal ones."""
    if not comment_ids:
        return {}
    values: dict[str, Any] = {f"id{at}": id_ for at, id_ in enumerate(comment_ids)}
    branches = [
        f"""
        SELECT * FROM (
            SELECT comment_id, reason, MIN(created_at) AS first FROM report
            WHERE comment_id = :{name} AND settled_at IS NULL AND reason IS NOT NULL
            GROUP BY comment_id, reason ORDER BY first, reason LIMIT CAST(:most AS BIGINT)
        ) AS of_{name}
        """
        for name in values
    ]
    found: dict[str, list[str]] = {}
    for row in await unit.all(" UNION ALL ".join(branches), most=most, **values):
        found.setdefault(row["comment_id"], []).append(row["reason"])
    return found


async def erase(unit: Write, comment_id: str) -> None:
    """Delete the reports of a comment."""
    await unit.run("DELETE FROM report WHERE comment_id = :id", id=comment_id)


async def delete_expired(unit: Write, before: str) -> None:
    """Delete reports that were closed before this time."""
    await unit.run("DELETE FROM report WHERE settled_at < :before", before=before)
