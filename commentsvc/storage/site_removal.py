"""Remove a site with everything that belongs to it: comments in pieces, then the rest at once."""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage import contacts, day_totals, directory_version, events, memory, search
from commentsvc.storage.database import PrivateRead, Write, in_list

IS_LEAF: Final = "NOT EXISTS (SELECT 1 FROM comment reply WHERE reply.parent_id = comment.id)"
# Tables whose rows belong to one comment.
OF_COMMENTS: Final = (
    *("decision", "revision", "action_item", "report"),
    *("event", "parcel", "subscription", "decision_link", "hook_verdict"),
)
# Tables whose rows belong to one site, in the order in which foreign keys allow deleting them.
OF_SITES: Final = (
    "event parcel subscription confirmation verified_author queue_feed webhook import_job "
    "imported thread_name thread site_total arrival_total thread_total wait_total rule_total "
    "hook_verdict memory spam_filter rule submission api_key moderator_site site_origin"
)


async def count_comments(unit: PrivateRead, site_id: str) -> int:
    """Return the number of comments of a site, in any status, without erased ones."""
    (row,) = await unit.all(
        "SELECT COUNT(*) AS number FROM comment WHERE site_id = :site_id AND erased_at IS NULL", site_id=site_id
    )
    return int(row["number"])


async def has_comments(unit: PrivateRead, site_id: str) -> bool:
    """Return whether a site has any comment, even an erased one."""
    return (
        await unit.one("SELECT 1 AS found FROM comment WHERE site_id = :site_id LIMIT 1", site_id=site_id) is not None
    )


async def has_own_moderators(unit: PrivateRead, site_id: str) -> bool:
    """Return whether a present moderator has access to this site and to no other."""
    row = await unit.one(
        """
        SELECT 1 AS found FROM moderator JOIN moderator_site own ON own.moderator_id = moderator.id
        WHERE own.site_id = :site_id AND moderator.removed_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM moderator_site other
            WHERE other.moderator_id = moderator.id AND other.site_id <> own.site_id
        )
        LIMIT 1
        """,
        site_id=site_id,
    )
    return row is not None


async def hide_threads(unit: Write, site_id: str, now: str) -> None:
    """Close all threads of a site, and make them look as if nothing in them was ever public."""
    await unit.run(
        """
        UPDATE thread SET closed_at = COALESCE(closed_at, :now), published_at = NULL, version = version + 1
        WHERE site_id = :site_id
        """,
        site_id=site_id,
        now=now,
    )


async def list_leaves(unit: PrivateRead, site_id: str, limit: int) -> list[str]:
    """Return ids of comments of a site that have no replies."""
    rows = await unit.all(
        f"SELECT id FROM comment WHERE site_id = :site_id AND {IS_LEAF} LIMIT CAST(:limit AS BIGINT)",
        site_id=site_id,
        limit=limit,
    )
    return [row["id"] for row in rows]


async def delete_leaves(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete those of these comments that have no replies, with everything that belongs to them."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT id FROM comment WHERE id IN {ids} AND {IS_LEAF}", **values)
    await delete_comments(unit, [row["id"] for row in rows])


async def delete_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete comments whose replies are among them, with everything that belongs to them."""
    ids, values = in_list("id", comment_ids)
    await unit.run(
        f"""
        UPDATE action SET note = NULL
        WHERE note IS NOT NULL AND id IN (SELECT action_id FROM action_item WHERE comment_id IN {ids})
        """,
        **values,
    )
    await day_totals.forget_decisions(unit, comment_ids)
    await memory.remove_labels(unit, comment_ids)
    await contacts.delete_many(unit, comment_ids)
    await search.delete_many(unit, comment_ids)
    for table in OF_COMMENTS:
        await unit.run(f"DELETE FROM {table} WHERE comment_id IN {ids}", **values)
    await unit.run(f"DELETE FROM comment WHERE id IN {ids}", **values)


async def delete_parcels(unit: Write, site_id: str, most: int) -> int:
    """Delete up to so many mails and requests to webhooks about a site; return their number."""
    return await unit.run(
        """
        DELETE FROM parcel WHERE id IN (
            SELECT id FROM parcel WHERE site_id = :site_id LIMIT CAST(:most AS BIGINT)
        )
        """,
        site_id=site_id,
        most=most,
    )


async def delete_site(unit: Write, site_id: str) -> None:
    """Delete a site without comments: its threads, rules, origins, keys and their sessions, and all notes about it."""
    await _announce_removal(unit, site_id)
    await unit.run(
        """
        UPDATE action SET was = NULL, became = NULL, note = NULL
        WHERE subject = 'site:' || CAST(:site_id AS TEXT)
            OR subject IN (SELECT 'thread:' || id FROM thread WHERE site_id = :site_id)
            OR subject IN (SELECT 'rule:' || id FROM rule WHERE site_id = :site_id)
        """,
        site_id=site_id,
    )
    await unit.run(
        "UPDATE audit SET salt = NULL, note = NULL WHERE site_id = :site_id AND note IS NOT NULL", site_id=site_id
    )
    for column in ("key_hash", "old_hash"):
        await unit.run(
            f"DELETE FROM session WHERE key_hash IN (SELECT {column} FROM api_key WHERE site_id = :site_id)",
            site_id=site_id,
        )
    rows = await unit.all("SELECT id FROM thread WHERE site_id = :site_id", site_id=site_id)
    await search.delete_threads(unit, [row["id"] for row in rows])
    await unit.run("UPDATE thread SET merged_into = NULL WHERE site_id = :site_id", site_id=site_id)
    for table in OF_SITES.split():
        await unit.run(f"DELETE FROM {table} WHERE site_id = :site_id", site_id=site_id)
    await unit.run("DELETE FROM site WHERE id = :site_id", site_id=site_id)
    await directory_version.renew(unit)


async def _announce_removal(unit: Write, site_id: str) -> None:
    site = await unit.one("SELECT name FROM site WHERE id = :site_id", site_id=site_id)
    if site:
        await events.add_removed_site(unit, site_id, site["name"])
