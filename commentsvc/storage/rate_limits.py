"""How much each network has sent."""

from typing import Any

from commentsvc.storage.database import Write


async def take(unit: Write, network_digest: str, *, latest: str, now: str, whole_at: Any) -> str | None:
    """Take one comment from a network's allowance, if its time to be whole again is not past ``latest``.

    ``whole_at`` tells the new time from the old one. Returns None, or the old time where nothing is left.
    The generic cell rate algorithm (ITU-T I.371): one row, no windows.
    """
    await unit.run(
        """
        INSERT INTO allowance (network_digest, whole_at) VALUES (:digest, :now)
        ON CONFLICT (network_digest) DO UPDATE SET whole_at = allowance.whole_at
        """,
        digest=network_digest,
        now=now,
    )
    row = await unit.one("SELECT whole_at FROM allowance WHERE network_digest = :digest", digest=network_digest)
    stands = max(row["whole_at"], now) if row else now
    if stands > latest:
        return str(stands)
    await unit.run(
        "UPDATE allowance SET whole_at = :whole_at WHERE network_digest = :digest",
        digest=network_digest,
        whole_at=whole_at(stands),
    )
    return None


async def delete_expired(unit: Write, now: str) -> None:
    """Delete allowances that are whole again."""
    await unit.run("DELETE FROM allowance WHERE whole_at < :now", now=now)
