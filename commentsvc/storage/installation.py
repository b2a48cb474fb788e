"""The fingerprint of the secret key that encrypts this database, and a lock for names that must not repeat."""

from commentsvc.storage.database import PrivateRead, Write


async def get_fingerprint(unit: PrivateRead) -> str | None:
    """Return the secret key's fingerprint; None on a new database."""
    row = await unit.one("SELECT fingerprint FROM installation WHERE id = 1")
    return row["fingerprint"] if row else None


async def set_fingerprint(unit: Write, text: str, now: str) -> None:
    """Set the secret key's fingerprint."""
    await unit.run(
        """
        INSERT INTO installation (id, fingerprint, created_at) VALUES (1, :text, :now)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
        """,
        text=text,
        now=now,
    )


async def lock_names(unit: Write) -> None:
    """Lock the names of sites, keys and moderators, and the hosts of sites, until this unit of work ends.

    Do this first: what the unit reads afterwards is then current. SQLite has one writer, so this matters on PostgreSQL
    only.
    """
    await unit.run("UPDATE installation SET audited = audited WHERE id = 1")
