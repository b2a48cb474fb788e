"""Rate limits by network."""

from collections.abc import Callable

from commentsvc.storage.database import Write


async def take(
    unit: Write, network_digest: str, *, latest: str, now: str, available_at: Callable[[str], str]
) -> str | None:
    """Count one comment against a network's rate limit; return None, or the blocking time if the limit is reached.

    The generic cell rate algorithm (ITU-T I.371) stores one time for each network. The limit is reached when that time
    is later than ``latest``; otherwise ``available_at`` computes the new time from it.
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
    current = max(row["available_at"], now) if row else now
    if current > latest:
        return str(current)
    await unit.run(
        "UPDATE rate_limit SET available_at = :available_at WHERE network_digest = :digest",
        digest=network_digest,
        available_at=available_at(current),
    )
    return None


async def delete_expired(unit: Write, now: str) -> None:
    """Delete rate limits whose time has passed."""
    await unit.run("DELETE FROM rate_limit WHERE available_at < :now", now=now)
