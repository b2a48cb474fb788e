"""Threads, their names (present and former), and their counters."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

import msgspec

from commentsvc.domain.models import Comment, ReadableThread, Thread
from commentsvc.storage import events, search
from commentsvc.storage.database import PrivateRead, PublicRead, RetryUnit, Write, in_list

COLUMNS: Final = ", ".join(f"thread.{name}" for name in Thread.__struct_fields__)
READABLE: Final = ", ".join(f"thread.{name}" for name in ReadableThread.__struct_fields__)
# Counters for moderators; they leave out erased comments. ``record_change`` updates ``approved``, which is public.
COUNTERS: Final = ("pending", "spam", "trash", "reported")

BY_NAME: Final = """
    SELECT {} FROM thread_name JOIN thread ON thread.id = thread_name.thread_id
    WHERE thread_name.site_id = :site_id AND thread_name.name = :name
"""


async def find_readable(unit: PublicRead, site_id: str, name: str) -> ReadableThread | None:
    """Return the thread that has or had this name, as public connections may read it."""
    row = await unit.one(BY_NAME.format(READABLE), site_id=site_id, name=name)
    return msgspec.convert(dict(row), ReadableThread) if row else None


async def get_readable(unit: PublicRead, thread_ids: Sequence[str]) -> dict[str, ReadableThread]:
    """Return threads by id, as public connections may read them; unknown ids are missing."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(f"SELECT {READABLE} FROM thread WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), ReadableThread) for row in rows}


async def get_by_name(unit: PrivateRead, site_id: str, name: str) -> Thread | None:
    """Return the thread that has or had this name."""
    row = await unit.one(BY_NAME.format(COLUMNS), site_id=site_id, name=name)
    return msgspec.convert(dict(row), Thread) if row else None


async def get(unit: PrivateRead, thread_id: str) -> Thread | None:
    """Return a thread."""
    row = await unit.one(f"SELECT {COLUMNS} FROM thread WHERE id = :id", id=thread_id)
    return msgspec.convert(dict(row), Thread) if row else None


async def get_many(unit: PrivateRead, thread_ids: Sequence[str]) -> dict[str, Thread]:
    """Return threads by id; unknown ids are missing."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM thread WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Thread) for row in rows}


async def add(unit: Write, thread: Thread) -> bool:
    """Insert a thread with its key as its first name; insert nothing and return False if the name is taken."""
    await unit.run(
        """
        INSERT INTO thread (id, site_id, key, url, title, created_at)
        VALUES (:id, :site_id, :key, :url, :title, :created_at)
        """,
        id=thread.id,
        site_id=thread.site_id,
        key=thread.key,
        url=thread.url,
        title=thread.title,
        created_at=thread.created_at,
    )
    if await add_name(unit, thread.site_id, thread.key, thread.id):
        await search.add_thread(unit, thread.id, thread.site_id, thread.key, thread.title)
        return True
    await unit.run("DELETE FROM thread WHERE id = :id", id=thread.id)
    return False


async def add_name(unit: Write, site_id: str, name: str, thread_id: str, *, given: bool = False) -> bool:
    """Give a thread another name; return False if another thread has it. ``given``: by a moderator."""
    row = await unit.one(
        """
        INSERT INTO thread_name (site_id, name, thread_id, given) VALUES (:site_id, :name, :thread_id, :given)
        ON CONFLICT (site_id, name) DO UPDATE SET
            given = CASE WHEN excluded.given = 1 THEN 1 ELSE thread_name.given END
            WHERE thread_name.thread_id = excluded.thread_id
        RETURNING name
        """,
        site_id=site_id,
        name=name,
        thread_id=thread_id,
        given=int(given),
    )
    return row is not None


async def list_names(unit: PublicRead, thread_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return every name of these threads, in the order of code points, by thread id."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(f"SELECT thread_id, name FROM thread_name WHERE thread_id IN {ids} ORDER BY name", **values)
    names: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        names[row["thread_id"]].append(row["name"])
    for found in names.values():
        found.sort()  # each PostgreSQL has its own order
    return names


async def move_names(unit: Write, site_id: str, given: Sequence[str], thread_id: str) -> None:
    """Assign these names of a site to a thread, whichever threads they belonged to."""
    listed, values = in_list("name", given)
    await unit.run(
        f"UPDATE thread_name SET thread_id = :thread_id WHERE site_id = :site_id AND name IN {listed}",
        site_id=site_id,
        thread_id=thread_id,
        **values,
    )


async def lock_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Lock the threads of these comments until this unit of work ends. Call it before the unit changes anything.

    SQLite has one writer, so this matters on PostgreSQL only: rows are locked in the order of their ids, so that
    concurrent decisions wait for each other and never deadlock.

    Raises:
        RetryUnit: comments were moved to another thread during the wait. Locking that thread now would break the
            order, so the driver runs the unit again.
    """
    locked = await _list_thread_ids(unit, comment_ids)
    await lock_many(unit, locked)
    if not await _list_thread_ids(unit, comment_ids) <= locked:
        raise RetryUnit


