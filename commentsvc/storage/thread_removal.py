"""Remove threads with everything in them, in pieces."""

from collections.abc import Sequence

from msgspec import Struct

from commentsvc.storage import (
    audit,
    contacts,
    events,
    parcels,
    search,
    site_removal,
    subscriptions,
    thread_list,
)
from commentsvc.storage.database import PrivateRead, Write, in_list, site_condition


class Unpublished(Struct, frozen=True, kw_only=True):
    """Conditions on threads of which nothing was ever public. Times are exact."""

    sites: tuple[str, ...] | None  # ids; None: all sites
    since: str | None = None
    until: str | None = None
    network: str | None = None  # all comments are from it
    q: str | None = None


async def list_unpublished(unit: PrivateRead, where: Unpublished, limit: int) -> list[str]:
    """Return ids of threads of which nothing was ever public, oldest first. Those that a moderator changed are not."""
    on_sites, values = site_condition("thread.site_id", where.sites)
    ids = await thread_list.find_ids(unit, where.sites, where.q, limit) if where.q else None
    listed, more = in_list("found", ids or [])
    clauses = [
        on_sites,
        "thread.published_at IS NULL AND thread.merged_into IS NULL AND thread.key <> ''",
        "thread.closed_at IS NULL AND thread.open_until IS NULL AND thread.mode IS NULL",
        "thread.created_at >= :since" if where.since else "",
        "thread.created_at < :until" if where.until else "",
        f"thread.id IN {listed}" if ids is not None else "",
        _only_from_network() if where.network else "",
    ]
    rows = await unit.all(
        f"""
        SELECT thread.id FROM thread WHERE {" AND ".join(filter(None, clauses))}
        ORDER BY thread.id LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        since=where.since,
        until=where.until,
        network=where.network,
        **values,
        **more,
    )
    return [row["id"] for row in rows]


def _only_from_network() -> str:
    sent = f"""
        SELECT 1 FROM comment JOIN {contacts.TABLE} ON {contacts.TABLE}.comment_id = comment.id
        WHERE comment.thread_id = thread.id AND COALESCE({contacts.TABLE}.network, '')"""
    return f"EXISTS ({sent} = :network) AND NOT EXISTS ({sent} <> :network)"


async def count_comments(unit: PrivateRead, thread_ids: Sequence[str], *, erased: bool) -> dict[str, int]:
    """Return the number of comments of these threads; threads without any are missing. ``erased``: count those too."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(
        f"""
        SELECT thread_id, COUNT(*) AS number FROM comment
        WHERE thread_id IN {ids} {"" if erased else "AND erased_at IS NULL"} GROUP BY thread_id
        """,
        **values,
    )
    return {row["thread_id"]: row["number"] for row in rows}


async def list_last_comments(unit: PrivateRead, thread_ids: Sequence[str], limit: int) -> list[str]:
    """Return ids of comments of these threads, the last in the order of the tree: replies before what they answer."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(
        f"""
        SELECT id FROM comment WHERE thread_id IN {ids}
        ORDER BY thread_id DESC, top DESC, path DESC LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        **values,
    )
    return [row["id"] for row in rows]


async def list_first_comments(unit: PrivateRead, thread_ids: Sequence[str], of_each: int) -> list[str]:
    """Return the ids of the first comments of each of these few threads."""
    if not thread_ids:
        return []
    values = {f"id{at}": one for at, one in enumerate(thread_ids)}
    branches = [
        f"""
        SELECT * FROM (
            SELECT id FROM comment WHERE thread_id = :{name} AND erased_at IS NULL
            ORDER BY id LIMIT CAST(:limit AS BIGINT)
        ) AS of_{name}
        """
        for name in values
    ]
    rows = await unit.all(" UNION ALL ".join(branches), limit=of_each, **values)
    return [row["id"] for row in rows]


async def hide(unit: Write, thread_ids: Sequence[str], now: str) -> None:
    """Close threads, and make them look as if nothing in them was ever public."""
    await events.add_thread_changes(unit, thread_ids)
    ids, values = in_list("id", thread_ids)
    await unit.run(
        f"""
        UPDATE thread SET closed_at = COALESCE(closed_at, :now), published_at = NULL, version = version + 1
        WHERE id IN {ids}
        """,
        now=now,
        **values,
    )


async def delete_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete comments whose replies are among them, with everything that belongs to them."""
    await audit.erase_notes(unit, comment_ids)
    await site_removal.delete_comments(unit, comment_ids)


async def delete_threads(unit: Write, thread_ids: Sequence[str]) -> None:
    """Delete threads without comments, with their names, and the states that actions on them keep."""
    ids, values = in_list("id", thread_ids)
    subjects, named = in_list("subject", [f"thread:{one}" for one in thread_ids])
    await parcels.delete_of_threads(unit, thread_ids)
    await events.add_removed_threads(unit, thread_ids)
    await unit.run(f"UPDATE action SET was = NULL, became = NULL, note = NULL WHERE subject IN {subjects}", **named)
    await search.delete_threads(unit, thread_ids)
    await search.note_erasure(unit)
    await subscriptions.delete_of_threads(unit, thread_ids)
    await unit.run(f"DELETE FROM thread_name WHERE thread_id IN {ids}", **values)
    await unit.run(f"UPDATE thread SET merged_into = NULL WHERE merged_into IN {ids}", **values)
    # The trigger takes the counters off the totals of the site.
    await unit.run(
        f"""
        UPDATE thread SET approved = 0, pending = 0, spam = 0, trash = 0, reported = 0, merged_into = NULL
        WHERE id IN {ids}
        """,
        **values,
    )
    await unit.run(f"DELETE FROM thread WHERE id IN {ids}", **values)
