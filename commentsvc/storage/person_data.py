"""Everything about an email address but its comments: found, counted and deleted by the digests of the address.

``digests`` are those by every listed secret key, ``keyring.digests(email)``.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.email_address import Email
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

# The rows about an address, by what they are counted as. Rows of a ban count while they have the address itself.
OF_DIGESTS: Final = {
    "addresses": "address WHERE email_digest IN {digests}",
    "subscriptions": "subscription WHERE address_id IN ({addresses})",
    "confirmations": "confirmation WHERE address_id IN ({addresses})",
    "browsers": "verified_author WHERE address_id IN ({addresses})",
    "events": "event WHERE email_digest IN {digests}",
    "mails": "parcel WHERE email_digest IN {digests}",
    "bans": "rule WHERE email_digest IN {digests} AND (email_sealed IS NOT NULL OR note IS NOT NULL)",
}
# The rows with content of comments. That one was deleted is told with its id only, so this does not count.
OF_COMMENTS: Final = {
    "comments": "comment WHERE id IN {ids} AND erased_at IS NULL",
    "revisions": "revision WHERE comment_id IN {ids}",
    "decisions": "decision WHERE comment_id IN {ids} AND (note IS NOT NULL OR verdicts IS NOT NULL"
    " OR reason_args IS NOT NULL)",
    "reports": "report WHERE comment_id IN {ids}",
    "search": "comment_search WHERE comment_id IN {ids} AND words <> ''",
    "submissions": "submission WHERE comment_id IN {ids} AND body_digest <> ''",
    "deliveries": f"parcel WHERE comment_id IN {{ids}} AND kind <> '{EventKind.COMMENT_DELETED.value}'",
    "comment_events": f"event WHERE comment_id IN {{ids}} AND kind <> '{EventKind.COMMENT_DELETED.value}'",
    "links": "decision_link WHERE comment_id IN {ids}",
    "verdicts": "hook_verdict WHERE comment_id IN {ids}",
    "reply_subscriptions": "subscription WHERE comment_id IN {ids}",
    "notes": "action WHERE note IS NOT NULL AND id IN (SELECT action_id FROM action_item WHERE comment_id IN {ids})",
}
ADDRESSES: Final = "SELECT id FROM address WHERE email_digest IN {digests}"


async def count_of_digests(unit: PrivateRead, digests: Sequence[str]) -> dict[str, int]:
    """Return the number of rows about an address, by the names in ``OF_DIGESTS``."""
    listed, values = in_list("digest", digests)
    places = {"digests": listed, "addresses": ADDRESSES.format(digests=listed)}
    selected = (f"(SELECT COUNT(*) FROM {rows.format(**places)}) AS {name}" for name, rows in OF_DIGESTS.items())
    row = await unit.one(f"SELECT {', '.join(selected)}", **values)
    return {name: int(row[name]) for name in OF_DIGESTS} if row else {}


async def count_of_comments(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of rows with content of these comments, by the names in ``OF_COMMENTS``."""
    ids, values = in_list("id", comment_ids)
    selected = (f"(SELECT COUNT(*) FROM {rows.format(ids=ids)}) AS {name}" for name, rows in OF_COMMENTS.items())
    row = await unit.one(f"SELECT {', '.join(selected)}", **values)
    return {name: int(row[name]) for name in OF_COMMENTS} if row else {}


async def list_addresses(unit: PrivateRead, digests: Sequence[str]) -> Sequence[Row]:
    """Return ``id, created_at, confirmed_at, suppressed_at, suppressed_for`` of an address; one row for each key."""
    listed, values = in_list("digest", digests)
    return await unit.all(
        f"""
        SELECT id, created_at, confirmed_at, suppressed_at, suppressed_for FROM address
        WHERE email_digest IN {listed} ORDER BY id
        """,
        **values,
    )


async def list_subscriptions(unit: PrivateRead, address_ids: Sequence[str]) -> Sequence[Row]:
    """Return all columns of the subscriptions of addresses, oldest first."""
    ids, values = in_list("address", address_ids)
    return await unit.all(f"SELECT * FROM subscription WHERE address_id IN {ids} ORDER BY id", **values)


