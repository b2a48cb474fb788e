"""Count what each secret key encrypts in each table, and replace it.

An encrypted address has a keyed digest beside it, and an encrypted text has a prefix; both begin with the fingerprint
of their key.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.crypto import FINGERPRINT_LENGTH
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

# Tables with addresses of mails, and their keys. Events become parcels, and addresses are copied to both: each is
# encrypted again after those that it is copied from.
OF_MAILS: Final = {"event": "seq", "parcel": "id"}
# Columns with encrypted texts: of webhooks, and of the requests to them.
TEXTS: Final = {
    ("webhook", "url_sealed"): "1 = 1",
    ("webhook", "secret_sealed"): "1 = 1",
    ("webhook", "old_secret_sealed"): "old_secret_sealed IS NOT NULL",
    ("parcel", "detail"): "channel = 'webhook'",
    ("parcel", "response"): "channel = 'webhook' AND response IS NOT NULL",
}


def _fingerprint(column: str) -> str:
    return f"SUBSTR({column}, 1, {FINGERPRINT_LENGTH})"


async def count_by_key(
    unit: PrivateRead, table: str, column: str, but: Sequence[str], rows: str = "1 = 1"
) -> Sequence[Row]:
    """Return ``fingerprint, number``: how many of these rows of a table each secret key encrypts, except these keys.

    ``column`` has the digest beside an encrypted address, or an encrypted text.
    """
    listed, values = in_list("key", ["", *but])
    found = _fingerprint(column)
    return await unit.all(
        f"SELECT {found} AS fingerprint, COUNT(*) AS number FROM {table} "
        f"WHERE {found} NOT IN {listed} AND {rows} GROUP BY {found}",
        **values,
    )


async def count_of_mails(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted addresses of events and mails of each secret key."""
    return [row for table in OF_MAILS for row in await count_by_key(unit, table, "email_digest", but)]


async def count_of_addresses(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted addresses that asked for mail, of each secret key."""
    return await count_by_key(unit, "address", "email_digest", but)


async def count_of_texts(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted texts of webhooks of each secret key."""
    counted = [await count_by_key(unit, table, column, but, rows) for (table, column), rows in TEXTS.items()]
    return [row for rows in counted for row in rows]


async def list_old_mails(unit: PrivateRead, table: str, newest: str, after: str | int, limit: int) -> Sequence[Row]:
    """Return ``id, email_sealed`` of events or parcels that an older key encrypts, after an id, in that order."""
    key = OF_MAILS[table]
    return await unit.all(
        f"""
        SELECT {key} AS id, email_sealed FROM {table}
        WHERE {key} > :after AND email_sealed IS NOT NULL AND {_fingerprint("email_digest")} <> :newest
        ORDER BY {key} LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        newest=newest,
        limit=limit,
    )


async def replace_mail(unit: Write, table: str, row: Row, sealed: str, digest: str) -> None:
    """Replace the encrypted address of an event or parcel, and its digest."""
    await unit.run(
        f"UPDATE {table} SET email_sealed = :sealed, email_digest = :digest WHERE {OF_MAILS[table]} = :id",
        id=row["id"],
        sealed=sealed,
        digest=digest,
    )


async def list_old_texts(
    unit: PrivateRead, table: str, column: str, newest: str, after: str, limit: int
) -> Sequence[Row]:
    """Return ``id, text`` of the texts in a column that an older key encrypts, after an id, in that order."""
    return await unit.all(
        f"""
        SELECT id, {column} AS text FROM {table}
        WHERE id > :after AND {TEXTS[table, column]} AND {_fingerprint(column)} <> :newest
        ORDER BY id LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        newest=newest,
        limit=limit,
    )


async def replace_text(unit: Write, table: str, column: str, row: Row, encrypted: str) -> None:
    """Replace an encrypted text, unless it was replaced by another one since."""
    await unit.run(
        f"UPDATE {table} SET {column} = :encrypted WHERE id = :id AND {column} = :text",
        id=row["id"],
        text=row["text"],
        encrypted=encrypted,
    )


async def list_old_addresses(unit: PrivateRead, newest: str, after: str, limit: int) -> Sequence[Row]:
    """Return ``id, email_sealed`` of addresses that an older key encrypts, after an id, in that order."""
    return await unit.all(
        f"""
        SELECT id, email_sealed FROM address WHERE id > :after AND {_fingerprint("email_digest")} <> :newest
        ORDER BY id LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        newest=newest,
        limit=limit,
    )


async def replace_address(unit: Write, row: Row, sealed: str, digest: str) -> None:
    """Replace an encrypted address that asked for mail, and its digest.

    If the newest key has encrypted the same address already, the two rows become one.
    """
    other = await unit.one(
        "SELECT id FROM address WHERE email_digest = :digest AND id <> :id", digest=digest, id=row["id"]
    )
    if other:
        await _merge(unit, kept=row["id"], merged=other["id"])
    await unit.run(
        "UPDATE address SET email_sealed = :sealed, email_digest = :digest WHERE id = :id",
        id=row["id"],
        sealed=sealed,
        digest=digest,
    )


async def _merge(unit: Write, *, kept: str, merged: str) -> None:
    """Move everything of an address to another row. It stays confirmed if one is, and suppressed if one is."""
    ids = {"kept": kept, "merged": merged}
    await unit.run(
        """
        UPDATE address SET confirmed_at = COALESCE(address.confirmed_at, merged.confirmed_at),
            suppressed_at = COALESCE(address.suppressed_at, merged.suppressed_at),
            suppressed_for = COALESCE(address.suppressed_for, merged.suppressed_for)
        FROM address AS merged WHERE address.id = :kept AND merged.id = :merged
        """,
        **ids,
    )
    # Of two confirmed subscriptions, or two unconfirmed ones, that of the kept row stays.
    await _delete_same(unit, kept, merged, "one.confirmed_at IS NULL AND other.confirmed_at IS NOT NULL")
    await _delete_same(unit, merged, kept, "1 = 1")
    await unit.run(
        """
        DELETE FROM verified_author WHERE address_id = :merged AND author_id IN (
            SELECT author_id FROM verified_author WHERE address_id = :kept
        )
        """,
        **ids,
    )
    for table in ("subscription", "confirmation", "verified_author"):
        await unit.run(f"UPDATE {table} SET address_id = :kept WHERE address_id = :merged", **ids)
    await unit.run("DELETE FROM address WHERE id = :merged", merged=merged)


async def _delete_same(unit: Write, address_id: str, other_id: str, only: str) -> None:
    """Delete the subscriptions of an address that another address has too."""
    columns = ("site_id", "scope", "thread_id", "comment_id")
    same = " AND ".join(f"COALESCE(one.{name}, '') = COALESCE(other.{name}, '')" for name in columns)
    await unit.run(
        f"""
        DELETE FROM subscription WHERE id IN (
            SELECT one.id FROM subscription AS one JOIN subscription AS other ON {same}
            WHERE one.address_id = :address AND other.address_id = :other AND {only}
        )
        """,
        address=address_id,
        other=other_id,
    )
