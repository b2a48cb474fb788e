"""The outbox: mails and requests to webhooks, with the result of their latest attempt."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, Parcel, ParcelState
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

COLUMNS: Final = ", ".join(Parcel.__struct_fields__)
NEW: Final = ", ".join(NewParcel.__struct_fields__)
ROWS_AT_ONCE: Final = 100  # in one statement
LONGEST_DIGEST: Final = 4000  # characters of a digest's list: about 50 comments


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


async def add_many(unit: Write, new: Sequence[NewParcel]) -> None:
    """Put parcels into the outbox."""
    for start in range(0, len(new), ROWS_AT_ONCE):
        await _insert(unit, [(unit.new_id(), parcel) for parcel in new[start : start + ROWS_AT_ONCE]], "RETURNING id")


async def add_to_digests(unit: Write, new: Sequence[tuple[str, NewParcel]]) -> set[str]:
    """Add each parcel with its id, or add the list in its ``detail`` to the parcel that has this id.

    Returns:
        The ids without those of parcels that a worker has begun to deliver: nothing can be added to these. A parcel
        whose list is long stays as it is.
    """
    added: set[str] = set()
    for start in range(0, len(new), ROWS_AT_ONCE):
        added |= await _insert(
            unit,
            new[start : start + ROWS_AT_ONCE],
            """
            ON CONFLICT (id) DO UPDATE SET detail = CASE
                WHEN LENGTH(parcel.detail) < CAST(:longest AS BIGINT)
                THEN SUBSTR(parcel.detail, 1, LENGTH(parcel.detail) - 1) || ',' || SUBSTR(excluded.detail, 2)
                ELSE parcel.detail END
            WHERE parcel.attempts = 0
            RETURNING id
            """,
            longest=LONGEST_DIGEST,
        )
    return added


async def _insert(unit: Write, new: Sequence[tuple[str, NewParcel]], then: str, **values: Any) -> set[str]:
    now, names = unit.now(), NewParcel.__struct_fields__
    rows = []
    for number, (parcel_id, parcel) in enumerate(new):
        fields = msgspec.structs.asdict(parcel)
        fields |= {"channel": parcel.channel.value, "due_at": parcel.due_at or now}
        values |= {f"{name}{number}": value for name, value in fields.items()} | {f"id{number}": parcel_id}
        rows.append(f"(:id{number}, :now, {', '.join(f':{name}{number}' for name in names)})")
    added = await unit.all(
        f"INSERT INTO parcel (id, created_at, {NEW}) VALUES {', '.join(rows)} {then}", now=now, **values
    )
    return {row["id"] for row in added}


async def is_due(unit: PrivateRead, channels: Sequence[Channel], now: str) -> bool:
    """Return whether a parcel on one of these channels is due."""
    listed, values = in_list("channel", [channel.value for channel in channels])
    row = await unit.one(
        f"SELECT 1 AS found FROM parcel WHERE state = 'waiting' AND channel IN {listed} AND due_at <= :now LIMIT 1",
        now=now,
        **values,
    )
    return row is not None


async def claim(
    unit: Write, channel: Channel, most: int, now: str, until: str, but: Sequence[str] = ()
) -> list[Parcel]:
    """Return parcels that are due, except these: urgent ones, then those longest due.

    No other worker gets them before ``until``.
    """
    held, values = in_list("held", but)
    others = f"AND id NOT IN {held}" if but else ""
    values |= {"channel": channel.value, "now": now, "until": until}
    urgent = await _claim(unit, most, f"AND urgent = 1 {others}", values)
    left = most - len(urgent)
    return [*urgent, *(await _claim(unit, left, others, values) if left else [])]


async def _claim(unit: Write, most: int, only: str, values: Mapping[str, Any]) -> list[Parcel]:
    """Claim parcels.

    The time is compared again outside of the sub-select: on PostgreSQL two workers may select the same rows, and the
    second one, which waited for the first, must not change them too. The limit is a part of the statement: PostgreSQL
    would guess that a parameter is large, and read the whole table.
    """
    rows = await unit.all(
        f"""
        UPDATE parcel SET due_at = :until, attempts = attempts + 1, tried_at = :now, claimed_at = :now
        WHERE state = 'waiting' AND due_at <= :now AND id IN (
            SELECT id FROM parcel WHERE state = 'waiting' AND channel = :channel AND due_at <= :now {only}
            ORDER BY due_at LIMIT {int(most)}
        )
        RETURNING {COLUMNS}
        """,
        **values,
    )
    return sorted((parcel_of(row) for row in rows), key=lambda parcel: parcel.id)


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
    return parcel_of(row) if row else None


async def list_waiting(unit: PrivateRead, kinds: Sequence[str], owner: str) -> list[Parcel]:
    """Return the waiting parcels of these kinds for an owner, oldest first; also those that are being delivered."""
    listed, values = in_list("kind", kinds)
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM parcel WHERE owner = :owner AND state = 'waiting' AND kind IN {listed} ORDER BY id",
        owner=owner,
        **values,
    )
    return [parcel_of(row) for row in rows]


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
    return [parcel_of(row) for row in rows]


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the parcels about comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM parcel WHERE comment_id IN {ids}", **values)


async def delete_of_owner(unit: Write, owner: str) -> None:
    """Delete the parcels of a webhook, moderator or subscription."""
    await unit.run("DELETE FROM parcel WHERE owner = :owner", owner=owner)


async def give_up_of_owner(unit: Write, owner: str, error: str) -> int:
    """Give up every waiting parcel of a webhook; return their number."""
    return await unit.run(
        "UPDATE parcel SET state = 'dead', error = :error WHERE owner = :owner AND state = 'waiting'",
        owner=owner,
        error=error,
    )


async def send_again(unit: Write, parcel_id: str, now: str, lease: str) -> bool:
    """Let a parcel be delivered at once, with as much time as a new one.

    Return False if it was deleted, or if it may be on its way now: a worker claimed it after ``lease``.
    """
    changed = await unit.run(
        """
        UPDATE parcel SET state = 'waiting', due_at = :now, created_at = :now
        WHERE id = :id AND (claimed_at IS NULL OR claimed_at < :lease)
        """,
        id=parcel_id,
        now=now,
        lease=lease,
    )
    return changed == 1


async def delete_of_threads(unit: Write, thread_ids: Sequence[str]) -> None:
    """Delete the parcels about threads."""
    ids, values = in_list("id", thread_ids)
    await unit.run(f"DELETE FROM parcel WHERE thread_id IN {ids}", **values)


async def delete_expired(unit: Write, before: str, most: int) -> int:
    """Delete parcels from before a time that do not wait, or wait overdue since then; return their number.

    Nobody tries the latter any more: the mail server was taken out of the settings.
    """
    return await unit.run(
        """
        DELETE FROM parcel WHERE id IN (
            SELECT id FROM parcel WHERE created_at < :before AND (state <> 'waiting' OR due_at < :before)
            LIMIT CAST(:most AS BIGINT)
        )
        """,
        before=before,
        most=most,
    )


def parcel_of(row: Row) -> Parcel:
    """Return the parcel of a row."""
    values: dict[str, Any] = dict(row)
    return msgspec.convert(values, Parcel)
