"""Forget the page of a thread whose comments are all erased: the names, address and title that came with them."""

from collections.abc import Sequence

from commentsvc.storage import events, search, thread_merge
from commentsvc.storage.database import PublicRead, Row, Write, in_list


async def forget_page(unit: Write, thread_id: str) -> None:
    """Delete the names, address and title that came with comments, if all comments of the thread are erased.

    A title and addresses by moderators stay. If they changed something else, such as closing it, its current address
    stays too: their change is about this page. So it does for those who get mail about it. The caller has locked the
    thread.
    """
    thread = await unit.one(
        """
        SELECT id, site_id, key, url, title, given_title, closed_at, open_until, mode, (
            SELECT COUNT(*) FROM subscription
            WHERE thread_id = thread.id AND scope = 'thread' AND confirmed_at IS NOT NULL
        ) AS subscribers FROM thread
        WHERE id = :id AND NOT EXISTS (SELECT 1 FROM comment WHERE thread_id = :id AND erased_at IS NULL)
        """,
        id=thread_id,
    )
    if thread is not None:
        await _forget(unit, thread)


async def _forget(unit: Write, thread: Row) -> None:
    title = thread["title"] if thread["title"] == thread["given_title"] else None
    kept = await _list_given(unit, thread["id"])
    if title or thread["closed_at"] or thread["open_until"] or thread["mode"] or thread["subscribers"]:
        kept.append(thread["key"])
    key = thread["key"] if thread["key"] in kept else next(iter(kept), "")
    listed, values = in_list("name", kept or [""])
    await unit.run(f"DELETE FROM thread_name WHERE thread_id = :id AND name NOT IN {listed}", id=thread["id"], **values)
    await unit.run(
        "UPDATE thread SET key = :key, url = :url, title = :title, version = version + 1 WHERE id = :id",
        id=thread["id"],
        key=key,
        url=thread["url"] if key == thread["key"] else None,
        title=title,
    )
    await events.add_thread_changes(unit, [thread["id"]])
    together = await thread_merge.list_merged(unit, [thread["id"]])
    merged, more = in_list("merged", together[1:])
    await unit.run(f"UPDATE thread SET key = '', url = NULL, title = NULL WHERE id IN {merged}", **more)
    await search.delete_threads(unit, together[1:] if key else together)
    if key:
        await search.set_thread(unit, thread["id"], thread["site_id"], key, title)
    await _forget_states(unit, together)
    await search.note_erasure(unit)


async def _list_given(unit: PublicRead, thread_id: str) -> list[str]:
    rows = await unit.all(
        "SELECT name FROM thread_name WHERE thread_id = :id AND given = 1 ORDER BY name", id=thread_id
    )
    return sorted(row["name"] for row in rows)  # each PostgreSQL has its own order


async def _forget_states(unit: Write, thread_ids: Sequence[str]) -> None:
    """Delete the names and titles that actions keep, to undo them."""
    subjects, values = in_list("subject", [f"thread:{one}" for one in thread_ids])
    words = " OR ".join(f"was LIKE '%\"{name}\"%'" for name in ("key", "url", "title", "names"))
    await unit.run(f"UPDATE action SET was = NULL, became = NULL WHERE subject IN {subjects} AND ({words})", **values)
