"""Find the addresses to tell about a new comment: those with a confirmed subscription to it."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.domain.models import Comment
from commentsvc.storage import thread_merge
from commentsvc.storage.database import PrivateRead, in_list

# Subscriptions that a comment may concern.
_CONCERNED: Final = """
    subscription.confirmed_at <= :published_at AND (
        subscription.scope = 'replies' AND subscription.comment_id = CAST(:answered AS TEXT)
        OR subscription.scope = 'thread' AND subscription.thread_id IN {threads}
        OR subscription.scope = 'site' AND subscription.site_id = :site_id
    )
"""


class Reader(Struct, frozen=True, kw_only=True):
    """An address to tell about a comment, and the subscription that says so: if it has several, the closest one.

    ``daily``: every one of them sends one mail a day. ``daily_at``: the time of day of its daily mails.
    """

    address_id: str
    email_sealed: str
    email_digest: str
    subscription_id: str
    daily: int
    daily_at: str
    is_suppressed: int
    is_author: int  # the commenter is known to have this address

    def __repr__(self) -> str:
        return f"Reader(address_id={self.address_id!r}, hidden)"


class Heard(Struct, frozen=True, kw_only=True):
    """A subscription about a comment, with what its mail needs."""

    id: str
    address_id: str
    scope: str
    site_id: str
    language: str
    email_sealed: str

    def __repr__(self) -> str:
        return f"Heard(id={self.id!r}, hidden)"


async def list_readers(unit: PrivateRead, comment: Comment, *, after: str, most: int) -> list[Reader]:
    """Return the first addresses after this id, in order, with a subscription to a public comment.

    Those that confirmed it later are not among them; those that get no mail, or not about this comment, are.
    """
    threads, values = in_list("thread", await thread_merge.list_merged(unit, [comment.thread_id]))
    rows = await unit.all(
        f"""
        WITH piece AS (
            SELECT address_id FROM ({_addresses(threads)}) AS every ORDER BY address_id LIMIT CAST(:most AS BIGINT)
        )
        SELECT address.id AS address_id, address.email_sealed, address.email_digest, subscription.daily,
            subscription.id AS subscription_id, COALESCE(address.confirmed_at, address.created_at) AS daily_at,
            CASE WHEN address.suppressed_at IS NULL THEN 0 ELSE 1 END AS is_suppressed,
            CASE WHEN EXISTS (
                SELECT 1 FROM verified_author
                WHERE verified_author.address_id = address.id AND verified_author.author_id = :author_id
            ) OR EXISTS (
                SELECT 1 FROM subscription AS own JOIN comment ON comment.id = own.comment_id
                WHERE own.address_id = address.id AND own.confirmed_at IS NOT NULL AND comment.author_id = :author_id
            ) THEN 1 ELSE 0 END AS is_author
        FROM piece JOIN address ON address.id = piece.address_id
        JOIN subscription ON subscription.address_id = piece.address_id
        WHERE {_CONCERNED.format(threads=threads)}
        ORDER BY address.id, subscription.daily,
            CASE subscription.scope WHEN 'replies' THEN 0 WHEN 'thread' THEN 1 ELSE 2 END, subscription.id
        """,
        after=after,
        most=most,
        answered=comment.answered_id or comment.parent_id,
        site_id=comment.site_id,
        author_id=comment.author_id,
        published_at=comment.published_at,
        **values,
    )
    first: dict[str, Reader] = {}
    for row in rows:
        first.setdefault(row["address_id"], msgspec.convert(dict(row), Reader))
    return list(first.values())


def _addresses(threads: str) -> str:
    """Return a statement for the first addresses of each scope: an index gives each in order, so a piece costs a piece.

    The first ones of all scopes together are among them.
    """
    return " UNION ".join(
        f"""
        SELECT * FROM (
            SELECT DISTINCT address_id FROM subscription
            WHERE scope = '{scope}' AND {condition} AND confirmed_at <= :published_at AND address_id > :after
            ORDER BY address_id LIMIT CAST(:most AS BIGINT)
        ) AS of_{scope}
        """
        for scope, condition in {
            "replies": "comment_id = CAST(:answered AS TEXT)",
            "thread": f"thread_id IN {threads} AND thread_id IS NOT NULL",
            "site": "site_id = :site_id",
        }.items()
    )


async def list_of_own_comment(unit: PrivateRead, comment_id: str, confirmed_by: str) -> list[Reader]:
    """Return the commenter's own address, if they asked for mail about their comment and confirmed it by this time."""
    rows = await unit.all(
        """
        SELECT address.id AS address_id, address.email_sealed, address.email_digest, subscription.daily,
            subscription.id AS subscription_id, address.created_at AS daily_at, 0 AS is_suppressed, 1 AS is_author
        FROM subscription JOIN address ON address.id = subscription.address_id
        WHERE subscription.scope = 'replies' AND subscription.comment_id = :comment_id
          AND subscription.confirmed_at <= :confirmed_by AND address.suppressed_at IS NULL
        ORDER BY subscription.id
        """,
        comment_id=comment_id,
        confirmed_by=confirmed_by,
    )
    return [msgspec.convert(dict(row), Reader) for row in rows]


async def list_heard(unit: PrivateRead, subscription_ids: Sequence[str]) -> dict[str, Heard]:
    """Return subscriptions by id. Those that ended, that are not confirmed, or that get no mail are missing."""
    ids, values = in_list("id", subscription_ids)
    rows = await unit.all(
        f"""
        SELECT subscription.id, subscription.address_id, subscription.scope, subscription.site_id,
            subscription.language, address.email_sealed
        FROM subscription JOIN address ON address.id = subscription.address_id
        WHERE subscription.id IN {ids} AND subscription.confirmed_at IS NOT NULL AND address.suppressed_at IS NULL
        """,
        **values,
    )
    return {row["id"]: msgspec.convert(dict(row), Heard) for row in rows}


async def list_imported(unit: PrivateRead, comment_ids: Sequence[str]) -> set[str]:
    """Return those of these comments that an import brought."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT DISTINCT comment_id FROM decision WHERE comment_id IN {ids} AND actor_kind = 'import'", **values
    )
    return {row["comment_id"] for row in rows}
