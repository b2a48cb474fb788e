"""Find the oldest work of moderators and workers. Each statement reads one end of an index, or a bounded part of it."""

from typing import Final

from commentsvc.domain.deliveries import Channel
from commentsvc.storage.database import PrivateRead

MOST: Final = 100_000  # rows that are counted


async def find_oldest_pending(unit: PrivateRead) -> str | None:
    """Return when the comment was posted that has waited longest for a moderator."""
    row = await unit.one(
        "SELECT created_at FROM comment WHERE status = 'pending' AND erased_at IS NULL ORDER BY id LIMIT 1"
    )
    return str(row["created_at"]) if row else None


async def count_dead(unit: PrivateRead, channel: Channel) -> int:
    """Return how many parcels of a channel were given up, counted up to ``MOST``."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM parcel WHERE state = 'dead' AND channel = :channel LIMIT CAST(:most AS BIGINT)
        ) AS counted
        """,
        channel=channel.value,
        most=MOST,
    )
    return int(row["number"]) if row else 0
