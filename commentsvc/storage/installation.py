"""Which secret key this database is sealed with."""

from commentsvc.storage.database import Transaction


async def get_fingerprint(tx: Transaction) -> str | None:
    """Of the secret key that seals this database; None before the first."""
    row = await tx.one("SELECT fingerprint FROM installation WHERE id = 1")
    return row["fingerprint"] if row else None


async def set_fingerprint(tx: Transaction, text: str, now: str) -> None:
    """Note which secret key seals this database from now on."""
    await tx.run(
        """
        INSERT INTO installation (id, fingerprint, created_at) VALUES (1, :text, :now)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
        """,
        text=text,
        now=now,
    )
