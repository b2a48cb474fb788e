"""Number new comments in their threads, and count them."""

import msgspec

from commentsvc.domain.models import Comment, Status, Thread
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PublicRead, Write


async def take_number(unit: Write, site_id: str, name: str) -> tuple[Thread, int] | None:
    """Return the thread with this name and the number of its next comment; None if it is closed or missing.

    On PostgreSQL this also locks the thread. Another unit may have moved the name during the wait: see ``has_name``.
    """
    row = await unit.one(
        f"""
        UPDATE thread SET last_seq = last_seq + 1
        WHERE id = (SELECT thread_id FROM thread_name WHERE site_id = :site_id AND name = :name)
            AND merged_into IS NULL AND closed_at IS NULL
        RETURNING {threads.COLUMNS}, last_seq
        """,
        site_id=site_id,
        name=name,
    )
    return (msgspec.convert(dict(row), Thread), int(row["last_seq"])) if row else None


async def has_name(unit: PublicRead, thread: Thread, name: str) -> bool:
    """Return whether a thread has or had this name."""
    row = await unit.one(
        "SELECT thread_id FROM thread_name WHERE site_id = :site_id AND name = :name", site_id=thread.site_id, name=name
    )
    return row is not None and row["thread_id"] == thread.id


async def next_seq(unit: Write, thread_id: str) -> int | None:
    """Return the number for a thread's next comment, even if it is closed; None if it was merged into another.

    On PostgreSQL this also locks the thread.
    """
    row = await unit.one(
        "UPDATE thread SET last_seq = last_seq + 1 WHERE id = :id AND merged_into IS NULL RETURNING last_seq",
        id=thread_id,
    )
    return int(row["last_seq"]) if row else None


async def count_new(unit: Write, comment: Comment, thread: Thread) -> None:
    """Count a new comment in its thread, which this unit has locked, and its parent. Publish the thread if needed."""
    if comment.status is not Status.APPROVED:
        await threads.set_counters(unit, {thread.id: {comment.status: 1}})
        return
    url = comment.page_url if thread.published_at is None and thread.url is None else thread.url
    await unit.later(
        """
        UPDATE thread SET version = version + 1, approved = approved + 1, published_at = COALESCE(published_at, :now),
            url = :url
        WHERE id = :id
        """,
        id=thread.id,
        now=comment.created_at,
        url=url,
    )
    if comment.parent_id:
        await _count_reply(unit, comment.parent_id, comment.created_at)


async def _count_reply(unit: Write, parent_id: str, now: str) -> None:
    parent = await unit.one(
        "UPDATE comment SET listed_replies = listed_replies + 1 WHERE id = :id RETURNING listed_at", id=parent_id
    )
    if parent and parent["listed_at"] is None:
        await comments.update_listing(unit, parent_id, now)
