"""Threads and all the names they ever had."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

import msgspec

from commentsvc.domain.models import Comment, Thread
from commentsvc.storage.database import PublicRead, RetryUnit, Row, Write, in_list, site_condition

COLUMNS = """thread.id, thread.site_id, thread.key, thread.url, thread.title, thread.approved, thread.version,
    thread.created_at, thread.published_at, thread.closed_at, thread.mode, thread.merged_into"""
# What a thread counts of its comments for moderators; erased ones are in none. ``approved`` is public: see ``changed``.
COUNTED: Final = ("pending", "spam", "trash", "reported")


async def get_by_name(unit: PublicRead, site_id: str, name: str) -> Thread | None:
    """The thread that has, or once had, this name."""
    row = await unit.one(
        f"""
        SELECT {COLUMNS} FROM thread_name JOIN thread ON thread.id = thread_name.thread_id
        WHERE thread_name.site_id = :site_id AND thread_name.name = :name
        """,
        site_id=site_id,
        name=name,
    )
    return msgspec.convert(dict(row), Thread) if row else None


async def get(unit: PublicRead, thread_id: str) -> Thread | None:
    """One thread."""
    row = await unit.one(f"SELECT {COLUMNS} FROM thread WHERE id = :id", id=thread_id)
    return msgspec.convert(dict(row), Thread) if row else None


async def get_many(unit: PublicRead, thread_ids: Sequence[str]) -> dict[str, Thread]:
    """Threads by id."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM thread WHERE id IN {ids}", **values)
    return {row["id"]: msgspec.convert(dict(row), Thread) for row in rows}


async def add(unit: Write, thread: Thread) -> bool:
    """Keep a new thread under its key; False if the name is taken, and nothing is kept."""
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
        return True
    await unit.run("DELETE FROM thread WHERE id = :id", id=thread.id)
    return False


async def add_name(unit: Write, site_id: str, name: str, thread_id: str) -> bool:
    """Let a thread be found by one more name; False if another thread has it."""
    row = await unit.one(
        """
        INSERT INTO thread_name (site_id, name, thread_id) VALUES (:site_id, :name, :thread_id)
        ON CONFLICT (site_id, name) DO UPDATE SET thread_id = excluded.thread_id
            WHERE thread_name.thread_id = excluded.thread_id
        RETURNING name
        """,
        site_id=site_id,
        name=name,
        thread_id=thread_id,
    )
    return row is not None


async def list_names(unit: PublicRead, thread_id: str) -> list[str]:
    """Every name of a thread, sorted."""
    rows = await unit.all("SELECT name FROM thread_name WHERE thread_id = :id ORDER BY name", id=thread_id)
    return [row["name"] for row in rows]


async def move_names(unit: Write, site_id: str, given: Sequence[str], thread_id: str) -> None:
    """Let these names of a site lead to this thread from now on, whichever they led to."""
    listed, values = in_list("name", given)
    await unit.run(
        f"UPDATE thread_name SET thread_id = :thread_id WHERE site_id = :site_id AND name IN {listed}",
        site_id=site_id,
        thread_id=thread_id,
        **values,
    )


async def lock_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Let nobody else change the threads of these comments until this unit of work ends.

    SQLite has one writer anyway. On PostgreSQL the rows are locked, always in the same order, so that two
    who decide at once wait for each other and neither works from what the other has changed. Call it before anything
    else is changed: where comments were moved to another thread meanwhile, the whole unit of work begins anew, since
    going on from here would lock threads out of that order.
    """
    held = await _of(unit, comment_ids)
    await lock_many(unit, held)
    if not await _of(unit, comment_ids) <= held:
        raise RetryUnit


async def _of(unit: PublicRead, comment_ids: Sequence[str]) -> set[str]:
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT DISTINCT thread_id FROM comment WHERE id IN {ids}", **values)
    return {row["thread_id"] for row in rows}


async def lock_many(unit: Write, thread_ids: Collection[str]) -> None:
    """The same for these threads."""
    for thread_id in sorted(thread_ids):
        await lock(unit, thread_id)


async def lock(unit: Write, thread_id: str) -> None:
    """The same for one thread."""
    await unit.run("UPDATE thread SET last_seq = last_seq WHERE id = :id", id=thread_id)


async def next_seq(unit: Write, thread_id: str, *, even_closed: bool = False) -> int | None:
    """The next comment's number; None where the thread is closed and that matters, or was merged into another.

    On PostgreSQL this also makes writers of one thread wait for each other.
    """
    row = await unit.one(
        f"""
        UPDATE thread SET last_seq = last_seq + 1
        WHERE id = :id AND merged_into IS NULL {"" if even_closed else "AND closed_at IS NULL"}
        RETURNING last_seq
        """,
        id=thread_id,
    )
    return int(row["last_seq"]) if row else None


async def record_change(unit: Write, comment: Comment, approved: int, now: str) -> None:
    """A public byte changed by this comment, and the count of approved ones by ``approved``.

    With its first approval a thread becomes public; until then nobody had checked its address and title.
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
        """
        UPDATE thread SET published_at = :now, url = COALESCE(url, :url), title = COALESCE(title, :title)
        WHERE id = :id AND published_at IS NULL
        """,
        id=comment.thread_id,
        now=now,
        url=comment.page_url,
        title=comment.page_title,
    )


