"""What is good once: forms that were sent, and proofs of work that were shown."""

from commentsvc.storage.database import Write


async def use_once(unit: Write, name: str, now: str) -> bool:
    """Use a name up; False if it was before. Where the unit of work fails it is good again.

    On PostgreSQL the second of two at once waits here until the first is kept or given up.
    """
    row = await unit.one(
        "INSERT INTO used_token (name, used_at) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING RETURNING name",
        name=name,
        now=now,
    )
    return row is not None


async def delete_expired(unit: Write, before: str) -> None:
    """Drop names that were used before this time."""
    await unit.run("DELETE FROM used_token WHERE used_at < :before", before=before)
