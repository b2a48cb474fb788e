"""The fingerprint of the secret key that encrypts this database."""

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
