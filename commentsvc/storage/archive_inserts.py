"""Insert rows of an archive with their ids. Rows that exist already stay as they are."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc.storage import directory_version
from commentsvc.storage.archive_rows import DECISION_COLUMNS, REPORT_COLUMNS, REVISION_COLUMNS, THREAD_COLUMNS
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

# Tables with rows of sites that are in use, beside their threads.
USES: Final = ("thread", "rule", "api_key", "moderator_site", "webhook", "queue_feed", "subscription")


async def insert_rows(unit: Write, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with the same columns, in this order."""
    if rows:
        columns = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        await unit.run_many(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)


async def has_threads(unit: PrivateRead) -> bool:
    """Return whether there is any thread."""
    return await unit.one("SELECT 1 AS found FROM thread LIMIT 1") is not None


async def list_site_names(unit: PrivateRead) -> Sequence[Row]:
    """Return ``id, name, origins`` of the sites; ``origins`` is their number."""
    return await unit.all(
        """
        SELECT id, name, (SELECT COUNT(*) FROM site_origin WHERE site_id = site.id) AS origins FROM site ORDER BY id
        """
    )


async def delete_unused_site(unit: Write, site_id: str) -> bool:
    """Delete a site that has nothing but origins; return whether this was done."""
    for table in USES:
        if await unit.one(f"SELECT 1 AS found FROM {table} WHERE site_id = :id LIMIT 1", id=site_id):
            return False
    for table in ("site_origin", "site_total"):
        await unit.run(f"DELETE FROM {table} WHERE site_id = :id", id=site_id)
    await unit.run("DELETE FROM site WHERE id = :id", id=site_id)
    await directory_version.renew(unit)
    return True


async def add_site(unit: Write, values: Mapping[str, Any]) -> None:
    """Insert a site."""
    await insert_rows(unit, "site", [values])
    await directory_version.renew(unit)


async def find_moderator(unit: PrivateRead, moderator_id: str, name: str) -> str | None:
    """Return the id of the moderator with this id, or else with this name."""
    row = await unit.one(
        """
        SELECT id FROM moderator WHERE id = :id OR name = :name ORDER BY CASE WHEN id = :id THEN 0 ELSE 1 END LIMIT 1
        """,
        id=moderator_id,
        name=name,
    )
    return row["id"] if row else None


async def list_known(unit: PrivateRead, table: str, ids: Sequence[str]) -> set[str]:
    """Return those of these ids that a table has."""
    listed, values = in_list("id", ids)
    return {row["id"] for row in await unit.all(f"SELECT id FROM {table} WHERE id IN {listed}", **values)}


async def find_sites(unit: PrivateRead, table: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the sites of those of these ids that a table has."""
    listed, values = in_list("id", ids)
    return {
        row["id"]: row["site_id"]
        for row in await unit.all(f"SELECT id, site_id FROM {table} WHERE id IN {listed}", **values)
    }


async def find_thread(unit: PrivateRead, thread_id: str, site_id: str, names: Sequence[str]) -> Row | None:
    """Return ``id, merged_into, site_id`` of the thread with this id, or else with one of these names on the site."""
    row = await unit.one("SELECT id, merged_into, site_id FROM thread WHERE id = :id", id=thread_id)
    if row or not names:
        return row
    listed, values = in_list("name", names)
    return await unit.one(
        f"""
        SELECT thread.id, thread.merged_into, thread.site_id
        FROM thread_name JOIN thread ON thread.id = thread_name.thread_id
        WHERE thread_name.site_id = :site AND thread_name.name IN {listed} ORDER BY thread.id LIMIT 1
        """,
        site=site_id,
        **values,
    )


async def add_thread(unit: Write, values: Mapping[str, Any], names: Sequence[tuple[str, bool]]) -> None:
    """Insert a thread without comments, and its names: ``(name, given by a moderator)``."""
    columns = THREAD_COLUMNS.split(", ")
    await insert_rows(unit, "thread", [{name: values[name] for name in columns}])
    named = [
        {"site_id": values["site_id"], "name": name, "thread_id": values["id"], "given": int(given)}
        for name, given in names
    ]
    await insert_rows(unit, "thread_name", named)


async def list_places(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Row]:
    """Return ``id, thread_id, path, depth`` of these comments by id."""
    listed, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT id, thread_id, path, depth FROM comment WHERE id IN {listed}", **values)
    return {row["id"]: row for row in rows}


async def list_taken_paths(unit: PrivateRead, paths: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these pairs of a thread and a path that a comment has."""
    threads, values = in_list("thread", sorted({thread for thread, _ in paths}))
    listed, more = in_list("path", sorted({path for _, path in paths}))
    rows = await unit.all(
        f"SELECT thread_id, path FROM comment WHERE thread_id IN {threads} AND path IN {listed}", **values, **more
    )
    return {(row["thread_id"], row["path"]) for row in rows}.intersection(paths)


async def raise_thread(unit: Write, thread_id: str, last_seq: int, approved: int, published_at: str | None) -> None:
    """Let a thread know of imported comments: their greatest number, and those that are public."""
    await unit.run(
        """
        UPDATE thread SET version = version + 1, approved = approved + CAST(:approved AS BIGINT),
            last_seq = CASE WHEN last_seq < CAST(:seq AS BIGINT) THEN CAST(:seq AS BIGINT) ELSE last_seq END,
            published_at = COALESCE(published_at, :published)
        WHERE id = :id
        """,
        id=thread_id,
        seq=last_seq,
        approved=approved,
        published=published_at,
    )


async def set_listed_at(unit: Write, comment_id: str, listed_at: str, now: str) -> None:
    """Set since when a tombstone is listed, if it is listed since ``now``."""
    await unit.run(
        "UPDATE comment SET listed_at = :at WHERE id = :id AND listed_at = :now", id=comment_id, at=listed_at, now=now
    )


async def add_history(
    unit: Write,
    decisions: Sequence[Mapping[str, Any]],
    revisions: Sequence[Mapping[str, Any]],
    reports: Sequence[Mapping[str, Any]],
) -> None:
    """Insert decisions, revisions and reports of comments; of each comment in this order."""
    for table, columns, rows in (
        ("decision", DECISION_COLUMNS, decisions),
        ("revision", REVISION_COLUMNS, revisions),
        ("report", REPORT_COLUMNS, reports),
    ):
        names = columns.split(", ")
        await insert_rows(unit, table, [{name: row[name] for name in names} for row in rows])
