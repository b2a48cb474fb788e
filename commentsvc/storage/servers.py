"""Running servers, and the secret keys that each of them knows."""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage.database import PrivateRead, Row, Write

SEEN_SECONDS: Final = 120  # a server that was not seen for so long is taken for dead


async def save(unit: Write, server_id: str, fingerprints: Sequence[str], started_at: str, now: str) -> None:
    """Insert a server, or renew the time at which it was seen."""
    await unit.run(
        """
        INSERT INTO server (id, secret_keys, started_at, seen_at) VALUES (:id, :keys, :started_at, :now)
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
        """,
        id=server_id,
        keys=" ".join(fingerprints),
        started_at=started_at,
        now=now,
    )


async def list_since(unit: PrivateRead, since: str, until: str) -> Sequence[Row]:
    """Return ``id, secret_keys, started_at, seen_at`` of the servers seen between two times, oldest first."""
    return await unit.all(
        """
        SELECT id, secret_keys, started_at, seen_at FROM server
        WHERE seen_at > :since AND seen_at <= :until ORDER BY started_at, id
        """,
        since=since,
        until=until,
    )


async def remove(unit: Write, server_id: str) -> None:
    """Delete a server that has stopped."""
    await unit.run("DELETE FROM server WHERE id = :id", id=server_id)


async def remove_unseen(unit: Write, since: str, until: str) -> None:
    """Delete the servers that were not seen between two times. A later time was stored while the clock was wrong."""
    await unit.run("DELETE FROM server WHERE seen_at <= :since OR seen_at > :until", since=since, until=until)
