"""Private data of commenters. No other module names the table ``contact``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.models import Contact, Status
from commentsvc.domain.row_digest import digest_email
from commentsvc.storage import sealed
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = ", ".join(Contact.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Contact.__struct_fields__)
INSERT: Final = f"INSERT INTO contact ({COLUMNS}, spam_score, row_digest) VALUES ({VALUES}, :spam_score, :row_digest)"

# For searches by private data: other modules build their statements.
TABLE: Final = "contact"

# What ``row_digests`` checks, in the order of ids.
DIGESTED: Final = """
    SELECT contact.comment_id AS id, contact.email_sealed, contact.row_digest, contact.created_at,
        comment.created_at AS posted_at
    FROM contact LEFT JOIN comment ON comment.id = contact.comment_id
    WHERE contact.comment_id > CAST(:after AS TEXT) ORDER BY contact.comment_id LIMIT CAST(:limit AS BIGINT)
"""


async def add(unit: Write, contact: Contact, spam_score: int) -> None:
    """Insert the private data of a comment, and its score: in thousandths, or -1."""
    await unit.later(INSERT, **_row_of(contact, spam_score))


async def add_many(unit: Write, added: Sequence[Contact]) -> None:
    """Insert the private data of comments."""
    await unit.run_many(INSERT, list(map(_row_of, added)))


def _row_of(contact: Contact, spam_score: int = -1) -> dict[str, Any]:
    digest = digest_email(contact.comment_id, contact.email_sealed)
    values = {name: getattr(contact, name) for name in Contact.__struct_fields__}
    return values | {"status": contact.status.value, "spam_score": spam_score, "row_digest": digest}


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Contact]:
    """Return contacts by comment id; unknown ids are missing."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM contact WHERE comment_id IN {ids}", **values)
    return {row["comment_id"]: msgspec.convert(dict(row), Contact) for row in rows}


async def set_status(unit: Write, comment_ids: Sequence[str], status: Status) -> None:
    """Copy the status of comments to their contacts, where moderators' counts read it."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"UPDATE contact SET status = :status WHERE comment_id IN {ids}", status=status.value, **values)


async def set_name_key(unit: Write, comment_id: str, name_key: str) -> None:
    """Store the key of a comment's new name."""
    await unit.run("UPDATE contact SET name_key = :key WHERE comment_id = :id", key=name_key, id=comment_id)


async def find_namesakes(unit: PrivateRead, names: Sequence[tuple[str, str]], most: int) -> Sequence[Row]:
    """Return ``site_id, name_key, email_digest, number``: who has approved comments under these names, by address.

    ``names`` are pairs of a site and the key of a name. The latest ``most`` comments of each are counted.
    """
    if not names:
        return []
    values: dict[str, Any] = {"most": most}
    branches = []
    for at, (site_id, key) in enumerate(names):
        values |= {f"site{at}": site_id, f"key{at}": key}
        branches.append(
            f"""
            SELECT CAST(:site{at} AS TEXT) AS site_id, CAST(:key{at} AS TEXT) AS name_key, email_digest,
                COUNT(*) AS number
            FROM (
                SELECT email_digest FROM contact
                WHERE site_id = :site{at} AND name_key = :key{at} AND status = 'approved'
                ORDER BY comment_id DESC LIMIT CAST(:most AS BIGINT)
            ) AS latest{at}
            WHERE email_digest IS NOT NULL GROUP BY email_digest
            """
        )
    return await unit.all(f"{' UNION ALL '.join(branches)} ORDER BY site_id, name_key, email_digest", **values)


