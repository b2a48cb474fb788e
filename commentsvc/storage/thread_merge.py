"""Moving comments between threads, for merging threads and undoing a merge."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from commentsvc.domain.models import Thread
from commentsvc.storage import events, search
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.database import PrivateRead, PublicRead, Row, Write, in_list

BATCH_SIZE: Final = 1000  # comments in one statement


class Node(Struct, frozen=True):
    """A comment's position: its id and its parent's."""

    id: str
    parent_id: str | None


async def list_merged(unit: PrivateRead, thread_ids: Sequence[str]) -> list[str]:
    """Return those of these threads that exist, then the threads merged into them, directly or through others."""
    found: dict[str, None] = {}
    column = "id"
    while thread_ids:
        ids, values = in_list("id", thread_ids)
        rows = await unit.all(f"SELECT id FROM thread WHERE {column} IN {ids}", **values)
        thread_ids, column = [row["id"] for row in rows if row["id"] not in found], "merged_into"
        found |= dict.fromkeys(thread_ids)
    return list(found)


async def list_nodes(unit: PublicRead, thread_ids: Sequence[str]) -> list[Node]:
    """Return every comment of these threads, oldest first."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(
        f"SELECT id, parent_id FROM comment WHERE thread_id IN {ids} ORDER BY created_at, id",
        **values,
    )
    return [Node(row["id"], row["parent_id"]) for row in rows]


async def list_top_numbers(unit: PublicRead, thread_id: str) -> list[str]:
    """Return the ids of a thread's top-level comments, oldest first."""
    rows = await unit.all(
        "SELECT id FROM comment WHERE thread_id = :id AND parent_id IS NULL ORDER BY created_at, id", id=thread_id
    )
    return [row["id"] for row in rows]


async def move_nodes(unit: Write, trees: Mapping[str, Sequence[Node]]) -> None:
    """Move comments to threads and number them again, in the given order. ``trees``: thread id -> its comments.

    Paths are unique within a thread, and the database checks that row by row. So every comment first gets a path that
    no other comment has: its id.
    """
    paths_by_thread = {thread_id: list(_build_paths(nodes).items()) for thread_id, nodes in trees.items()}
    for paths in paths_by_thread.values():
        for start in range(0, len(paths), BATCH_SIZE):
            ids, values = in_list("id", [id_ for id_, _ in paths[start : start + BATCH_SIZE]])
            await unit.run(f"UPDATE comment SET path = id WHERE id IN {ids}", **values)
    for thread_id, paths in paths_by_thread.items():
        for start in range(0, len(paths), BATCH_SIZE):
            await set_paths(unit, thread_id, paths[start : start + BATCH_SIZE])


def _build_paths(nodes: Sequence[Node]) -> dict[str, str]:
    # The clocks of servers differ, so a reply can come before its parent.
    steps = {node.id: path_step(number) for number, node in enumerate(nodes, start=1)}
    parents = {node.id: node.parent_id for node in nodes}

    def path(id_: str) -> str:
        parent = parents[id_]
        return (path(parent) if parent else "") + steps[id_]

    return {node.id: path(node.id) for node in nodes}


async def set_paths(unit: Write, thread_id: str, paths: Sequence[tuple[str, str]]) -> None:
    """Move comments to a thread, with these paths by their ids. No other comment may have one of these paths."""
    for start in range(0, len(paths), BATCH_SIZE):
        await _set_paths(unit, thread_id, paths[start : start + BATCH_SIZE])


async def _set_paths(unit: Write, thread_id: str, paths: Sequence[tuple[str, str]]) -> None:
    values: dict[str, Any] = {}
    for number, (id_, path) in enumerate(paths):
        values |= {f"id{number}": id_, f"path{number}": path}
    rows = ", ".join(f"(:id{number}, :path{number})" for number in range(len(paths)))
    await unit.run(
        f"""
        WITH placed (id, path) AS (VALUES {rows})
        UPDATE comment SET thread_id = :thread_id, path = placed.path, top = SUBSTR(placed.path, 1, {PATH_DIGITS})
        FROM placed WHERE comment.id = placed.id
        """,
        thread_id=thread_id,
        **values,
    )


async def update_counters(unit: Write, thread: Thread, last_seq: int) -> None:
    """Save a thread's address, title and merge, count its comments again, and increase its version."""
    counted = await unit.one(
        """
        SELECT COUNT(CASE WHEN status = 'approved' THEN 1 END) AS approved,
            COUNT(CASE WHEN status = 'pending' THEN 1 END) AS pending,
            COUNT(CASE WHEN status = 'spam' THEN 1 END) AS spam,
            COUNT(CASE WHEN status = 'trash' AND erased_at IS NULL THEN 1 END) AS trash,
            COUNT(CASE WHEN reports > 0 THEN 1 END) AS reported
        FROM comment WHERE thread_id = :id
        """,
        id=thread.id,
    )
    await unit.run(
        """
        UPDATE thread SET url = :url, title = :title, published_at = :published_at,
            merged_into = :merged_into,
            approved = :approved, pending = :pending, spam = :spam, trash = :trash, reported = :reported,
            last_seq = :last_seq, version = version + 1
        WHERE id = :id
        """,
        id=thread.id,
        url=thread.url,
        title=thread.title,
        published_at=thread.published_at,
        merged_into=thread.merged_into,
        last_seq=last_seq,
        **dict(counted or {}),
    )
    await search.set_thread(unit, thread.id, thread.site_id, thread.key, thread.title)
    await events.add_thread_changes(unit, [thread.id])


async def find_first_public(unit: PublicRead, thread_id: str) -> Row | None:
    """Return ``id, published_at, page_url, page_title`` of the thread's first public comment."""
    return await unit.one(
        """
        SELECT id, published_at, page_url, page_title FROM comment
        WHERE thread_id = :id AND published_at IS NOT NULL ORDER BY published_at, id LIMIT 1
        """,
        id=thread_id,
    )
