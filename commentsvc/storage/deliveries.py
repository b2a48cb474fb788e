"""Lists of parcels for operators, and second chances for those that were given up."""

from collections.abc import Sequence

from commentsvc.domain.deliveries import Channel, Parcel, ParcelState
from commentsvc.storage.database import PrivateRead, Write, site_condition
from commentsvc.storage.parcels import COLUMNS, parcel_of


async def list_page(
    unit: PrivateRead,
    sites: Sequence[str] | None,
    channel: Channel | None,
    state: ParcelState | None,
    before: str | None,
    most: int,
) -> list[Parcel]:
    """Return parcels of these sites with a smaller id, newest first. None means all."""
    condition, values = site_condition("site_id", sites)
    given = {"channel": channel and channel.value, "state": state and state.value, "id": before}
    values |= {name: value for name, value in given.items() if value}
    conditions = [
        condition,
        *(f"{name} {'<' if name == 'id' else '='} :{name}" for name, value in given.items() if value),
    ]
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM parcel WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT CAST(:most AS BIGINT)",
        most=most,
        **values,
    )
    return [parcel_of(row) for row in rows]


async def retry_dead(unit: Write, sites: Sequence[str] | None, channel: Channel | None, now: str, lease: str) -> int:
    """Let all dead parcels of these sites be delivered at once, as ``parcels.send_again``; return their number."""
    condition, values = site_condition("site_id", sites)
    return await unit.run(
        f"""
        UPDATE parcel SET state = 'waiting', due_at = :now, created_at = :now
        WHERE state = 'dead' AND (claimed_at IS NULL OR claimed_at < :lease) AND {condition}
            AND channel = COALESCE(CAST(:channel AS TEXT), channel)
        """,
        now=now,
        lease=lease,
        channel=channel and channel.value,
        **values,
    )


async def bring_back(unit: Write, after: str, now: str) -> None:
    """Let parcels be due now that are due only after a time: the clock was ahead when that was stored."""
    for channel in Channel:
        await unit.run(
            """
            UPDATE parcel SET due_at = :now, claimed_at = NULL
            WHERE state = 'waiting' AND channel = :channel AND due_at > :after
            """,
            channel=channel.value,
            after=after,
            now=now,
        )


async def find_longest_due(unit: PrivateRead, channel: Channel) -> str | None:
    """Return since when the parcel is due that waits longest on a channel."""
    row = await unit.one(
        "SELECT due_at FROM parcel WHERE state = 'waiting' AND channel = :channel ORDER BY due_at LIMIT 1",
        channel=channel.value,
    )
    return str(row["due_at"]) if row else None


async def count_by_state(unit: PrivateRead, sites: Sequence[str] | None = None) -> dict[tuple[str, str], int]:
    """Return the number of parcels of these sites by channel and state."""
    condition, values = site_condition("site_id", sites)
    rows = await unit.all(
        f"SELECT channel, state, COUNT(*) AS number FROM parcel WHERE {condition} GROUP BY channel, state", **values
    )
    return {(row["channel"], row["state"]): int(row["number"]) for row in rows}


async def count_waiting(unit: PrivateRead, channel: Channel, most: int) -> int:
    """Return how many parcels wait on a channel, counted up to ``most``."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM parcel WHERE state = 'waiting' AND channel = :channel LIMIT CAST(:most AS BIGINT)
        ) AS counted
        """,
        channel=channel.value,
        most=most,
    )
    return int(row["number"]) if row else 0