async def list_confirmations(unit: PrivateRead, address_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``site_id, created_at, expires_at, used_at`` of the mails that asked to confirm addresses."""
    ids, values = in_list("address", address_ids)
    return await unit.all(
        f"""
        SELECT site_id, created_at, expires_at, used_at FROM confirmation WHERE address_id IN {ids}
        ORDER BY created_at, id
        """,
        **values,
    )


async def list_browsers(unit: PrivateRead, address_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``site_id, created_at``: where and when addresses were confirmed in a browser."""
    ids, values = in_list("address", address_ids)
    return await unit.all(
        f"""
        SELECT site_id, created_at FROM verified_author WHERE address_id IN {ids} ORDER BY created_at, author_id
        """,
        **values,
    )


async def list_mails(unit: PrivateRead, digests: Sequence[str]) -> Sequence[Row]:
    """Return ``id, channel, kind, state, created_at`` of the parcels to an address."""
    listed, values = in_list("digest", digests)
    return await unit.all(
        f"SELECT id, channel, kind, state, created_at FROM parcel WHERE email_digest IN {listed} ORDER BY id", **values
    )


async def list_deliveries(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``id, channel, kind, state, created_at, comment_id`` of the parcels about comments."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"""
        SELECT id, channel, kind, state, created_at, comment_id FROM parcel WHERE comment_id IN {ids} ORDER BY id
        """,
        **values,
    )


async def list_bans(unit: PrivateRead, digests: Sequence[str]) -> Sequence[Row]:
    """Return ``id, site_id, effect, note, created_at, expires_at, removed_at`` of the rules about an address."""
    listed, values = in_list("digest", digests)
    return await unit.all(
        f"""
        SELECT id, site_id, effect, note, created_at, expires_at, removed_at FROM rule
        WHERE email_digest IN {listed} ORDER BY id
        """,
        **values,
    )


async def delete_some(unit: Write, digests: Sequence[str], most: int) -> int:
    """Delete up to so many events, parcels and subscriptions of an address each; return how many were deleted."""
    listed, values = in_list("digest", digests)
    addresses, deleted = ADDRESSES.format(digests=listed), 0
    for table, key, rows in (
        ("event", "seq", f"email_digest IN {listed}"),
        ("parcel", "id", f"email_digest IN {listed}"),
        ("parcel", "id", f"owner IN (SELECT id FROM subscription WHERE address_id IN ({addresses}))"),
        ("subscription", "id", f"address_id IN ({addresses})"),
    ):
        deleted += await unit.run(
            f"""
            DELETE FROM {table} WHERE {key} IN (
                SELECT {key} FROM {table} WHERE {rows} LIMIT CAST(:most AS BIGINT)
            )
            """,
            most=most,
            **values,
        )
    return deleted


async def delete_addresses(unit: Write, address_ids: Sequence[str]) -> None:
    """Delete addresses, and everything that belongs to them."""
    ids, values = in_list("address", address_ids)
    subscriptions = f"SELECT id FROM subscription WHERE address_id IN {ids}"
    digests = f"SELECT email_digest FROM address WHERE id IN {ids}"
    await unit.run(f"DELETE FROM parcel WHERE owner IN ({subscriptions})", **values)
    for table in ("parcel", "event"):
        await unit.run(f"DELETE FROM {table} WHERE email_digest IN ({digests})", **values)
    for table in ("subscription", "confirmation", "verified_author"):
        await unit.run(f"DELETE FROM {table} WHERE address_id IN {ids}", **values)
    await unit.run(f"DELETE FROM address WHERE id IN {ids}", **values)


async def forget_banned(unit: Write, rule_ids: Sequence[str]) -> None:
    """Delete the addresses and notes of bans. They match by their digests as before."""
    ids, values = in_list("rule", rule_ids)
    await unit.run(
        f"UPDATE rule SET email_sealed = NULL, note = NULL, version = version + 1 WHERE id IN {ids}", **values
    )
    subjects, named = in_list("subject", [f"rule:{one}" for one in rule_ids])
    await unit.run(f"UPDATE action SET was = NULL, became = NULL, note = NULL WHERE subject IN {subjects}", **named)


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete what is kept about comments for mails, and the digests of the requests that sent them."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM decision_link WHERE comment_id IN {ids}", **values)
    await unit.run(
        f"DELETE FROM parcel WHERE owner IN (SELECT id FROM subscription WHERE comment_id IN {ids})", **values
    )
    await unit.run(f"DELETE FROM subscription WHERE comment_id IN {ids}", **values)
    # The id stays, so that a request that is repeated is refused and does not bring the comment back.
    await unit.run(f"UPDATE submission SET body_digest = '' WHERE comment_id IN {ids}", **values)


async def forget_errors(unit: Write, email: Email) -> None:
    """Delete the last errors of channels that name an address: mail servers repeat it."""
    for row in await unit.all("SELECT channel, error FROM channel_record WHERE error IS NOT NULL"):
        if email.casefolded() in row["error"].casefold():
            await unit.run("UPDATE channel_record SET error = NULL WHERE channel = :channel", channel=row["channel"])
