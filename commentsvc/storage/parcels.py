"""The outbox: mails and requests to webhooks, with the result of their latest attempt."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, Parcel, ParcelState
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = ", ".join(Parcel.__struct_fields__)
NEW: Final = ", ".join(NewParcel.__struct_fields__)


async def add(unit: Write, new: NewParcel) -> str:
    """Put a parcel into the outbox; return its id."""
    parcel_id, now = unit.new_id(), unit.now()
    await unit.run(
        f"""
        INSERT INTO parcel (id, created_at, {NEW}) VALUES (
            :id, :now, {", ".join(f":{name}" for name in NewParcel.__struct_fields__)}
        )
        """,
        id=parcel_id,
        now=now,
        **(msgspec.structs.asdict(new) | {"channel": new.channel.value, "due_at": new.due_at or now}),
    )
    return parcel_id


async def is_due(unit: PrivateRead, channels: Sequence[Channel], now: str) -> bool:
    """Return whether a parcel on one of these channels is due."""
    listed, values = in_list("channel", [channel.value for channel in channels])
    row = await unit.one(
        f"SELECT 1 AS found FROM parcel WHERE state = 'waiting' AND channel IN {listed} AND due_at <= :now LIMIT 1",
        now=now,
        **values,
    )
    return row is not None


async def claim(unit: Write, channel: Channel, most: int, now: str, until: str) -> list[Parcel]:
    """Return parcels that are due, longest due first. No other worker gets them before ``until``.

    The time is compared again outside of the sub-select: on PostgreSQL two workers may select the same rows, and the
    second one, which waited for the first, must not change them too. The limit is a part of the statement: PostgreSQL
    would guess that a parameter is large, and read the whole table.
    """
    rows = await unit.all(
        f"""
        UPDATE parcel SET due_at = :until, attempts = attempts + 1, tried_at = :now, claimed_at = :now
        WHERE state = 'waiting' AND due_at <= :now AND id IN (
            SELECT id FROM parcel WHERE state = 'waiting' AND channel = :channel AND due_at <= :now
            ORDER BY due_at LIMIT {int(most)}
        )
        RETURNING {COLUMNS}
        """,
        channel=channel.value,
        now=now,
        until=until,
    )
    return sorted((_parcel(row) for row in rows), key=lambda parcel: parcel.id)


async def settle(unit: Write, parcel: Parcel, outcome: Outcome, *, due_at: str | None, milliseconds: int) -> bool:
    """Store how an attempt went. ``due_at``: when to try again. Return False if the parcel is not ours any more.

    Another worker may have claimed it since, or somebody erased it.
    """
    ours = {"id": parcel.id, "attempts": parcel.attempts}
    if outcome.state is ParcelState.DELIVERED and not outcome.keep:
        return await unit.run("DELETE FROM parcel WHERE id = :id AND attempts = :attempts", **ours) == 1
    changed = await unit.run(
        """
        UPDATE parcel SET state = :state, due_at = COALESCE(CAST(:due_at AS TEXT), due_at), status_code = :status_code,
            response = :response, error = :error, milliseconds = :milliseconds, claimed_at = NULL
        WHERE id = :id AND attempts = :attempts
        """,
        state=outcome.state.value,
        due_at=due_at,
        status_code=outcome.status_code,
        response=outcome.response,
        error=outcome.error,
        milliseconds=milliseconds,
        **ours,
    )
    return changed == 1


async def release(unit: Write, parcel: Parcel, now: str) -> None:
    """Give back a claimed parcel that was not tried: it is due again."""
    await unit.run(
        """
        UPDATE parcel SET due_at = :now, attempts = attempts - 1, claimed_at = NULL
        WHERE id = :id AND attempts = :attempts
        """,
        now=now,
        id=parcel.id,
        attempts=parcel.attempts,
    )


async def clear_error(unit: Write, parcel_id: str) -> None:
    """Forget why the last attempt failed: the next one has begun, and what it says was read."""
    await unit.run("UPDATE parcel SET error = NULL WHERE id = :id AND error IS NOT NULL", id=parcel_id)


async def release_all(unit: Write, now: str) -> None:
    """Let parcels be due now that a worker claimed and did not settle: it was killed. No other worker may run."""
    await unit.run("UPDATE parcel SET due_at = :now, claimed_at = NULL WHERE claimed_at IS NOT NULL", now=now)


async def note_delivery(unit: Write, channel: Channel, now: str, error: str | None) -> None:
    """Store when something was last delivered on a channel; with ``error``, when it last failed and why."""
    column = "failed_at" if error else "delivered_at"
    also = ", error = excluded.error" if error else ""
    await unit.run(
        f"""
        INSERT INTO channel_record (channel, {column}, error) VALUES (:channel, :now, :error)
        ON CONFLICT (channel) DO UPDATE SET {column} = excluded.{column}{also}
        """,
        channel=channel.value,
        now=now,
        error=error,
    )


async def get_record(unit: PrivateRead, channel: Channel) -> Row | None:
    """Return ``delivered_at, failed_at, error`` of a channel; None if nothing was tried yet."""
    return await unit.one(
        "SELECT delivered_at, failed_at, error FROM channel_record WHERE channel = :channel", channel=channel.value
    )


async def get(unit: PrivateRead, parcel_id: str) -> Parcel | None:
    """Return a parcel."""
    row = await unit.one(f"SELECT {COLUMNS} FROM parcel WHERE id = :id", id=parcel_id)
    return _parcel(row) if row else None


async def find_waiting(unit: PrivateRead, kinds: Sequence[str], owner: str) -> Parcel | None:
    """Return a waiting parcel of one of these kinds for an owner."""
    found = await list_waiting(unit, kinds, owner)
    return found[0] if found else None


async def list_waiting(unit: PrivateRead, kinds: Sequence[str], owner: str) -> list[Parcel]:
    """Return the waiting parcels of these kinds for an owner, oldest first; also those that are being delivered."""
    listed, values = in_list("kind", kinds)
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM parcel WHERE owner = :owner AND state = 'waiting' AND kind IN {listed} ORDER BY id",
        owner=owner,
        **values,
    )
    return [_parcel(row) for row in rows]


async def is_planned(unit: PrivateRead, kind: str, owner: str) -> bool:
    """Return whether a parcel of this kind for an owner has yet to be written: it waits, and no worker tries it now."""
    row = await unit.one(
        """
        SELECT 1 AS found FROM parcel
        WHERE owner = :owner AND kind = :kind AND state = 'waiting' AND claimed_at IS NULL LIMIT 1
        """,
        owner=owner,
        kind=kind,
    )
    return row is not None


async def list_of_owner(unit: PrivateRead, owner: str, most: int) -> list[Parcel]:
    """Return the newest parcels of a webhook, moderator or subscription."""
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM parcel WHERE owner = :owner ORDER BY id DESC LIMIT CAST(:most AS BIGINT)",
        owner=owner,
        most=most,
    )
    return [_parcel(row) for row in rows]


async def list_page(
    unit: PrivateRead,
    sites: Sequence[str] | None,
    channel: Channel | None,
    state: ParcelState | None,
    before: str | None,
    most: int,
) -> list[Parcel]:
    """Return parcels of these sites with a smaller id, newest first. None means all."""
    condition, values = site_condition("site_id", sites)
    given = {"channel": channel and channel.value, "state": state and state.value, "id": before}
    values |= {name: value for name, value in given.items() if value}
    conditions = [
        condition,
        *(f"{name} {'<' if name == 'id' else '='} :{name}" for name, value in given.items() if value),
    ]
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM parcel WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT CAST(:most AS BIGINT)",
        most=most,
        **values,
    )
    return [_parcel(row) for row in rows]


async def retry(unit: Write, parcel_id: str, now: str) -> None:
    """Let a parcel that was not delivered wait, and be due now."""
    await unit.run(
        "UPDATE parcel SET state = 'waiting', due_at = :now WHERE id = :id AND state <> 'delivered'",
        id=parcel_id,
        now=now,
    )


async def retry_dead(unit: Write, sites: Sequence[str] | None, channel: Channel | None, now: str) -> int:
    """Let all dead parcels of these sites wait, and be due now; return their number."""
    condition, values = site_condition("site_id", sites)
    return await unit.run(
        f"""
        UPDATE parcel SET state = 'waiting', due_at = :now
        WHERE state = 'dead' AND {condition} AND channel = COALESCE(CAST(:channel AS TEXT), channel)
        """,
        now=now,
        channel=channel and channel.value,
        **values,
    )


async def count_by_state(unit: PrivateRead, sites: Sequence[str] | None = None) -> dict[tuple[str, str], int]:
    """Return the number of parcels of these sites by channel and state."""
    condition, values = site_condition("site_id", sites)
    rows = await unit.all(
        f"SELECT channel, state, COUNT(*) AS number FROM parcel WHERE {condition} GROUP BY channel, state", **values
    )
    return {(row["channel"], row["state"]): int(row["number"]) for row in rows}


async def count_waiting(unit: PrivateRead, channel: Channel, most: int) -> int:
    """Return how many parcels wait on a channel, counted up to ``most``."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM parcel WHERE state = 'waiting' AND channel = :channel LIMIT CAST(:most AS BIGINT)
        ) AS counted
        """,
        channel=channel.value,
        most=most,
    )
    return int(row["number"]) if row else 0


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the parcels about comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM parcel WHERE comment_id IN {ids}", **values)


async def delete_of_owner(unit: Write, owner: str) -> None:
    """Delete the parcels of a webhook, moderator or subscription."""
    await unit.run("DELETE FROM parcel WHERE owner = :owner", owner=owner)


async def delete_expired(unit: Write, before: str, most: int) -> int:
    """Delete parcels that were created before a time and do not wait any more; return their number."""
    return await unit.run(
        """
        DELETE FROM parcel WHERE id IN (
            SELECT id FROM parcel WHERE state <> 'waiting' AND created_at < :before LIMIT CAST(:most AS BIGINT)
        )
        """,
        before=before,
        most=most,
    )


def _parcel(row: Row) -> Parcel:
    values: dict[str, Any] = dict(row)
    return msgspec.convert(values, Parcel)
