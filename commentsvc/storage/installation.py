"""Which secret key this database is sealed with."""

from commentsvc.storage.database import PrivateRead, Write


async def get_fingerprint(unit: PrivateRead) -> str | None:
    """Of the secret key that seals this database; None before the first."""
    row = await unit.one("SELECT fingerprint FROM installation WHERE id = 1")
    return row["fingerprint"] if row else None


async def set_fingerprint(unit: Write, text: str, now: str) -> None:
    """Note which secret key seals this database from now on."""
    await unit.run(
        """
        INSERT INTO installation (id, fingerprint, created_at) VALUES (1, :text, :now)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
        """,
        text=text,
        now=now,
    )
