"""What is private of writers. This is the only module that names the table ``contact``."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.domain.models import Contact, Status
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = ", ".join(Contact.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Contact.__struct_fields__)

# For whoever searches comments by what is private of their writers: where to begin, and what must hold there.
TABLE: Final = "contact"


async def add(unit: Write, contact: Contact) -> None:
    """Keep what is private of a comment's writer."""
    await unit.run(
        f"INSERT INTO contact ({COLUMNS}) VALUES ({VALUES})",
        **{name: getattr(contact, name) for name in Contact.__struct_fields__},
    )


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Contact]:
    """Contacts by comment id."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM contact WHERE comment_id IN {ids}", **values)
    return {row["comment_id"]: msgspec.convert(dict(row), Contact) for row in rows}


async def set_status(unit: Write, comment_ids: Sequence[str], status: Status) -> None:
    """Keep where their comments stand now beside what moderators count by."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"UPDATE contact SET status = :status WHERE comment_id IN {ids}", status=status.value, **values)


async def count_by_email(unit: PrivateRead, digests: Sequence[str], sites: Sequence[str] | None) -> Sequence[Row]:
    """``email_digest, status, number``: how often each writer was approved and called spam."""
    listed, values = in_list("digest", digests)
    reach, more = site_condition("site_id", sites)
    return await unit.all(
        f"""
        SELECT email_digest, status, COUNT(*) AS number FROM contact
        WHERE email_digest IN {listed} AND status IN ('approved', 'spam') AND {reach}
        GROUP BY email_digest, status
        """,
        **values,
        **more,
    )


async def count_pending_by_network(
    unit: PrivateRead, comment_ids: Sequence[str], sites: Sequence[str] | None, most: int
) -> dict[str, int]:
    """How many comments wait from each network of these comments; no more than ``most`` are counted."""
    ids, values = in_list("id", comment_ids)
    reach, more = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT seen.network, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM contact
                WHERE contact.network = seen.network AND status = 'pending' AND {reach} LIMIT CAST(:most AS BIGINT)
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
    """Forget who wrote a comment."""
    await unit.run("DELETE FROM contact WHERE comment_id = :id", id=comment_id)


async def erase_networks(unit: Write, before: str) -> int:
    """Forget the networks and browsers of comments older than that; returns how many."""
    return await unit.run(
        """
        UPDATE contact SET network = NULL, network_digest = NULL, agent = NULL
        WHERE created_at < :before AND network IS NOT NULL
        """,
        before=before,
    )


async def list_sealed_after(unit: PrivateRead, comment_id: str, limit: int) -> Sequence[Row]:
    """``comment_id, email_sealed`` of the next contacts, by comment id."""
    return await unit.all(
        """
        SELECT comment_id, email_sealed FROM contact WHERE comment_id > :id
        ORDER BY comment_id LIMIT CAST(:limit AS BIGINT)
        """,
        id=comment_id,
        limit=limit,
    )


async def reseal(unit: Write, comment_id: str, sealed: str, digest: str) -> None:
    """Keep an address sealed anew."""
    await unit.run(
        "UPDATE contact SET email_sealed = :sealed, email_digest = :digest WHERE comment_id = :id",
        id=comment_id,
        sealed=sealed,
        digest=digest,
    )


async def recent_activity(
    unit: PrivateRead, network: str, *, day_ago: str, hour_ago: str, before: str, but: str | None
) -> tuple[str | None, int]:
    """When the last comment but one came from a network within a day, and how many came within the hour."""
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
    """Whether a person called one of the last hundred comments from a network spam.

    What rules call spam is left out: they may go by an email, and readers would learn which.
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
    """How many comments came from a network since then."""
    row = await unit.one(
        "SELECT COUNT(*) AS number FROM contact WHERE network = :network AND created_at >= :since",
        network=network,
        since=since,
    )
    return int(row["number"]) if row else 0
