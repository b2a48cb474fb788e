"""The same text sent again."""

from commentsvc.storage.database import Write


async def claim_text(unit: Write, digest: str, comment_id: str, now: str, day_ago: str) -> bool:
    """Whether nobody said just this within a day; if so, this comment now did."""
    row = await unit.one(
        """
        INSERT INTO recent_text (digest, comment_id, created_at) VALUES (:digest, :comment_id, :now)
        ON CONFLICT (digest) DO UPDATE SET comment_id = excluded.comment_id, created_at = excluded.created_at
            WHERE recent_text.created_at <= :day_ago
        RETURNING digest
        """,
        digest=digest,
        comment_id=comment_id,
        now=now,
        day_ago=day_ago,
    )
    return row is not None


async def release_text(unit: Write, comment_id: str) -> None:
    """Let a removed comment's words be said again."""
    await unit.run("DELETE FROM recent_text WHERE comment_id = :id", id=comment_id)


async def delete_expired(unit: Write, before: str) -> None:
    """Delete wordings older than that."""
    await unit.run("DELETE FROM recent_text WHERE created_at < :before", before=before)
