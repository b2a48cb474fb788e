"""Subscriptions: which addresses get mail about new comments."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Row, Write, in_list


class NewSubscription(Struct, frozen=True, kw_only=True):
    """A request of an address. Scope ``replies`` has a comment and its thread, ``thread`` has a thread."""

    address_id: str
    site_id: str
    scope: SubscriptionScope
    thread_id: str | None = None
    comment_id: str | None = None
    language: str


class Subscription(NewSubscription, frozen=True, kw_only=True):
    """Mail about new comments, for an address. Its token is ``keyring.token("unsubscribe", id)``."""

    id: str
    daily: int
    confirmation_id: str | None
    created_at: str
    confirmed_at: str | None


COLUMNS: Final = ", ".join(Subscription.__struct_fields__)


async def add(unit: Write, new: NewSubscription) -> Subscription:
    """Add a subscription that is not confirmed; return the one that exists if the address asked for it before.

    A new one sends one mail a day if another one of its address does.
    """
    row = await unit.one(
        f"""
        INSERT INTO subscription (id, {", ".join(NewSubscription.__struct_fields__)}, daily, created_at)
        SELECT CAST(:id AS TEXT), CAST(:address_id AS TEXT), CAST(:site_id AS TEXT), CAST(:scope AS TEXT),
            CAST(:thread_id AS TEXT), CAST(:comment_id AS TEXT), CAST(:language AS TEXT),
            COALESCE((SELECT MAX(daily) FROM subscription WHERE address_id = :address_id), 0), CAST(:now AS TEXT)
        WHERE 1 = 1
        ON CONFLICT (address_id, scope, COALESCE(comment_id, thread_id, site_id))
        DO UPDATE SET address_id = excluded.address_id
        RETURNING {COLUMNS}
        """,
        **(msgspec.structs.asdict(new) | {"id": unit.new_id(), "scope": new.scope.value, "now": unit.now()}),
    )
    return _subscription(row or {})


async def get(unit: PrivateRead, subscription_id: str) -> Subscription | None:
    """Return a subscription."""
    row = await unit.one(f"SELECT {COLUMNS} FROM subscription WHERE id = :id", id=subscription_id)
    return _subscription(row) if row else None


async def list_of_address(unit: PrivateRead, address_id: str) -> list[Subscription]:
    """Return the subscriptions of an address, confirmed or not, newest first."""
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM subscription WHERE address_id = :address_id ORDER BY created_at DESC, id DESC",
        address_id=address_id,
    )
    return [_subscription(row) for row in rows]


async def list_of_confirmation(unit: PrivateRead, confirmation_id: str) -> list[Subscription]:
    """Return the subscriptions that a confirmation confirms, oldest first."""
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM subscription WHERE confirmation_id = :id ORDER BY created_at, id", id=confirmation_id
    )
    return [_subscription(row) for row in rows]


async def join_confirmation(unit: Write, subscription_id: str, confirmation_id: str) -> None:
    """Let a confirmation confirm a subscription that is not confirmed."""
    await unit.run(
        "UPDATE subscription SET confirmation_id = :confirmation_id WHERE id = :id AND confirmed_at IS NULL",
        id=subscription_id,
        confirmation_id=confirmation_id,
    )


async def confirm(unit: Write, subscription_id: str, now: str) -> None:
    """Note that the owner of the address has confirmed a subscription."""
    await unit.run(
        f"UPDATE subscription SET confirmed_at = {NOW_OR_CREATED} WHERE id = :id AND confirmed_at IS NULL",
        id=subscription_id,
        now=now,
    )


async def confirm_of_confirmation(unit: Write, confirmation_id: str, now: str) -> None:
    """Confirm every subscription that joined a confirmation."""
    await unit.run(
        f"UPDATE subscription SET confirmed_at = {NOW_OR_CREATED} WHERE confirmation_id = :id AND confirmed_at IS NULL",
        id=confirmation_id,
        now=now,
    )


async def set_daily(unit: Write, address_id: str, *, daily: bool) -> None:
    """Choose for all subscriptions of an address: one mail a day, or one for each comment."""
    await unit.run(
        "UPDATE subscription SET daily = :daily WHERE address_id = :address_id",
        daily=int(daily),
        address_id=address_id,
    )


async def delete(unit: Write, subscription_id: str) -> bool:
    """End a subscription; return whether it existed."""
    return await unit.run("DELETE FROM subscription WHERE id = :id", id=subscription_id) == 1


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """End the subscriptions to replies to these comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM subscription WHERE comment_id IN {ids}", **values)


async def delete_of_threads(unit: Write, thread_ids: Sequence[str]) -> None:
    """End the subscriptions to these threads."""
    ids, values = in_list("id", thread_ids)
    await unit.run(f"DELETE FROM subscription WHERE thread_id IN {ids}", **values)


async def delete_unconfirmed(unit: Write, before: str, most: int) -> int:
    """Delete subscriptions from before a time that were never confirmed, and that no mail asks about; return how many.

    A later request may have joined an older subscription to a mail whose link still works.
    """
    return await unit.run(
        """
        DELETE FROM subscription WHERE id IN (
            SELECT id FROM subscription WHERE confirmed_at IS NULL AND confirmation_id IS NULL AND created_at < :before
            LIMIT CAST(:most AS BIGINT)
        )
        """,
        before=before,
        most=most,
    )


async def list_ahead(unit: PrivateRead, latest: str) -> list[str]:
    """Return the ids of subscriptions that began, or were confirmed, after a time: the clock was ahead then."""
    rows = await unit.all(
        "SELECT id FROM subscription WHERE confirmed_at > :latest OR created_at > :latest ORDER BY id", latest=latest
    )
    return [row["id"] for row in rows]


async def bring_back(unit: Write, subscription_ids: Sequence[str], latest: str, now: str) -> None:
    """Let what these subscriptions date after ``latest`` be of now: they are told nothing that is older than they."""
    ids, values = in_list("id", subscription_ids)
    changed = ", ".join(
        f"{name} = CASE WHEN {name} > :latest THEN CAST(:now AS TEXT) ELSE {name} END"
        for name in ("created_at", "confirmed_at")
    )
    await unit.run(f"UPDATE subscription SET {changed} WHERE id IN {ids}", latest=latest, now=now, **values)


def _subscription(row: Row) -> Subscription:
    return msgspec.convert(dict(row), Subscription)
