"""Moderators and their invitations."""

from collections import defaultdict
from collections.abc import Sequence

from commentsvc.storage import decision_links, moderator_mail, parcels, preferences, queue_feeds, sealed, sessions
from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Row, Write, in_list


async def add(unit: Write, moderator_id: str, name: str, sealed: str | None, digest: str | None, now: str) -> bool:
    """Insert a moderator; return False if the name is taken."""
    row = await unit.one(
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


async def add_site(unit: Write, moderator_id: str, site_id: str) -> None:
    """Give a moderator access to a site."""
    await unit.run(
        """
        INSERT INTO moderator_site (moderator_id, site_id) VALUES (:moderator_id, :site_id)
        ON CONFLICT (moderator_id, site_id) DO NOTHING
        """,
        moderator_id=moderator_id,
        site_id=site_id,
    )


async def list_all(unit: PrivateRead) -> Sequence[Row]:
    """Return ``id, name, email_sealed, email_digest, created_at, mode, minutes`` of every moderator, oldest first."""
    return await unit.all(
        """
        SELECT id, name, email_sealed, email_digest, created_at, COALESCE(mode, 'now') AS mode, minutes FROM moderator
        LEFT JOIN moderator_mail ON moderator_mail.moderator_id = moderator.id
        WHERE removed_at IS NULL ORDER BY id
        """
    )


async def list_by_email(unit: PrivateRead, digests: Sequence[str]) -> Sequence[Row]:
    """Return ``id, email_sealed, email_digest`` of the moderators with an address, given by its digest by every key."""
    listed, values = in_list("digest", digests)
    return await unit.all(
        f"""
        SELECT id, email_sealed, email_digest FROM moderator
        WHERE email_digest IN {listed} AND removed_at IS NULL ORDER BY id
        """,
        **values,
    )


async def get_address(unit: PrivateRead, moderator_id: str) -> Row | None:
    """Return ``name, email_sealed`` of a moderator who was not removed."""
    return await unit.one(
        "SELECT name, email_sealed FROM moderator WHERE id = :id AND removed_at IS NULL", id=moderator_id
    )


async def list_identities(unit: PrivateRead) -> list[tuple[str, str | None]]:
    """Return name and email digest of every moderator, oldest first."""
    rows = await unit.all("SELECT name, email_digest FROM moderator WHERE removed_at IS NULL ORDER BY id")
    return [(row["name"], row["email_digest"]) for row in rows]


async def list_names(unit: PrivateRead) -> Sequence[Row]:
    """Return ``id, name`` of every moderator, also of removed ones."""
    return await unit.all("SELECT id, name FROM moderator ORDER BY id")


async def get_name(unit: PrivateRead, moderator_id: str) -> str | None:
    """Return a moderator's name, or None if the moderator was removed."""
    row = await unit.one("SELECT name FROM moderator WHERE id = :id AND removed_at IS NULL", id=moderator_id)
    return row["name"] if row else None


async def list_sites(unit: PrivateRead, moderator_id: str) -> list[str]:
    """Return the ids of a moderator's sites; an empty list means every site."""
    rows = await unit.all(
        "SELECT site_id FROM moderator_site WHERE moderator_id = :id ORDER BY site_id", id=moderator_id
    )
    return [row["site_id"] for row in rows]


async def list_all_sites(unit: PrivateRead) -> dict[str, list[str]]:
    """Return the ids of the sites of each moderator who does not have every site, by moderator id."""
    sites: defaultdict[str, list[str]] = defaultdict(list)
    for row in await unit.all("SELECT moderator_id, site_id FROM moderator_site ORDER BY site_id"):
        sites[row["moderator_id"]].append(row["site_id"])
    return sites


async def remove(unit: Write, moderator_id: str, now: str) -> None:
    """Remove a moderator: delete email address, invitations, feeds, preferences, mails, sessions; revoke all keys."""
    await unit.run(
        f"""
        UPDATE moderator SET removed_at = {NOW_OR_CREATED}, email_sealed = NULL, email_digest = NULL WHERE id = :id
        """,
        id=moderator_id,
        now=now,
    )
    await unit.run(
        f"UPDATE api_key SET revoked_at = {NOW_OR_CREATED} WHERE moderator_id = :id AND revoked_at IS NULL",
        id=moderator_id,
        now=now,
    )
    await unit.run("DELETE FROM invitation WHERE moderator_id = :id", id=moderator_id)
    await queue_feeds.delete_of_moderator(unit, moderator_id)
    await preferences.delete(unit, moderator_id)
    await moderator_mail.delete(unit, moderator_id)
    await decision_links.delete_of_moderator(unit, moderator_id)
    await parcels.delete_of_owner(unit, moderator_id)
    await sessions.delete_of_moderator(unit, moderator_id)


async def count_by_key(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted emails of each secret key, except these keys."""
    return await sealed.count_by_key(unit, "moderator", "email_digest", but)


async def set_email(unit: Write, moderator_id: str, sealed: str | None, digest: str | None) -> bool:
    """Set or remove a moderator's encrypted email address and its digest; return False if there is no moderator."""
    changed = await unit.run(
        "UPDATE moderator SET email_sealed = :sealed, email_digest = :digest WHERE id = :id AND removed_at IS NULL",
        id=moderator_id,
        sealed=sealed,
        digest=digest,
    )
    return changed == 1


async def reseal(unit: Write, moderator_id: str, sealed: str, digest: str) -> None:
    """Replace a moderator's encrypted email address and its digest."""
    await set_email(unit, moderator_id, sealed, digest)


async def delete_open_invitations(unit: Write, moderator_id: str) -> None:
    """Delete the unused invitations of a moderator."""
    await unit.run("DELETE FROM invitation WHERE moderator_id = :id AND used_at IS NULL", id=moderator_id)


async def add_invitation(unit: Write, token_hash: str, moderator_id: str, now: str, expires_at: str) -> None:
    """Insert an invitation."""
    await unit.run(
        """
        INSERT INTO invitation (token_hash, moderator_id, created_at, expires_at)
        VALUES (:token_hash, :moderator_id, :now, :expires_at)
        """,
        token_hash=token_hash,
        moderator_id=moderator_id,
        now=now,
        expires_at=expires_at,
    )


async def find_invited(unit: PrivateRead, token_hash: str, now: str) -> Row | None:
    """Return ``id, name`` of the moderator whom a valid invitation is for."""
    return await unit.one(
        """
        SELECT moderator.id, moderator.name FROM invitation
        JOIN moderator ON moderator.id = invitation.moderator_id
        WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > :now AND moderator.removed_at IS NULL
        """,
        token_hash=token_hash,
        now=now,
    )


async def use_invitation(unit: Write, token_hash: str, now: str) -> bool:
    """Mark an invitation as used; return False if it was used before or has expired."""
    changed = await unit.run(
        f"""
        UPDATE invitation SET used_at = {NOW_OR_CREATED}
        WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > :now
        """,
        token_hash=token_hash,
        now=now,
    )
    return changed == 1


async def delete_expired_invitations(unit: Write, before: str) -> None:
    """Delete unused invitations that expired before a time."""
    await unit.run("DELETE FROM invitation WHERE used_at IS NULL AND expires_at < :before", before=before)


async def bring_back_invitations(unit: Write, latest: str, expires_at: str) -> None:
    """Let the unused invitations that expire after ``latest`` expire earlier."""
    await unit.run(
        "UPDATE invitation SET expires_at = :expires_at WHERE used_at IS NULL AND expires_at > :latest",
        expires_at=expires_at,
        latest=latest,
    )


async def any_invitation_used(unit: PrivateRead) -> bool:
    """Return whether any present moderator has used an invitation."""
    row = await unit.one(
        """
        SELECT 1 AS found FROM invitation JOIN moderator ON moderator.id = invitation.moderator_id
        WHERE used_at IS NOT NULL AND removed_at IS NULL LIMIT 1
        """
    )
    return row is not None
