"""Email addresses that asked for mail, or must get none."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from commentsvc.domain.email_address import Email
from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Write, in_list

SuppressedFor: TypeAlias = Literal["bounce", "complaint", "request"]


class Address(Struct, frozen=True):
    """An email address, and whether its owner has confirmed it."""

    id: str
    email_sealed: str
    email_digest: str
    created_at: str
    confirmed_at: str | None
    suppressed_at: str | None
    suppressed_for: SuppressedFor | None

    def __repr__(self) -> str:
        return f"Address(id={self.id!r}, hidden)"


COLUMNS: Final = ", ".join(Address.__struct_fields__)


async def find(unit: PrivateRead, digests: Sequence[str]) -> Address | None:
    """Return the address with one of these digests: those by every listed secret key, ``keyring.digests(email)``."""
    listed, values = in_list("digest", digests)
    row = await unit.one(f"SELECT {COLUMNS} FROM address WHERE email_digest IN {listed} ORDER BY id LIMIT 1", **values)
    return msgspec.convert(dict(row), Address) if row else None


async def get(unit: PrivateRead, address_id: str) -> Address | None:
    """Return an address."""
    row = await unit.one(f"SELECT {COLUMNS} FROM address WHERE id = :id", id=address_id)
    return msgspec.convert(dict(row), Address) if row else None


async def find_or_add(unit: Write, email: Email) -> Address:
    """Return an address; add it if it is new."""
    found = await find(unit, unit.keyring.digests(email))
    if found:
        return found
    row = await unit.one(
        f"""
        INSERT INTO address (id, email_sealed, email_digest, created_at) VALUES (:id, :sealed, :digest, :now)
        ON CONFLICT (email_digest) DO UPDATE SET email_digest = excluded.email_digest RETURNING {COLUMNS}
        """,
        id=unit.new_id(),
        sealed=unit.keyring.seal(email),
        digest=unit.keyring.digest(email),
        now=unit.now(),
    )
    return msgspec.convert(dict(row or {}), Address)


async def lock(unit: Write, address_id: str) -> None:
    """Let other units that lock this address wait until this one ends."""
    if not unit.never_waits:
        await unit.run("UPDATE address SET email_digest = email_digest WHERE id = :id", id=address_id)


async def confirm(unit: Write, address_id: str, now: str) -> None:
    """Note that the owner of an address has confirmed it. Whether it gets mail does not change."""
    await unit.run(
        f"UPDATE address SET confirmed_at = {NOW_OR_CREATED} WHERE id = :id AND confirmed_at IS NULL",
        id=address_id,
        now=now,
    )


async def allow_again(unit: Write, address_id: str) -> None:
    """End a suppression that the owner of an address asked for. One for another reason stays."""
    await unit.run(
        """
        UPDATE address SET suppressed_at = NULL, suppressed_for = NULL WHERE id = :id AND suppressed_for = 'request'
        """,
        id=address_id,
    )


async def suppress(unit: Write, address_id: str, reason: SuppressedFor, now: str) -> None:
    """Send no mail to an address from now on."""
    await unit.run(
        f"UPDATE address SET suppressed_at = {NOW_OR_CREATED}, suppressed_for = :reason WHERE id = :id",
        id=address_id,
        reason=reason,
        now=now,
    )


async def delete_unused(unit: Write, before: str, most: int) -> int:
    """Delete addresses from before a time that nothing needs any more; return their number. Suppressed ones stay."""
    return await unit.run(
        """
        DELETE FROM address WHERE id IN (
            SELECT id FROM address WHERE created_at < :before AND suppressed_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM subscription WHERE subscription.address_id = address.id)
                AND NOT EXISTS (SELECT 1 FROM confirmation WHERE confirmation.address_id = address.id)
                AND NOT EXISTS (SELECT 1 FROM verified_author WHERE verified_author.address_id = address.id)
            LIMIT CAST(:most AS BIGINT)
        )
        """,
        before=before,
        most=most,
    )


async def lift_suppression(unit: Write, address_id: str) -> bool:
    """Let an address get mail again; return whether it was suppressed."""
    changed = await unit.run(
        """
        UPDATE address SET suppressed_at = NULL, suppressed_for = NULL WHERE id = :id AND suppressed_at IS NOT NULL
        """,
        id=address_id,
    )
    return changed == 1
