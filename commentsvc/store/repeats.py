"""What was sent before: the same submission, the same words, too much from one network."""

from typing import Any

from commentsvc.store import Row, Transaction


async def claim(
    tx: Transaction, site_id: str, name: str, *, body_digest: str, comment_id: str, status: str, now: str
) -> bool:
    """Keep a submission's name for one comment; False if it is taken.

    On PostgreSQL the second of two at once waits here until the first is kept or given up.
    """
    row = await tx.one(
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


async def claimed(tx: Transaction, site_id: str, name: str) -> Row | None:
    """``body_digest, comment_id, status`` of a submission."""
    return await tx.one(
        "SELECT body_digest, comment_id, status FROM submission WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=name,
    )


async def settle(tx: Transaction, site_id: str, name: str, status: str) -> None:
    """Note which answer a submission got."""
    await tx.run(
        "UPDATE submission SET status = :status WHERE site_id = :site_id AND name = :name",
        site_id=site_id,
        name=name,
        status=status,
    )


async def first_to_say(tx: Transaction, digest: str, comment_id: str, now: str, day_ago: str) -> bool:
    """Whether nobody said just this within a day; if so, this comment now did."""
    row = await tx.one(
        """
        INSERT INTO wording (digest, comment_id, created_at) VALUES (:digest, :comment_id, :now)
        ON CONFLICT (digest) DO UPDATE SET comment_id = excluded.comment_id, created_at = excluded.created_at
            WHERE wording.created_at <= :day_ago
        RETURNING digest
        """,
        digest=digest,
        comment_id=comment_id,
        now=now,
        day_ago=day_ago,
    )
    return row is not None


async def unsay(tx: Transaction, comment_id: str) -> None:
    """Let a removed comment's words be said again."""
    await tx.run("DELETE FROM wording WHERE comment_id = :id", id=comment_id)


async def spend(tx: Transaction, network_digest: str, *, latest: str, now: str, whole_at: Any) -> str | None:
    """Take one comment from a network's allowance, if its time to be whole again is not past ``latest``.

    ``whole_at`` tells the new time from the old one. Returns None, or the old time where nothing is left.
    The generic cell rate algorithm (ITU-T I.371): one row, no windows.
    """
    await tx.run(
        """
        INSERT INTO allowance (network_digest, whole_at) VALUES (:digest, :now)
        ON CONFLICT (network_digest) DO UPDATE SET whole_at = allowance.whole_at
        """,
        digest=network_digest,
        now=now,
    )
    row = await tx.one("SELECT whole_at FROM allowance WHERE network_digest = :digest", digest=network_digest)
    stands = max(row["whole_at"], now) if row else now
    if stands > latest:
        return str(stands)
    await tx.run(
        "UPDATE allowance SET whole_at = :whole_at WHERE network_digest = :digest",
        digest=network_digest,
        whole_at=whole_at(stands),
    )
    return None


async def forget(tx: Transaction, *, submissions_before: str, words_before: str, now: str) -> None:
    """Drop what no longer matters."""
    # In the order in which a comment takes them, so that neither waits for the other in vain.
    await tx.run("DELETE FROM submission WHERE created_at < :before", before=submissions_before)
    await tx.run("DELETE FROM allowance WHERE whole_at < :now", now=now)
    await tx.run("DELETE FROM wording WHERE created_at < :before", before=words_before)
