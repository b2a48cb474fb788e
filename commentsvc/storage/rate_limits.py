"""Rate limits by network."""

from commentsvc.storage.database import Write


async def take(unit: Write, network_digest: str, *, latest: int, now: int, each: int) -> int | None:
    """Count one comment against a network's rate limit; return None, or the blocking time if the limit is reached.

    The generic cell rate algorithm (ITU-T I.371) stores one time for each network, and adds ``each`` to it. The limit
    is reached when that time is later than ``latest``. Times are microseconds since 1970: both engines can add those.

    A time after ``possible`` was stored while the clock was wrong, and counts as none.
    """
    taken = await unit.one(
        """
        INSERT INTO rate_limit (network_digest, available_at)
        VALUES (:digest, CAST(:now AS BIGINT) + CAST(:each AS BIGINT))
        ON CONFLICT (network_digest) DO UPDATE SET available_at = CAST(:each AS BIGINT)
            + CASE WHEN rate_limit.available_at > CAST(:now AS BIGINT)
                        AND rate_limit.available_at <= CAST(:possible AS BIGINT)
                   THEN rate_limit.available_at ELSE CAST(:now AS BIGINT) END
            WHERE rate_limit.available_at <= CAST(:latest AS BIGINT)
                OR rate_limit.available_at > CAST(:possible AS BIGINT)
        RETURNING available_at
        """,
        digest=network_digest,
        now=now,
        each=each,
        latest=latest,
        possible=2 * latest - now + 2 * each,  # two whole periods: the clocks of servers differ a little
    )
    if taken:
        return None
    row = await unit.one("SELECT available_at FROM rate_limit WHERE network_digest = :digest", digest=network_digest)
    return int(row["available_at"]) if row else None


async def delete_expired(unit: Write, now: int) -> None:
    """Delete rate limits whose time has passed."""
    await unit.run("DELETE FROM rate_limit WHERE available_at < CAST(:now AS BIGINT)", now=now)