async def record_changes(unit: Write, turned: Mapping[str, Sequence[Comment]], sign: Literal[1, -1], now: str) -> None:
    """The same for many comments, by thread id, that came into sight (1) or went out of it (-1)."""
    alike: defaultdict[int, list[str]] = defaultdict(list)
    for thread_id, comments in turned.items():
        alike[len(comments)].append(thread_id)
    for number, thread_ids in sorted(alike.items()):
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
                await _publish(unit, turned[row["id"]][0], now)


async def set_counters(unit: Write, changes: Mapping[str, Mapping[str, int]]) -> None:
    """Keep count: by how many the comments in each status, and the reported ones, became more, by thread id."""
    alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for thread_id, by in changes.items():
        alike[tuple(by.get(name, 0) for name in COUNTED)].append(thread_id)
    counts = ", ".join(f"{name} = {name} + CAST(:{name} AS BIGINT)" for name in COUNTED)
    for numbers, thread_ids in sorted(alike.items()):
        if any(numbers):
            ids, values = in_list("id", thread_ids)
            values |= zip(COUNTED, numbers, strict=True)
            await unit.run(f"UPDATE thread SET {counts} WHERE id IN {ids}", **values)


async def update(
    unit: Write,
    thread_id: str,
    *,
    key: str,
    url: str | None,
    title: str | None,
    closed_at: str | None,
    mode: str | None,
) -> None:
    """Rename, retitle, close or open, or say who is held."""
    await unit.run(
        """
        UPDATE thread SET key = :key, url = :url, title = :title, closed_at = :closed_at, mode = :mode,
            version = version + 1
        WHERE id = :id
        """,
        id=thread_id,
        key=key,
        url=url,
        title=title,
        closed_at=closed_at,
        mode=mode,
    )


async def count_approved(unit: PublicRead, site_id: str, asked: Sequence[str]) -> dict[str, int]:
    """Approved comments of each thread that is known by one of these names."""
    listed, values = in_list("name", asked)
    rows = await unit.all(
        f"""
        SELECT thread_name.name, thread.approved FROM thread_name JOIN thread ON thread.id = thread_name.thread_id
        WHERE thread_name.site_id = :site_id AND thread_name.name IN {listed}
        """,
        site_id=site_id,
        **values,
    )
    return {row["name"]: row["approved"] for row in rows}


async def count_by_status(unit: PublicRead, sites: Sequence[str] | None) -> Row:
    """``pending, approved, spam, trash, reported``: how many comments of all threads stand where."""
    reach, values = site_condition("site_id", sites)
    sums = ", ".join(f"CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}" for name in ("approved", *COUNTED))
    (row,) = await unit.all(f"SELECT {sums} FROM thread WHERE {reach}", **values)
    return row


async def list_page(
    unit: PublicRead, sites: Sequence[str] | None, before: str | None, limit: int, q: str | None = None
) -> Sequence[Row]:
    """Threads, newest first, with how many of their comments wait; none that was merged into another.

    ``q`` is in their titles or names.
    """
    reach, values = site_condition("site_id", sites)
    called = "LOWER(COALESCE(title, '') || ' ' || key)"
    return await unit.all(
        f"""
        SELECT {COLUMNS}, thread.pending FROM thread
        WHERE {reach} AND merged_into IS NULL {f"AND REPLACE({called}, :q, '') <> {called}" if q else ""}
          AND (CAST(:before AS TEXT) IS NULL OR id < :before)
        ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        before=before,
        q=q and q.lower(),
        limit=limit,
        **values,
    )
