"""How much each network has sent."""

from typing import Any

from commentsvc.storage.database import Write


async def take(unit: Write, network_digest: str, *, latest: str, now: str, available_at: Any) -> str | None:
    """Take one comment from a network's rate_limit, if its time to be whole again is not past ``latest``.

    ``available_at`` tells the new time from the old one. Returns None, or the old time where nothing is left.
    The generic cell rate algorithm (ITU-T I.371): one row, no windows.
    """
    await unit.run(
        """
        INSERT INTO rate_limit (network_digest, available_at) VALUES (:digest, :now)
        ON CONFLICT (network_digest) DO UPDATE SET available_at = rate_limit.available_at
        """,
        digest=network_digest,
        now=now,
    )
    row = await unit.one("SELECT available_at FROM rate_limit WHERE network_digest = :digest", digest=network_digest)
    stands = max(row["available_at"], now) if row else now
    if stands > latest:
        return str(stands)
    await unit.run(
        "UPDATE rate_limit SET available_at = :available_at WHERE network_digest = :digest",
        digest=network_digest,
        available_at=available_at(stands),
    )
    return None


async def delete_expired(unit: Write, now: str) -> None:
    """Delete rate_limits that are whole again."""
    await unit.run("DELETE FROM rate_limit WHERE available_at < :now", now=now)
