"""Moderators and their invitations."""

from collections.abc import Sequence

from commentsvc.storage import sessions
from commentsvc.storage.database import Row, Transaction


async def add(tx: Transaction, moderator_id: str, name: str, sealed: str | None, digest: str | None, now: str) -> bool:
    """Keep a moderator; False if the name is taken."""
    row = await tx.one(
        """
        INSERT INTO moderator (id, name, email_sealed, email_digest, created_at)
        VALUES (:id, :name, :sealed, :digest, :now) ON CONFLICT (name) DO NOTHING RETURNING id
        """,
        id=moderator_id,
        name=name,
        sealed=sealed,
        digest=digest,
        now=now,
    )
    return row is not None


async def add_site(tx: Transaction, moderator_id: str, site_id: str) -> None:
    """Let a moderator read a site."""
    await tx.run(
        """
        INSERT INTO moderator_site (moderator_id, site_id) VALUES (:moderator_id, :site_id)
        ON CONFLICT (moderator_id, site_id) DO NOTHING
        """,
        moderator_id=moderator_id,
        site_id=site_id,
    )


async def list_all(tx: Transaction) -> Sequence[Row]:
    """``id, name, email_sealed, email_digest, created_at`` of those not removed, oldest first."""
    return await tx.all(
        """
        SELECT id, name, email_sealed, email_digest, created_at FROM moderator WHERE removed_at IS NULL ORDER BY id
        """
    )


async def get_name(tx: Transaction, moderator_id: str) -> str | None:
    """What a moderator is called, unless they were removed."""
    row = await tx.one("SELECT name FROM moderator WHERE id = :id AND removed_at IS NULL", id=moderator_id)
    return row["name"] if row else None


async def list_sites(tx: Transaction, moderator_id: str) -> list[str]:
    """Ids of the sites a moderator reads; none means every one."""
    rows = await tx.all("SELECT site_id FROM moderator_site WHERE moderator_id = :id ORDER BY site_id", id=moderator_id)
    return [row["site_id"] for row in rows]


async def remove(tx: Transaction, moderator_id: str, now: str) -> None:
    """Take away a moderator's rights: keys and invitations too."""
    await tx.run(
        "UPDATE moderator SET removed_at = :now, email_sealed = NULL, email_digest = NULL WHERE id = :id",
        id=moderator_id,
        now=now,
    )
    await tx.run(
        "UPDATE api_key SET revoked_at = :now WHERE moderator_id = :id AND revoked_at IS NULL",
        id=moderator_id,
        now=now,
    )
    await tx.run("DELETE FROM invitation WHERE moderator_id = :id", id=moderator_id)
    await sessions.delete_of_moderator(tx, moderator_id)


async def reseal(tx: Transaction, moderator_id: str, sealed: str, digest: str) -> None:
    """Keep a moderator's address sealed anew."""
    await tx.run(
        "UPDATE moderator SET email_sealed = :sealed, email_digest = :digest WHERE id = :id",
        id=moderator_id,
        sealed=sealed,
        digest=digest,
    )


async def add_invitation(tx: Transaction, token_hash: str, moderator_id: str, now: str, expires_at: str) -> None:
    """Keep an invitation; earlier ones of the same moderator end."""
    await tx.run("DELETE FROM invitation WHERE moderator_id = :id AND used_at IS NULL", id=moderator_id)
    await tx.run(
        """
        INSERT INTO invitation (token_hash, moderator_id, created_at, expires_at)
        VALUES (:token_hash, :moderator_id, :now, :expires_at)
        """,
        token_hash=token_hash,
        moderator_id=moderator_id,
        now=now,
        expires_at=expires_at,
    )


async def find_invited(tx: Transaction, token_hash: str, now: str) -> Row | None:
    """``id, name`` of the moderator whom an open invitation names."""
    return await tx.one(
        """
        SELECT moderator.id, moderator.name FROM invitation
        JOIN moderator ON moderator.id = invitation.moderator_id
        WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > :now AND moderator.removed_at IS NULL
        """,
        token_hash=token_hash,
        now=now,
    )


async def use_invitation(tx: Transaction, token_hash: str, now: str) -> bool:
    """Use an invitation up; False if somebody did already, or it is too old."""
    changed = await tx.run(
        """
        UPDATE invitation SET used_at = :now WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > :now
        """,
        token_hash=token_hash,
        now=now,
    )
    return changed == 1


async def any_invitation_used(tx: Transaction) -> bool:
    """Whether a moderator who is still one has used an invitation."""
    row = await tx.one(
        """
        SELECT 1 AS found FROM invitation JOIN moderator ON moderator.id = invitation.moderator_id
        WHERE used_at IS NOT NULL AND removed_at IS NULL LIMIT 1
        """
    )
    return row is not None
