"""Mails that ask the owner of an address to confirm it."""

from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Write


class Confirmation(Struct, frozen=True):
    """A mail that asks for a confirmation. Its token is ``keyring.token("confirm", id, expires_at)``."""

    id: str
    address_id: str
    site_id: str
    thread_id: str | None
    language: str
    created_at: str
    expires_at: str
    used_at: str | None


COLUMNS: Final = ", ".join(Confirmation.__struct_fields__)


async def add(unit: Write, confirmation: Confirmation) -> None:
    """Insert a confirmation."""
    await unit.run(
        f"INSERT INTO confirmation ({COLUMNS}) VALUES ({', '.join(f':{name}' for name in COLUMNS.split(', '))})",
        **msgspec.structs.asdict(confirmation),
    )


async def get(unit: PrivateRead, confirmation_id: str) -> Confirmation | None:
    """Return a confirmation."""
    row = await unit.one(f"SELECT {COLUMNS} FROM confirmation WHERE id = :id", id=confirmation_id)
    return msgspec.convert(dict(row), Confirmation) if row else None


async def list_since(unit: PrivateRead, address_id: str, since: str, until: str) -> list[Confirmation]:
    """Return the confirmations that an address got since a time and before another, newest first."""
    rows = await unit.all(
        f"""
        SELECT {COLUMNS} FROM confirmation
        WHERE address_id = :address_id AND created_at >= :since AND created_at < :until
        ORDER BY created_at DESC, id DESC
        """,
        address_id=address_id,
        since=since,
        until=until,
    )
    return [msgspec.convert(dict(row), Confirmation) for row in rows]


async def use(unit: Write, confirmation_id: str, now: str) -> bool:
    """Mark a confirmation as used; return False if it was used before."""
    changed = await unit.run(
        f"UPDATE confirmation SET used_at = {NOW_OR_CREATED} WHERE id = :id AND used_at IS NULL",
        id=confirmation_id,
        now=now,
    )
    return changed == 1


async def delete_expired(unit: Write, before: str, most: int) -> int:
    """Delete confirmations from before a time; return their number. Subscriptions that they confirmed stay."""
    oldest = "SELECT id FROM confirmation WHERE created_at < :before ORDER BY id LIMIT CAST(:most AS BIGINT)"
    await unit.run(
        f"UPDATE subscription SET confirmation_id = NULL WHERE confirmation_id IN ({oldest})", before=before, most=most
    )
    return await unit.run(f"DELETE FROM confirmation WHERE id IN ({oldest})", before=before, most=most)
