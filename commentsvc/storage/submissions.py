"""What was sent before: the same submission, the same words, too much from one network."""

from commentsvc.storage.database import PrivateRead, Row, Write


async def claim(
    unit: Write, site_id: str, name: str, *, body_digest: str, comment_id: str, status: str, now: str
) -> bool:
    """Keep a submission's name for one comment; False if it is taken.

    On PostgreSQL the second of two at once waits here until the first is kept or given up.
    """
    row = await unit.one(
        """
        INSERT INTO submission (site_id, name, body_digest, comment_id, status, created_at)
        VALUES (:site_id, :name, :body_digest, :comment_id, :status, :now)
        ON CONFLICT (site_id, name) DO NOTHING RETURNING name
        """,
        site_id=site_id,
        name=name,
        body_digest=body_digest,
        comment_id=comment_id,
        status=status,
        now=now,
    )
    return row is not None


async def get_claim(unit: PrivateRead, site_id: str, name: str) -> Row | None:
    """``body_digest, comment_id, status`` of a submission."""
    return await unit.one(
        "SELECT body_digest, comment_id, status FROM submission WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=name,
    )


async def set_status(unit: Write, site_id: str, name: str, status: str) -> None:
    """Note which answer a submission got."""
    await unit.run(
        "UPDATE submission SET status = :status WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=name,
        status=status,
    )


async def delete_expired(unit: Write, before: str) -> None:
    """Delete submission ids older than that."""
    await unit.run("DELETE FROM submission WHERE created_at < :before", before=before)
