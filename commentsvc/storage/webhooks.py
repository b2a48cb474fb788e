"""Webhooks: where requests about events go. Addresses and secrets are encrypted."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from commentsvc.storage.database import PrivateRead, Row, Write, site_condition

OLD_SECRET_HOURS: Final = 24  # for which the secret before the last one signs too
DisabledFor: TypeAlias = Literal["failing", "gone", "moderator"]


class Webhook(Struct, frozen=True, kw_only=True):
    """A webhook. Without a site it is told about all sites."""

    id: str
    site_id: str | None
    url_sealed: str
    events: str  # separated by spaces
    secret_sealed: str
    old_secret_sealed: str | None = None  # signs too until ``old_secret_until``
    old_secret_until: str | None = None
    includes_email: bool = False
    includes_unapproved: bool = False
    note: str = ""
    created_at: str
    failing_since: str | None = None  # first failure since the last success
    disabled_at: str | None = None
    disabled_for: DisabledFor | None = None

    def __repr__(self) -> str:
        return f"Webhook(id={self.id!r}, hidden)"

    def wants(self, event: str, site_id: str | None) -> bool:
        """Return whether it is told about an event of a site; None: of every site."""
        return event in self.events.split() and self.site_id in {None, site_id}


COLUMNS: Final = ", ".join(Webhook.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Webhook.__struct_fields__)


async def add(unit: Write, webhook: Webhook) -> None:
    """Insert a webhook."""
    await unit.run(f"INSERT INTO webhook ({COLUMNS}) VALUES ({VALUES})", **_values(webhook))


async def get(unit: PrivateRead, webhook_id: str) -> Webhook | None:
    """Return a webhook."""
    row = await unit.one(f"SELECT {COLUMNS} FROM webhook WHERE id = :id", id=webhook_id)
    return _webhook(row) if row else None


async def list_all(unit: PrivateRead, sites: Sequence[str] | None) -> list[Webhook]:
    """Return the webhooks of these sites, oldest first. None: every webhook, also those for all sites."""
    on_sites, values = site_condition("site_id", sites)
    rows = await unit.all(f"SELECT {COLUMNS} FROM webhook WHERE {on_sites} ORDER BY id", **values)
    return [_webhook(row) for row in rows]


async def list_active(unit: PrivateRead) -> list[Webhook]:
    """Return the webhooks that are told about events, oldest first."""
    rows = await unit.all(f"SELECT {COLUMNS} FROM webhook WHERE disabled_at IS NULL ORDER BY id")
    return [_webhook(row) for row in rows]


async def has_failed(unit: PrivateRead, sites: Sequence[str] | None) -> bool:
    """Return whether one of these sites' webhooks was switched off because its requests failed."""
    on_sites, values = site_condition("site_id", sites)
    row = await unit.one(
        f"SELECT 1 AS found FROM webhook WHERE disabled_for IN ('failing', 'gone') AND {on_sites} LIMIT 1", **values
    )
    return row is not None


async def count(unit: PrivateRead) -> int:
    """Return the number of webhooks."""
    row = await unit.one("SELECT COUNT(*) AS number FROM webhook")
    return int(row["number"]) if row else 0


async def update(unit: Write, webhook: Webhook) -> bool:
    """Store every column of a webhook; return False if it was deleted."""
    columns = ", ".join(f"{name} = :{name}" for name in Webhook.__struct_fields__ if name != "id")
    return await unit.run(f"UPDATE webhook SET {columns} WHERE id = :id", **_values(webhook)) == 1


async def delete(unit: Write, webhook_id: str) -> bool:
    """Delete a webhook; return False if it was deleted before. Its parcels are ``parcels.delete_of_owner``."""
    return await unit.run("DELETE FROM webhook WHERE id = :id", id=webhook_id) == 1


async def note_success(unit: Write, webhook_id: str) -> None:
    """Store that a webhook works."""
    await unit.run("UPDATE webhook SET failing_since = NULL WHERE id = :id", id=webhook_id)


async def note_failure(unit: Write, webhook_id: str, now: str) -> None:
    """Store that a webhook fails, if it has not failed since its last success."""
    await unit.run(
        "UPDATE webhook SET failing_since = :now WHERE id = :id AND failing_since IS NULL", id=webhook_id, now=now
    )


async def disable(unit: Write, webhook_id: str, reason: DisabledFor, now: str) -> bool:
    """Switch a webhook off; return False if it is off, or was deleted."""
    changed = await unit.run(
        "UPDATE webhook SET disabled_at = :now, disabled_for = :reason WHERE id = :id AND disabled_at IS NULL",
        id=webhook_id,
        now=now,
        reason=reason,
    )
    return changed == 1


async def bring_back(unit: Write, latest: str, now: str, old_secret_until: str) -> None:
    """Let webhooks that fail since a time after ``latest`` fail since now, and old secrets sign no longer than said."""
    await unit.run("UPDATE webhook SET failing_since = :now WHERE failing_since > :latest", now=now, latest=latest)
    await unit.run(
        "UPDATE webhook SET old_secret_until = :until WHERE old_secret_until > :until", until=old_secret_until
    )


def _values(webhook: Webhook) -> dict[str, Any]:
    values = msgspec.structs.asdict(webhook)
    return values | {name: int(values[name]) for name in ("includes_email", "includes_unapproved")}


def _webhook(row: Row) -> Webhook:
    return msgspec.convert(dict(row), Webhook, strict=False)  # the databases have numbers for booleans
