"""Contacts of one network: how many comments it sends."""

from typing import Final

from commentsvc.domain.ids import id_prefix
from commentsvc.domain.models import Status
from commentsvc.domain.timestamps import parse_time
from commentsvc.storage import contacts
from commentsvc.storage.database import MAX_CLOCK_SKEW, PrivateRead

# A network's comments of the last days, by ranges of ids in the index of networks. Ids begin with a time.
OF_NETWORK: Final = (
    f"network = :network AND status IN ({', '.join(repr(one.value) for one in Status)}) AND comment_id > :first"
)

# Numbers of comments on a site that a person called spam: of a network, and of an author. It looks at up to 100
# comments of each, so that it takes the same time with many.
_IS_MARKED: Final = "memory.site_id = :site_id AND memory.label = 'spam' AND memory.source = 'person'"
MARKED: Final = f"""
    (
        SELECT COUNT(*) FROM (
            SELECT comment_id FROM {contacts.TABLE} WHERE network = CAST(:network AS TEXT) AND status = 'spam'
            ORDER BY comment_id DESC LIMIT 100
        ) AS latest JOIN memory ON memory.comment_id = latest.comment_id
        WHERE latest.comment_id <> :own AND {_IS_MARKED}
    ) AS of_network,
    (
        SELECT COUNT(*) FROM (
            SELECT id FROM comment WHERE author_id = CAST(:author_id AS TEXT) LIMIT 100
        ) AS theirs JOIN memory ON memory.comment_id = theirs.id WHERE theirs.id <> :own AND {_IS_MARKED}
    ) AS of_author
"""


async def recent_activity(
    unit: PrivateRead, network: str, site_id: str, *, day_ago: str, hour_ago: str, before: str, but: str | None
) -> tuple[str | None, int]:
    """Return a network's latest comment time on a site within a day, and its number of comments within an hour.

    Both leave out the comment ``but``.
    """
    row = await unit.one(
        f"""
        SELECT MAX(created_at) AS last, COUNT(CASE WHEN created_at > :hour_ago THEN 1 END) AS number
        FROM {contacts.TABLE}
        WHERE {OF_NETWORK} AND site_id = :site_id AND created_at > :day_ago AND created_at <= :before
          AND comment_id <> COALESCE(CAST(:but AS TEXT), '')
        """,
        first=_first_id(day_ago),
        network=network,
        site_id=site_id,
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
    # The index has the ids of each status in order.
    latest = " UNION ALL ".join(
        f"""
        SELECT comment_id, status FROM (
            SELECT comment_id, status FROM {contacts.TABLE} WHERE network = :network AND status = '{status.value}'
            ORDER BY comment_id DESC LIMIT 100
        ) AS of_{status.value}
        """
        for status in Status
    )
    row = await unit.one(
        f"""
        SELECT 1 AS found FROM (SELECT comment_id, status FROM ({latest}) AS every ORDER BY comment_id DESC LIMIT 100)
            AS latest
        WHERE status = 'spam' AND (
            SELECT actor_kind FROM decision WHERE comment_id = latest.comment_id ORDER BY seq DESC LIMIT 1
        ) = 'person'
        LIMIT 1
        """,
        network=network,
    )
    return row is not None


async def count_since(unit: PrivateRead, network: str, since: str, until: str) -> int:
    """Return the number of comments from a network between two times."""
    row = await unit.one(
        f"""
        SELECT COUNT(*) AS number FROM {contacts.TABLE}
        WHERE {OF_NETWORK} AND created_at >= :since AND created_at <= :until
        """,
        network=network,
        until=until,
        first=_first_id(since),
        since=since,
    )
    return int(row["number"]) if row else 0


def _first_id(time: str) -> str:
    """Return an id that is lower than those of all comments created after this time, whichever server made them."""
    return id_prefix((parse_time(time) - MAX_CLOCK_SKEW).timestamp())
