"""Idempotency keys: submissions and the comments that they created.

A client chooses the id, so it may contain words. Only its digest is stored: it needs no erasing.
"""

from commentsvc.domain.crypto import text_digest
from commentsvc.storage.database import PrivateRead, Row, Write


async def claim(
    unit: Write, site_id: str, name: str, *, body_digest: str, comment_id: str, status: str, now: str
) -> bool:
    """Reserve a submission id for a comment; return False if it was used before.

    On PostgreSQL a concurrent request with the same id waits until the first one commits or rolls back.
    """
    row = await unit.one(
        """
        INSERT INTO submission (site_id, name, body_digest, comment_id, status, created_at)
        VALUES (:site_id, :name, :body_digest, :comment_id, :status, :now)
        ON CONFLICT (site_id, name) DO NOTHING RETURNING name
        """,
        site_id=site_id,
        name=text_digest(name),
        body_digest=body_digest,
        comment_id=comment_id,
        status=status,
        now=now,
    )
    return row is not None


async def get_claim(unit: PrivateRead, site_id: str, name: str) -> Row | None:
    """Return ``body_digest, comment_id, status`` of a submission."""
    return await unit.one(
        "SELECT body_digest, comment_id, status FROM submission WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=text_digest(name),
    )


async def set_status(unit: Write, site_id: str, name: str, status: str) -> None:
    """Record the status that the first response reported."""
    await unit.run(
        "UPDATE submission SET status = :status WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=text_digest(name),
        status=status,
    )


async def delete_expired(unit: Write, before: str) -> None:
    """Delete submission ids created before this time."""
    await unit.run("DELETE FROM submission WHERE created_at < :before", before=before)
