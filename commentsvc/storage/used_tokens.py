"""Single-use tokens: form tokens and proof-of-work solutions that were used."""

from commentsvc.storage.database import Write


async def use_once(unit: Write, name: str, now: str) -> bool:
    """Mark a token as used; return False if it was used before. A unit that fails leaves it unused.

    ``now`` may be the token's own time, if that is later: the record is kept as long as the token may be valid.
    On PostgreSQL a concurrent request with the same token waits until the first one commits or rolls back.
    """
    row = await unit.one(
        "INSERT INTO used_token (name, used_at) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING RETURNING name",
        name=name,
        now=now,
    )
    return row is not None


async def delete_expired(unit: Write, before: str) -> None:
    """Delete tokens used before this time."""
    await unit.run("DELETE FROM used_token WHERE used_at < :before", before=before)
