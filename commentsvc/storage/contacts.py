"""Private data of commenters. No other module names the table ``contact``."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Contact, Status
from commentsvc.storage import database
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = ", ".join(Contact.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Contact.__struct_fields__)

# For searches by private data: other modules build their statements.
TABLE: Final = "contact"


async def add(unit: Write, contact: Contact) -> None:
    """Insert the private data of a comment."""
    await unit.run(
        f"INSERT INTO contact ({COLUMNS}) VALUES ({VALUES})",
        **{name: getattr(contact, name) for name in Contact.__struct_fields__},
    )


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Contact]:
    """Return contacts by comment id; unknown ids are missing."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM contact WHERE comment_id IN {ids}", **values)
    return {row["comment_id"]: msgspec.convert(dict(row), Contact) for row in rows}


async def set_status(unit: Write, comment_ids: Sequence[str], status: Status) -> None:
    """Copy the status of comments to their contacts, where moderators' counts read it."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"UPDATE contact SET status = :status WHERE comment_id IN {ids}", status=status.value, **values)


async def count_by_email(unit: PrivateRead, digests: Sequence[str], sites: Sequence[str] | None) -> Sequence[Row]:
    """Return ``email_digest, status, number``: each commenter's numbers of approved and spam comments."""
    listed, values = in_list("digest", digests)
    on_sites, more = site_condition("site_id", sites)
    return await unit.all(
        f"""
        SELECT email_digest, status, COUNT(*) AS number FROM contact
        WHERE email_digest IN {listed} AND status IN ('approved', 'spam') AND {on_sites}
        GROUP BY email_digest, status
        """,
        **values,
        **more,
    )


async def count_pending_by_network(
    unit: PrivateRead, comment_ids: Sequence[str], sites: Sequence[str] | None, most: int
) -> dict[str, int]:
    """Return the number of pending comments by network, up to ``most``, for the networks of these comments."""
    ids, values = in_list("id", comment_ids)
    on_sites, more = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT seen.network, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM contact
                WHERE contact.network = seen.network AND status = 'pending' AND {on_sites} LIMIT CAST(:most AS BIGINT)
            ) AS counted
        ) AS number
        FROM (SELECT DISTINCT network FROM contact WHERE comment_id IN {ids} AND network IS NOT NULL) AS seen
        """,
        most=most,
        **values,
        **more,
    )
    return {row["network"]: row["number"] for row in rows}


async def erase(unit: Write, comment_id: str) -> None:
    """Delete the private data of a comment."""
    await unit.run("DELETE FROM contact WHERE comment_id = :id", id=comment_id)


async def delete_many(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the private data of the authors of these comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM contact WHERE comment_id IN {ids}", **values)


async def erase_networks(unit: Write, before: str) -> int:
    """Delete networks and browsers of comments created before this time; return how many rows changed."""
    return await unit.run(
        """
        UPDATE contact SET network = NULL, network_digest = NULL, agent = NULL
        WHERE created_at < :before AND network IS NOT NULL
        """,
        before=before,
    )


async def list_sealed_after(unit: PrivateRead, comment_id: str, limit: int) -> Sequence[Row]:
    """Return ``comment_id, email_sealed`` of contacts with an email address after a comment id, in that order."""
    return await unit.all(
        """
        SELECT comment_id, email_sealed FROM contact WHERE comment_id > :id AND email_sealed IS NOT NULL
        ORDER BY comment_id LIMIT CAST(:limit AS BIGINT)
        """,
        id=comment_id,
        limit=limit,
    )


async def count_by_key(unit: PrivateRead, but: Sequence[str] = ()) -> Sequence[Row]:
    """Return ``fingerprint, number``: the encrypted emails of each secret key, except these keys."""
    statement, values = database.count_by_key("contact", but)
    return await unit.all(statement, **values)


async def reseal(unit: Write, comment_id: str, sealed: str, digest: str) -> None:
    """Replace an encrypted email address and its digest."""
    await unit.run(
        "UPDATE contact SET email_sealed = :sealed, email_digest = :digest WHERE comment_id = :id",
        id=comment_id,
        sealed=sealed,
        digest=digest,
    )


async def recent_activity(
    unit: PrivateRead, network: str, *, day_ago: str, hour_ago: str, before: str, but: str | None
) -> tuple[str | None, int]:
    """Return a network's latest comment time within a day, and its number of comments within an hour.

    Both leave out the comment ``but``.
    """
    row = await unit.one(
        """
        SELECT MAX(created_at) AS last, COUNT(CASE WHEN created_at > :hour_ago THEN 1 END) AS number FROM contact
        WHERE network = :network AND created_at > :day_ago AND created_at <= :before
          AND comment_id <> COALESCE(CAST(:but AS TEXT), '')
        """,
        network=network,
        day_ago=day_ago,
        hour_ago=hour_ago,
        before=before,
        but=but,
    )
    return (row["last"], int(row["number"])) if row else (None, 0)


async def has_spam_from(unit: PrivateRead, network: str) -> bool:
    """Return whether a person marked one of the network's last 100 comments as spam.

    Spam by rules does not count: a rule may look at the email address, and commenters could find out which ones.
    """
    row = await unit.one(
        """
        SELECT 1 AS found FROM (
            SELECT comment_id, status FROM contact WHERE network = :network ORDER BY created_at DESC LIMIT 100
        ) AS latest
        WHERE status = 'spam' AND (
            SELECT actor_kind FROM decision WHERE comment_id = latest.comment_id ORDER BY seq DESC LIMIT 1
        ) = 'person'
        LIMIT 1
        """,
        network=network,
    )
    return row is not None


async def count_since(unit: PrivateRead, network: str, since: str) -> int:
    """Return the number of comments from a network since a time."""
    row = await unit.one(
        "SELECT COUNT(*) AS number FROM contact WHERE network = :network AND created_at >= :since",
        network=network,
        since=since,
    )
    return int(row["number"]) if row else 0