async def count_by_email(
    unit: PrivateRead, digests: Sequence[str], sites: Sequence[str] | None, most: int
) -> Sequence[Row]:
    """Return ``email_digest, status, number``: each commenter's approved and spam comments, up to ``most`` of each."""
    if not digests:
        return []
    values = {f"digest{number}": digest for number, digest in enumerate(digests)}
    on_sites, more = site_condition("site_id", sites)
    return await unit.all(
        f"""
        WITH seen (email_digest) AS (VALUES {", ".join(f"(CAST(:{name} AS TEXT))" for name in values)}),
            decided (status) AS (VALUES ('{Status.APPROVED.value}'), ('{Status.SPAM.value}'))
        SELECT seen.email_digest, decided.status, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM contact
                WHERE contact.email_digest = seen.email_digest AND contact.status = decided.status AND {on_sites}
                LIMIT CAST(:most AS BIGINT)
            ) AS counted
        ) AS number
        FROM seen CROSS JOIN decided
        """,
        most=most,
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


async def get_spam_scores(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, int]:
    """Return the scores of comments by id, in thousandths; unknown ones are missing."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT comment_id, spam_score FROM contact WHERE comment_id IN {ids} AND spam_score >= 0", **values
    )
    return {row["comment_id"]: row["spam_score"] for row in rows}


async def list_pending_scores(unit: PrivateRead, site_id: str, most: int) -> dict[str, int]:
    """Return the scores of the newest pending comments of a site by id, newest first, up to ``most``."""
    rows = await unit.all(
        """
        SELECT comment_id, spam_score FROM contact WHERE comment_id IN (
            SELECT id FROM comment WHERE site_id = :site AND status = 'pending'
            ORDER BY id DESC LIMIT CAST(:most AS BIGINT)
        )
        ORDER BY comment_id DESC
        """,
        site=site_id,
        most=most,
    )
    return {row["comment_id"]: row["spam_score"] for row in rows}


async def set_spam_scores(unit: Write, scores: Mapping[str, int]) -> None:
    """Store the scores of comments, by id."""
    await unit.run_many(
        "UPDATE contact SET spam_score = :score WHERE comment_id = :id",
        [{"id": id_, "score": scores[id_]} for id_ in sorted(scores)],
    )


async def delete_many(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the private data of the authors of these comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM contact WHERE comment_id IN {ids}", **values)


async def list_expired_networks(unit: PrivateRead, before: str) -> list[str]:
    """Return the ids of comments created before this time that still have a network.

    It reads the index of networks, which holds few rows: those of the last ``network_days``. An index of its own would
    be written with every comment.
    """
    rows = await unit.all("SELECT comment_id FROM contact WHERE network > '' AND created_at < :before", before=before)
    return [row["comment_id"] for row in rows]


async def erase_networks(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete network and browser of the authors of these comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(
        f"UPDATE contact SET network = NULL, network_digest = NULL, agent = NULL WHERE comment_id IN {ids}", **values
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
    return await sealed.count_by_key(unit, "contact", "email_digest", but)


async def reseal(unit: Write, comment_id: str, sealed: str, digest: str) -> None:
    """Replace an encrypted email address and its digest."""
    await unit.run(
        """
        UPDATE contact SET email_sealed = :sealed, email_digest = :digest, row_digest = :row_digest
        WHERE comment_id = :id
        """,
        id=comment_id,
        sealed=sealed,
        digest=digest,
        row_digest=digest_email(comment_id, sealed),
    )


async def count_of_digests(unit: PrivateRead, digests: Sequence[str]) -> int:
    """Return the number of comments with an address that has one of these digests, ``keyring.digests(email)``."""
    listed, values = in_list("digest", digests)
    row = await unit.one(f"SELECT COUNT(*) AS number FROM contact WHERE email_digest IN {listed}", **values)
    return int(row["number"]) if row else 0


async def list_of_digests(unit: PrivateRead, digests: Sequence[str], after: str, limit: int) -> Sequence[Row]:
    """Return ``comment_id, email_sealed, network, agent, verified`` after a comment id, in that order."""
    listed, values = in_list("digest", digests)
    return await unit.all(
        f"""
        SELECT comment_id, email_sealed, network, agent, verified FROM contact
        WHERE email_digest IN {listed} AND comment_id > :after ORDER BY comment_id LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        limit=limit,
        **values,
    )


async def erase_some_emails(unit: Write, before: str, limit: int) -> int:
    """Delete the email addresses of some comments from before a time; return how many. Networks stay."""
    return await unit.run(
        """
        UPDATE contact SET email_sealed = NULL, email_digest = NULL, row_digest = NULL, verified = 0
        WHERE comment_id IN (
            SELECT comment_id FROM contact WHERE email_digest > '' AND created_at < :before
            LIMIT CAST(:limit AS BIGINT)
        )
        """,
        before=before,
        limit=limit,
    )