async def _list_thread_ids(unit: PublicRead, comment_ids: Sequence[str]) -> set[str]:
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT DISTINCT thread_id FROM comment WHERE id IN {ids}", **values)
    return {row["thread_id"] for row in rows}


async def lock_many(unit: Write, thread_ids: Collection[str]) -> None:
    """Lock threads until this unit of work ends, in the order of their ids."""
    for thread_id in sorted(thread_ids):
        await lock(unit, thread_id)


async def lock(unit: Write, thread_id: str) -> None:
    """Lock a thread until this unit of work ends."""
    await unit.run("UPDATE thread SET last_seq = last_seq WHERE id = :id", id=thread_id)


async def record_change(unit: Write, comment: Comment, approved: int, now: str) -> None:
    """Record that a comment changed the public listing: increase the version, add ``approved`` to the counter.

    The first approval makes a thread public, with the address that came with this comment. Its title needs a person:
    see ``take_titles``.
    """
    await unit.run(
        """
        UPDATE thread SET version = version + 1, approved = approved + CAST(:approved AS BIGINT) WHERE id = :id
        """,
        id=comment.thread_id,
        approved=approved,
    )
    if approved > 0:
        await _publish(unit, comment, now)


async def _publish(unit: Write, comment: Comment, now: str) -> None:
    await unit.run(
        "UPDATE thread SET published_at = :now, url = COALESCE(url, :url) WHERE id = :id AND published_at IS NULL",
        id=comment.thread_id,
        now=now,
        url=comment.page_url,
    )


async def take_titles(unit: Write, approved: Sequence[Comment]) -> None:
    """Give threads without a title the one that came with a comment: a person has seen it, and approved the comment."""
    titles: dict[str, str] = {}
    for comment in approved:
        if comment.page_title:
            titles.setdefault(comment.thread_id, comment.page_title)
    for thread_id, title in sorted(titles.items()):
        changed = await unit.one(
            """
            UPDATE thread SET title = :title, version = version + 1 WHERE id = :id AND title IS NULL
            RETURNING site_id, key, title
            """,
            id=thread_id,
            title=title,
        )
        if changed:
            await search.set_thread(unit, thread_id, **dict(changed))


async def record_changes(unit: Write, changed: Mapping[str, Sequence[Comment]], sign: Literal[1, -1], now: str) -> None:
    """Record that comments, by thread id, appeared in (``sign`` 1) or left (-1) the public listing."""
    by_count: defaultdict[int, list[str]] = defaultdict(list)
    for thread_id, comments in changed.items():
        by_count[len(comments)].append(thread_id)
    for number, thread_ids in sorted(by_count.items()):
        ids, values = in_list("id", thread_ids)
        rows = await unit.all(
            f"""
            UPDATE thread SET version = version + 1, approved = approved + CAST(:approved AS BIGINT) WHERE id IN {ids}
            RETURNING id, published_at
            """,
            approved=sign * number,
            **values,
        )
        for row in rows:
            if sign > 0 and row["published_at"] is None:
                await _publish(unit, changed[row["id"]][0], now)


async def set_counters(unit: Write, changes: Mapping[str, Mapping[str, int]]) -> None:
    """Add to the counters of threads. ``changes``: thread id -> counter name -> difference."""
    by_numbers: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for thread_id, differences in changes.items():
        by_numbers[tuple(differences.get(name, 0) for name in COUNTERS)].append(thread_id)
    counts = ", ".join(f"{name} = {name} + CAST(:{name} AS BIGINT)" for name in COUNTERS)
    for numbers, thread_ids in sorted(by_numbers.items()):
        if any(numbers):
            ids, values = in_list("id", thread_ids)
            values |= zip(COUNTERS, numbers, strict=True)
            await unit.later(f"UPDATE thread SET {counts} WHERE id IN {ids}", **values)


async def update(
    unit: Write,
    thread: Thread,
    *,
    key: str,
    url: str | None,
    title: str | None,
    closed_at: str | None,
    open_until: str | None,
    mode: str | None,
) -> None:
    """Set a thread's key, address, title, closing times and moderation mode; increase its version."""
    await unit.run(
        """
        UPDATE thread SET key = :key, url = :url, title = :title, closed_at = :closed_at,
            open_until = :open_until, mode = :mode, version = version + 1
        WHERE id = :id
        """,
        id=thread.id,
        key=key,
        url=url,
        title=title,
        closed_at=closed_at,
        open_until=open_until,
        mode=mode,
    )
    await search.set_thread(unit, thread.id, thread.site_id, key, title)
    await events.add_thread_changes(unit, [thread.id])


async def note_title(unit: Write, thread_id: str) -> None:
    """Note that a moderator gave a thread its title. It stays when the last comment is erased."""
    await unit.run("UPDATE thread SET given_title = title WHERE id = :id", id=thread_id)


async def count_pending(unit: PrivateRead, thread_id: str) -> int:
    """Return the number of a thread's pending comments."""
    row = await unit.one("SELECT pending FROM thread WHERE id = :id", id=thread_id)
    return int(row["pending"]) if row else 0
