"""Readers' reports. Comments and threads count the open ones."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from commentsvc.domain.models import Comment
from commentsvc.storage import threads
from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Row, Write, in_list


async def add(unit: Write, comment: Comment, reader: str, reason: str | None, now: str) -> int:
    """Insert a report; return the comment's number of open reports, or 0 if this reader reported it before."""
    inserted = await unit.one(
        """
        INSERT INTO report (comment_id, reader_digest, reason, created_at) VALUES (:id, :reader, :reason, :now)
        ON CONFLICT (comment_id, reader_digest) DO NOTHING RETURNING comment_id
        """,
        id=comment.id,
        reader=reader,
        reason=reason,
        now=now,
    )
    return await _open(unit, comment, 1) if inserted else 0


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
    """Return ``reason, created_at, settled_at`` of each report of a comment, oldest first."""
    return await unit.all(
        """
        SELECT reason, created_at, settled_at FROM report WHERE comment_id = :id ORDER BY created_at, reader_digest
        """,
        id=comment_id,
    )


async def erase(unit: Write, comment_id: str) -> None:
    """Delete the reports of a comment."""
    await unit.run("DELETE FROM report WHERE comment_id = :id", id=comment_id)


async def delete_expired(unit: Write, before: str) -> None:
    """Delete reports that were closed before this time."""
    await unit.run("DELETE FROM report WHERE settled_at < :before", before=before)
