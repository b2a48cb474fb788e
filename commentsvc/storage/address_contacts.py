"""Contacts with one email address: its comments, and what a confirmed address proves.

``digests`` are those of the address by every listed secret key, ``keyring.digests(email)``.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.models import Contact
from commentsvc.storage import contacts
from commentsvc.storage.database import PrivateRead, Write, in_list

MOST_COUNTED: Final = 100


def _approved(digests: Sequence[str], site_id: str, before: str, but: str | None) -> tuple[str, dict[str, Any]]:
    """Return a statement that counts the approved comments with an address, and its parameters."""
    listed, values = in_list("digest", digests)
    statement = f"""
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM {contacts.TABLE} AS own
            WHERE own.email_digest IN {listed} AND own.status = 'approved' AND own.site_id = :site_id
              AND own.created_at <= :before AND own.comment_id <> COALESCE(CAST(:but AS TEXT), '')
            LIMIT {MOST_COUNTED}
        ) AS counted
    """
    return statement, values | {"site_id": site_id, "before": before, "but": but}


async def count_approved_if_verified(
    unit: PrivateRead, author_id: str, digests: Sequence[str], site_id: str, *, before: str
) -> int | None:
    """Return how many comments with an address a site has approved, up to ``MOST_COUNTED``.

    None: the author has not confirmed the address.
    """
    statement, values = _approved(digests, site_id, before, None)
    listed, _ = in_list("digest", digests)
    row = await unit.one(
        f"""
        SELECT ({statement}) AS number FROM verified_author JOIN address ON address.id = verified_author.address_id
        WHERE verified_author.author_id = :author_id AND verified_author.site_id = :site_id
          AND address.email_digest IN {listed}
        """,
        author_id=author_id,
        **values,
    )
    return int(row["number"]) if row else None


async def verify(unit: Write, author_id: str, digests: Sequence[str], site_id: str) -> None:
    """Note that the owner of an address sent these comments: those with it that an author has sent to a site."""
    listed, values = in_list("digest", digests)
    await unit.run(
        f"""
        UPDATE {contacts.TABLE} SET verified = 1
        WHERE site_id = :site_id AND email_digest IN {listed} AND verified = 0
          AND comment_id IN (SELECT id FROM comment WHERE comment.author_id = :author_id)
        """,
        author_id=author_id,
        site_id=site_id,
        **values,
    )


async def count_approved(
    unit: PrivateRead, digests: Sequence[str], site_id: str, *, before: str, but: str | None
) -> int:
    """Return how many comments with an address a site has approved, up to ``MOST_COUNTED``, except one comment."""
    statement, values = _approved(digests, site_id, before, but)
    row = await unit.one(statement, **values)
    return int(row["number"]) if row else 0


async def list_newest(unit: PrivateRead, digests: Sequence[str], before: str | None, limit: int) -> list[Contact]:
    """Return the contacts with an address, newest comment first; ``before``: of comments before this id."""
    listed, values = in_list("digest", digests)
    rows = await unit.all(
        f"""
        SELECT {contacts.COLUMNS} FROM {contacts.TABLE}
        WHERE email_digest IN {listed} AND (CAST(:before AS TEXT) IS NULL OR comment_id < :before)
        ORDER BY comment_id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        before=before,
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Contact) for row in rows]


async def is_any(unit: PrivateRead, digests: Sequence[str]) -> bool:
    """Return whether any comment has an address."""
    return bool(await list_newest(unit, digests, None, 1))
