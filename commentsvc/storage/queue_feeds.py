"""Feeds of the moderation queue, each with a token for a feed reader."""

from collections.abc import Sequence

from commentsvc.storage.database import PrivateRead, Row, Write


async def add(
    unit: Write, feed_id: str, token_hash: str, *, moderator_id: str, site_id: str, shows_text: bool, now: str
) -> None:
    """Insert a feed."""
    await unit.run(
        """
        INSERT INTO queue_feed (id, token_hash, moderator_id, site_id, shows_text, created_at)
        VALUES (:id, :token_hash, :moderator_id, :site_id, :shows_text, :now)
        """,
        id=feed_id,
        token_hash=token_hash,
        moderator_id=moderator_id,
        site_id=site_id,
        shows_text=int(shows_text),
        now=now,
    )


async def find(unit: PrivateRead, token_hash: str) -> Row | None:
    """Return ``id, moderator_id, site_id, shows_text, last_used_at`` of a feed whose moderator still sees its site."""
    return await unit.one(
        """
        SELECT queue_feed.id, queue_feed.moderator_id, queue_feed.site_id, shows_text, last_used_at FROM queue_feed
        JOIN moderator ON moderator.id = queue_feed.moderator_id
        WHERE token_hash = :token_hash AND moderator.removed_at IS NULL AND (
            NOT EXISTS (SELECT 1 FROM moderator_site own WHERE own.moderator_id = queue_feed.moderator_id)
            OR EXISTS (
                SELECT 1 FROM moderator_site own
                WHERE own.moderator_id = queue_feed.moderator_id AND own.site_id = queue_feed.site_id
            )
        )
        """,
        token_hash=token_hash,
    )


async def list_of_moderator(unit: PrivateRead, moderator_id: str) -> Sequence[Row]:
    """Return ``id, site_id, shows_text, created_at, last_used_at`` of a moderator's feeds, oldest first."""
    return await unit.all(
        """
        SELECT id, site_id, shows_text, created_at, last_used_at FROM queue_feed
        WHERE moderator_id = :moderator_id ORDER BY id
        """,
        moderator_id=moderator_id,
    )


async def touch(unit: Write, feed_id: str, now: str) -> None:
    """Store when a feed was last read."""
    await unit.run("UPDATE queue_feed SET last_used_at = :now WHERE id = :id", now=now, id=feed_id)


async def delete(unit: Write, feed_id: str, moderator_id: str) -> str | None:
    """Delete a feed of a moderator; return the id of its site, or None if there is no such feed."""
    row = await unit.one(
        "DELETE FROM queue_feed WHERE id = :id AND moderator_id = :moderator_id RETURNING site_id",
        id=feed_id,
        moderator_id=moderator_id,
    )
    return row["site_id"] if row else None


async def delete_of_moderator(unit: Write, moderator_id: str) -> None:
    """Delete the feeds of a moderator."""
    await unit.run("DELETE FROM queue_feed WHERE moderator_id = :moderator_id", moderator_id=moderator_id)
