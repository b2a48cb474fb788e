"""Moderators, their invitations, and API keys; and which secret key this database is sealed with."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import ApiKey
from commentsvc.storage.database import PrivateRead, Row, Write

IN_FORCE: Final = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"


async def add(unit: Write, key: ApiKey) -> None:
    """Keep an API key, hashed."""
    await unit.run(
        """
        INSERT INTO api_key (id, name, key_hash, scopes, site_id, moderator_id, actor_kind, created_at, expires_at)
        VALUES (:id, :name, :key_hash, :scopes, :site_id, :moderator_id, :actor_kind, :created_at, :expires_at)
        """,
        **msgspec.structs.asdict(key),
    )


async def find_valid(unit: PrivateRead, key_hash: str, now: str) -> Row | None:
    """``id, name, scopes, site_id, moderator_id, actor_kind, last_used_at`` of a key that is neither old nor revoked."""
    return await unit.one(
        f"""
        SELECT id, name, scopes, site_id, moderator_id, actor_kind, last_used_at FROM api_key
        WHERE key_hash = :key_hash AND {IN_FORCE}
        """,
        key_hash=key_hash,
        now=now,
    )


async def list_valid(unit: PrivateRead, moderator_id: str, now: str) -> Sequence[Row]:
    """``id, site_id, created_at, last_used_at`` of a moderator's keys in force, oldest first."""
    return await unit.all(
        f"""
        SELECT id, site_id, created_at, last_used_at FROM api_key
        WHERE moderator_id = :moderator_id AND {IN_FORCE} ORDER BY id
        """,
        moderator_id=moderator_id,
        now=now,
    )


async def touch(unit: Write, key_id: str, now: str) -> None:
    """Note that a key was used."""
    await unit.run("UPDATE api_key SET last_used_at = :now WHERE id = :id", id=key_id, now=now)


async def list_all(unit: PrivateRead) -> Sequence[Row]:
    """Every key, oldest first, without the key."""
    return await unit.all(
        """
        SELECT id, name, scopes, site_id, moderator_id, actor_kind, created_at, expires_at, last_used_at, revoked_at
        FROM api_key ORDER BY id
        """
    )


async def revoke(unit: Write, key_id: str, now: str) -> bool:
    """End a key at once; False if there is no such key, or it had ended."""
    changed = await unit.run(
        "UPDATE api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL", id=key_id, now=now
    )
    return changed == 1
