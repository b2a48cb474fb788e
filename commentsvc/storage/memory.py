"""Labels of comments: spam or good, as people and imports decided."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc.storage.database import PrivateRead, Row, Write, in_list

COLUMNS: Final = "comment_id, site_id, label, source, approved, decided_at"


async def list_histories(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return all decisions on these comments, by comment and oldest first. Erased comments and staff's are left out.

    Each row has ``comment_id, site_id, now`` (the comment's status), ``edited_at`` (when its author last changed it),
    ``status, actor_kind, created_at, action_id`` and ``undoes``: the action that this one undid.
    """
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"""
        SELECT decision.comment_id, comment.site_id, comment.status AS now, decision.status, decision.actor_kind,
            decision.created_at, decision.action_id, undone.id AS undoes, (
                SELECT MAX(created_at) FROM revision WHERE comment_id = comment.id AND actor_kind = 'author'
            ) AS edited_at
        FROM decision JOIN comment ON comment.id = decision.comment_id
            LEFT JOIN action AS undone ON undone.undone_by = decision.action_id
        WHERE decision.comment_id IN {ids} AND comment.erased_at IS NULL AND comment.moderator_id IS NULL
        ORDER BY decision.comment_id, decision.seq
        """,
        **values,
    )


async def save_labels(unit: Write, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store the labels of comments. Each row has the columns of ``COLUMNS``."""
    if rows:
        names = ", ".join(f":{name}" for name in COLUMNS.split(", "))
        await unit.run_many(
            f"""
            INSERT INTO memory ({COLUMNS}) VALUES ({names})
            ON CONFLICT (comment_id) DO UPDATE SET label = excluded.label, source = excluded.source,
                approved = excluded.approved, decided_at = excluded.decided_at
            """,
            rows,
        )


async def remove_labels(unit: Write, comment_ids: Sequence[str]) -> None:
    """Take the labels of comments away. The row of a comment that the filter has learned stays until it unlearns it."""
    if not comment_ids:
        return
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM memory_key WHERE comment_id IN {ids}", **values)
    await unit.run(f"UPDATE memory SET label = NULL, features = NULL WHERE comment_id IN {ids}", **values)
    await unit.run(f"DELETE FROM memory WHERE comment_id IN {ids} AND learned IS NULL", **values)


async def mark_pruned(unit: Write, comment_ids: Sequence[str], features: Mapping[str, str]) -> None:
    """Note that these comments are erased for their age, and their features. All this is kept for a time."""
    await unit.run_many(
        "UPDATE memory SET pruned = 1, features = CAST(:features AS TEXT) WHERE comment_id = :id",
        [{"id": one, "features": features.get(one)} for one in sorted(comment_ids)],
    )


async def list_outdated(unit: PrivateRead, before: str, limit: int) -> list[str]:
    """Return the ids of comments that were decided before a time, and were erased for their age since."""
    rows = await unit.all(
        """
        SELECT comment_id FROM memory WHERE pruned = 1 AND label IS NOT NULL AND decided_at < :before
        ORDER BY decided_at, comment_id LIMIT CAST(:limit AS BIGINT)
        """,
        before=before,
        limit=limit,
    )
    return [row["comment_id"] for row in rows]
