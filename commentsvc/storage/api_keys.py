"""API keys."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.domain.models import ActorKind
from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Row, Write

IS_VALID: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"


class ApiKey(Struct, frozen=True):
    """An API key; only its hash is stored. Without a site it is valid for all sites, or for all of its moderator."""

    id: str
    name: str
    key_hash: str
    scopes: str
    site_id: str | None
    moderator_id: str | None
    actor_kind: ActorKind
    created_at: str
    expires_at: str | None


async def add(unit: Write, key: ApiKey) -> None:
    """Insert an API key. Only its hash is stored."""
    await unit.run(
        """
        INSERT INTO api_key (id, name, key_hash, scopes, site_id, moderator_id, actor_kind, created_at, expires_at)
        VALUES (:id, :name, :key_hash, :scopes, :site_id, :moderator_id, :actor_kind, :created_at, :expires_at)
        """,
        **msgspec.structs.asdict(key),
    )


async def find_valid(unit: PrivateRead, key_hash: str, now: str) -> Row | None:
    """Return the key with this hash, or with this old hash that is still valid, unless it has expired or was revoked.

    The row is ``id, name, scopes, site_id, moderator_id, actor_kind, last_used_at``.
    """
    return await unit.one(
        f"""
        SELECT id, name, scopes, site_id, moderator_id, actor_kind, last_used_at FROM api_key
        WHERE (key_hash = :key_hash OR (old_hash = :key_hash AND old_until > :now)) AND {IS_VALID}
        """,
        key_hash=key_hash,
        now=now,
    )


async def list_valid(unit: PrivateRead, moderator_id: str, now: str) -> Sequence[Row]:
    """Return ``id, site_id, created_at, last_used_at`` of a moderator's valid keys, oldest first."""
    return await unit.all(
        f"""
        SELECT id, site_id, created_at, last_used_at FROM api_key
        WHERE moderator_id = :moderator_id AND {IS_VALID} ORDER BY id
        """,
        moderator_id=moderator_id,
        now=now,
    )


async def touch(unit: Write, key_id: str, now: str) -> None:
    """Set when a key was last used."""
    await unit.run(f"UPDATE api_key SET last_used_at = {NOW_OR_CREATED} WHERE id = :id", id=key_id, now=now)


async def list_all(unit: PrivateRead) -> Sequence[Row]:
    """Return every key without its hash, oldest first."""
    return await unit.all(
        """
        SELECT id, name, scopes, site_id, moderator_id, actor_kind, created_at, expires_at, last_used_at, revoked_at,
            old_until
        FROM api_key ORDER BY id
        """
    )


async def revoke(unit: Write, key_id: str, now: str) -> bool:
    """Revoke a key; return False if it does not exist or was revoked before."""
    changed = await unit.run(
        f"UPDATE api_key SET revoked_at = {NOW_OR_CREATED} WHERE id = :id AND revoked_at IS NULL", id=key_id, now=now
    )
    return changed == 1


async def rotate(unit: Write, key_id: str, key_hash: str, old_until: str | None, now: str) -> bool:
    """Replace the hash of a valid key; return False if it is not valid. None ends the old secret at once."""
    changed = await unit.run(
        f"""
        UPDATE api_key SET key_hash = :key_hash, old_until = CAST(:old_until AS TEXT),
            old_hash = CASE WHEN CAST(:old_until AS TEXT) IS NULL THEN NULL ELSE key_hash END
        WHERE id = :id AND {IS_VALID}
        """,
        id=key_id,
        key_hash=key_hash,
        old_until=old_until,
        now=now,
    )
    return changed == 1


async def bring_back_rotated(unit: Write, latest: str, until: str) -> None:
    """Let the earlier secrets of keys that end after ``latest`` end earlier."""
    await unit.run("UPDATE api_key SET old_until = :until WHERE old_until > :latest", until=until, latest=latest)
