"""What is private of writers. This is the only module that names the table ``contact``."""

from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.model import Contact, Status
from commentsvc.store import Row, Transaction, among, within

COLUMNS: Final = ", ".join(Contact.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Contact.__struct_fields__)

# Conditions on a comment by what is private of its writer, for whoever searches comments.
WITH_EMAIL: Final = "comment.id IN (SELECT comment_id FROM contact WHERE email_digest IN {digests})"
WITH_NETWORK: Final = "comment.id IN (SELECT comment_id FROM contact WHERE network = :network)"


async def add(tx: Transaction, contact: Contact) -> None:
    """Keep what is private of a comment's writer."""
    await tx.run(
        f"INSERT INTO contact ({COLUMNS}) VALUES ({VALUES})",
        **{name: getattr(contact, name) for name in Contact.__struct_fields__},
    )


async def several(tx: Transaction, comment_ids: Sequence[str]) -> dict[str, Contact]:
    """Contacts by comment id."""
    ids, values = among("id", comment_ids)
    rows = await tx.all(f"SELECT {COLUMNS} FROM contact WHERE comment_id IN {ids}", **values)
    return {row["comment_id"]: msgspec.convert(dict(row), Contact) for row in rows}


async def records(tx: Transaction, digests: Sequence[str], sites: Sequence[str] | None) -> Sequence[Row]:
    """``email_digest, status, number``: how often each writer was approved and called spam."""
    listed, values = among("digest", digests)
    reach, more = within("comment.site_id", sites)
    return await tx.all(
        f"""
        SELECT contact.email_digest, comment.status, COUNT(*) AS number
        FROM contact JOIN comment ON comment.id = contact.comment_id
        WHERE contact.email_digest IN {listed} AND comment.status IN ('approved', 'spam')
          AND {reach}
        GROUP BY contact.email_digest, comment.status
        """,
        **values,
        **more,
    )


async def waiting(tx: Transaction, networks: Sequence[str], sites: Sequence[str] | None) -> dict[str, int]:
    """How many comments wait from each network."""
    listed, values = among("network", networks)
    reach, more = within("comment.site_id", sites)
    rows = await tx.all(
        f"""
        SELECT contact.network, COUNT(*) AS number FROM contact JOIN comment ON comment.id = contact.comment_id
        WHERE contact.network IN {listed} AND comment.status = :pending
          AND {reach}
        GROUP BY contact.network
        """,
        pending=Status.PENDING.value,
        **values,
        **more,
    )
    return {row["network"]: row["number"] for row in rows}


async def erase(tx: Transaction, comment_id: str) -> None:
    """Forget who wrote a comment."""
    await tx.run("DELETE FROM contact WHERE comment_id = :id", id=comment_id)


async def forget_networks(tx: Transaction, before: str) -> int:
    """Forget the networks and browsers of comments older than that; returns how many."""
    return await tx.run(
        """
        UPDATE contact SET network = NULL, network_digest = NULL, agent = NULL
        WHERE created_at < :before AND network IS NOT NULL
        """,
        before=before,
    )


async def sealed_after(tx: Transaction, comment_id: str, limit: int) -> Sequence[Row]:
    """``comment_id, email_sealed`` of the next contacts, by comment id."""
    return await tx.all(
        """
        SELECT comment_id, email_sealed FROM contact WHERE comment_id > :id
        ORDER BY comment_id LIMIT CAST(:limit AS BIGINT)
        """,
        id=comment_id,
        limit=limit,
    )


async def reseal(tx: Transaction, comment_id: str, sealed: str, digest: str) -> None:
    """Keep an address sealed anew."""
    await tx.run(
        "UPDATE contact SET email_sealed = :sealed, email_digest = :digest WHERE comment_id = :id",
        id=comment_id,
        sealed=sealed,
        digest=digest,
    )
