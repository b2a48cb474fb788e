"""What readers reported. A comment and its thread count the reports that nobody has looked at yet."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from commentsvc.domain.models import Comment
from commentsvc.storage import threads
from commentsvc.storage.database import PrivateRead, Row, Write, in_list


async def add(unit: Write, comment: Comment, reader: str, reason: str | None, now: str) -> int:
    """Keep a reader's report; returns how many of this comment are open now, or 0 if this reader reported before."""
    kept = await unit.one(
        """
        INSERT INTO report (comment_id, reader_digest, reason, created_at) VALUES (:id, :reader, :reason, :now)
        ON CONFLICT (comment_id, reader_digest) DO NOTHING RETURNING comment_id
        """,
        id=comment.id,
        reader=reader,
        reason=reason,
        now=now,
    )
    return await _open(unit, comment, 1) if kept else 0


async def settle(unit: Write, comment: Comment, action_id: str) -> None:
    """Close what is open: a person has looked."""
    closed = await unit.run(
        "UPDATE report SET settled_at = :now, settled_by = :action_id WHERE comment_id = :id AND settled_at IS NULL",
        id=comment.id,
        now=unit.now(),
        action_id=action_id,
    )
    if closed:
        await _open(unit, comment, -closed)


async def reopen(unit: Write, found: Sequence[Comment], action_id: str) -> list[Comment]:
    """The same for many."""
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
    """Count so many more of a comment's reports as open; returns how many are. Its thread must be held."""
    row = await unit.one(
        "UPDATE comment SET reports = reports + CAST(:change AS BIGINT) WHERE id = :id RETURNING reports",
        id=comment.id,
        change=change,
    )
    now_open = int(row["reports"]) if row else 0
    await threads.set_counters(unit, {comment.thread_id: {"reported": (now_open > 0) - (now_open > change)}})
    return now_open


async def list_of_comment(unit: PrivateRead, comment_id: str) -> Sequence[Row]:
    """``reason, created_at, settled_at`` of each report of a comment, oldest first."""
    return await unit.all(
        """
        SELECT reason, created_at, settled_at FROM report WHERE comment_id = :id ORDER BY created_at, reader_digest
        """,
        id=comment_id,
    )


async def erase(unit: Write, comment_id: str) -> None:
    """Forget who reported a comment, and why."""
    await unit.run("DELETE FROM report WHERE comment_id = :id", id=comment_id)


async def delete_expired(unit: Write, before: str) -> None:
    """Drop reports that were settled before this time."""
    await unit.run("DELETE FROM report WHERE settled_at < :before", before=before)
