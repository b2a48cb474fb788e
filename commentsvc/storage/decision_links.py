"""Links in mails to moderators, which decide on a waiting comment. One row is all the links of one mail."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.storage.database import PrivateRead, Write, in_list

LINK_DAYS: Final = 7  # for which a link works


class StoredLink(Struct, frozen=True, kw_only=True):
    """The links of a mail: for whom, about which comment, and what they did."""

    id: str
    moderator_id: str
    comment_id: str
    version: int
    created_at: str
    expires_at: str
    used_at: str | None
    action_id: str | None


async def add(unit: Write, link: StoredLink) -> None:
    """Insert the links of a mail. Those of another attempt at the same mail get the version that it shows."""
    await unit.run(
        """
        INSERT INTO decision_link (id, moderator_id, comment_id, version, created_at, expires_at)
        VALUES (:id, :moderator_id, :comment_id, :version, :created_at, :expires_at)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at
        """,
        id=link.id,
        moderator_id=link.moderator_id,
        comment_id=link.comment_id,
        version=link.version,
        created_at=link.created_at,
        expires_at=link.expires_at,
    )


async def get(unit: PrivateRead, link_id: str) -> StoredLink | None:
    """Return the links of a mail."""
    row = await unit.one(
        f"SELECT {', '.join(StoredLink.__struct_fields__)} FROM decision_link WHERE id = :id", id=link_id
    )
    return msgspec.convert(dict(row), StoredLink) if row else None


async def use(unit: Write, link_id: str, action_id: str, now: str) -> bool:
    """Store what the links of a mail did; return False if one of them was used before."""
    changed = await unit.run(
        "UPDATE decision_link SET used_at = :now, action_id = :action_id WHERE id = :id AND used_at IS NULL",
        id=link_id,
        action_id=action_id,
        now=now,
    )
    return changed == 1


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the links about comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM decision_link WHERE comment_id IN {ids}", **values)


async def delete_of_moderator(unit: Write, moderator_id: str) -> None:
    """Delete the links of a moderator."""
    await unit.run("DELETE FROM decision_link WHERE moderator_id = :id", id=moderator_id)


async def delete_expired(unit: Write, now: str) -> None:
    """Delete links that are not valid any more."""
    await unit.run("DELETE FROM decision_link WHERE expires_at < :now", now=now)


async def bring_back(unit: Write, latest: str) -> None:
    """Let links that expire after ``latest`` expire then: the clock was ahead when their mail was written."""
    await unit.run("UPDATE decision_link SET expires_at = :latest WHERE expires_at > :latest", latest=latest)
