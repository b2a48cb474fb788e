"""Authors who confirmed an email address in the browser that has their author token."""

from collections.abc import Sequence

from commentsvc.storage.database import PrivateRead, Write, in_list


async def add(unit: Write, author_id: str, address_id: str, site_id: str, now: str) -> None:
    """Note that an author has confirmed an address."""
    await unit.run(
        """
        INSERT INTO verified_author (author_id, address_id, site_id, created_at)
        VALUES (:author_id, :address_id, :site_id, :now) ON CONFLICT (author_id, address_id) DO NOTHING
        """,
        author_id=author_id,
        address_id=address_id,
        site_id=site_id,
        now=now,
    )


async def is_verified(unit: PrivateRead, author_id: str, digests: Sequence[str]) -> bool:
    """Return whether an author has confirmed the address with one of these digests, ``keyring.digests(email)``."""
    listed, values = in_list("digest", digests)
    row = await unit.one(
        f"""
        SELECT 1 AS found FROM verified_author JOIN address ON address.id = verified_author.address_id
        WHERE author_id = :author_id AND address.email_digest IN {listed}
        """,
        author_id=author_id,
        **values,
    )
    return row is not None
