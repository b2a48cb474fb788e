"""The trees of threads that become one, or two again: their comments are moved, and numbered anew."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from commentsvc.domain.models import Thread
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.database import PublicRead, Row, Write, in_list

AT_ONCE: Final = 1000  # in one statement


class Node(Struct, frozen=True):
    """Where a comment hangs."""

    id: str
    parent_id: str | None


async def list_nodes(unit: PublicRead, thread_ids: Sequence[str]) -> list[Node]:
    """Every comment of these threads, in the order in which they were written."""
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(
        f"SELECT id, parent_id FROM comment WHERE thread_id IN {ids} ORDER BY created_at, id",
        **values,
    )
    return [Node(row["id"], row["parent_id"]) for row in rows]


async def list_top_numbers(unit: PublicRead, thread_id: str) -> list[str]:
    """Ids of a thread's comments that answer none, as they were written."""
    rows = await unit.all(
        "SELECT id FROM comment WHERE thread_id = :id AND parent_id IS NULL ORDER BY created_at, id", id=thread_id
    )
    return [row["id"] for row in rows]


async def move_nodes(unit: Write, trees: Mapping[str, Sequence[Node]]) -> None:
    """Give comments to threads, by id, where they are numbered as they stand here.

    No two comments of a thread may have one path, not even between two rows of a statement. So all take a path
    that is nobody's first: their id.
    """
    planted = {thread_id: list(_paths(found).items()) for thread_id, found in trees.items()}
    for places in planted.values():
        for start in range(0, len(places), AT_ONCE):
            ids, values = in_list("id", [id_ for id_, _ in places[start : start + AT_ONCE]])
            await unit.run(f"UPDATE comment SET path = id WHERE id IN {ids}", **values)
    for thread_id, places in planted.items():
        for start in range(0, len(places), AT_ONCE):
            await _place(unit, thread_id, places[start : start + AT_ONCE])


def _paths(found: Sequence[Node]) -> dict[str, str]:
    """The new path of each: its number below its parent's path, whichever of the two is numbered first."""
    steps = {node.id: path_step(number) for number, node in enumerate(found, start=1)}
    above = {node.id: node.parent_id for node in found}

    def path(id_: str) -> str:
        parent = above[id_]
        return (path(parent) if parent else "") + steps[id_]

    return {node.id: path(node.id) for node in found}


async def _place(unit: Write, thread_id: str, places: Sequence[tuple[str, str]]) -> None:
    values: dict[str, Any] = {}
    for number, (id_, path) in enumerate(places):
        values |= {f"id{number}": id_, f"path{number}": path}
    rows = ", ".join(f"(:id{number}, :path{number})" for number in range(len(places)))
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
    """Keep what a thread is now, its comments counted afresh, under a new version."""
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
        UPDATE thread SET url = :url, title = :title, published_at = :published_at, merged_into = :merged_into,
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


async def find_first_public(unit: PublicRead, thread_id: str) -> Row | None:
    """``published_at, page_url, page_title`` of the comment of a thread that was public first."""
    return await unit.one(
        """
        SELECT published_at, page_url, page_title FROM comment
        WHERE thread_id = :id AND published_at IS NOT NULL ORDER BY published_at, id LIMIT 1
        """,
        id=thread_id,
    )
