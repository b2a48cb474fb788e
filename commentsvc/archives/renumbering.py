"""Number the comments of a thread by time again, after an import brought older ones than it had."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from commentsvc.service import Service, private_read, write
from commentsvc.storage import archive_inserts, comment_import, thread_merge
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.thread_merge import BATCH_SIZE

PIECE: Final = 100  # comments that are moved together, unless one top-level comment has more replies
ATTEMPTS: Final = 5


async def sort_thread(service: Service, thread_id: str) -> None:
    """Sort a thread by time. Top-level comments move with all their replies, so that no reader sees half a tree.

    Begin again if another import or a merge numbers the thread at the same time.
    """
    for _ in range(ATTEMPTS):
        rows = await _list_unsorted(service, thread_id)
        first = await _take_numbers(service, thread_id, len(rows)) if rows else None
        if first is None:
            return
        await _move_all(service, thread_id, rows, first)


async def _move_all(service: Service, thread_id: str, rows: Sequence[Row], first: int) -> None:
    ranks = {row["id"]: rank for rank, row in enumerate(rows)}
    ids = {row["path"]: row["id"] for row in rows}
    piece, size = list[str](), 0
    for top, number in Counter(row["top"] for row in rows).items():
        if piece and size + number > PIECE:
            if not await _move(service, thread_id, piece, ranks, first):
                return
            piece, size = [], 0
        piece.append(ids[top])
        size += number
    await _move(service, thread_id, piece, ranks, first)


@private_read
async def _list_unsorted(unit: PrivateRead, thread_id: str) -> Sequence[Row]:
    """Return the comments of a thread, oldest first; none if they are sorted already."""
    rows = await comment_import.list_places(unit, thread_id)
    return [] if is_sorted(rows) else rows


def is_sorted(rows: Sequence[Row]) -> bool:
    """Return whether the paths of comments, which are listed oldest first, sort those under one parent by time."""
    latest: defaultdict[str | None, str] = defaultdict(str)
    for row in rows:
        if row["path"] < latest[row["parent_id"]]:
            return False
        latest[row["parent_id"]] = row["path"]
    return True


@write
async def _take_numbers(unit: Write, thread_id: str, many: int) -> int | None:
    return await comment_import.take_numbers(unit, thread_id, many)


@write
async def _move(unit: Write, thread_id: str, tops: Sequence[str], ranks: dict[str, int], first: int) -> bool:
    """Move top-level comments with their replies; return False if a merge has numbered the thread again."""
    free = await comment_import.take_numbers(unit, thread_id, 0)
    if free is None or free < first + len(ranks):
        return False
    later = path_step(first + len(ranks))
    # What another import moved has later numbers, and stays there.
    rows = [row for row in await comment_import.list_places(unit, thread_id, tops) if row["top"] < later]
    steps = {row["id"]: _step(row, ranks, first) for row in rows}
    above = {row["id"]: row["parent_id"] for row in rows}

    def path(comment_id: str) -> str:
        parent = above[comment_id]
        return (path(parent) if parent else "") + steps[comment_id]

    paths = [(row["id"], path(row["id"])) for row in rows]
    batches = [paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE)]
    for batch in batches:
        if await archive_inserts.list_taken_paths(unit, [(thread_id, path) for _, path in batch]):
            return False
    for batch in batches:
        await thread_merge.set_paths(unit, thread_id, batch)
    await comment_import.count(unit, thread_id, {}, None)
    return True


def _step(row: Row, ranks: dict[str, int], first: int) -> str:
    # A comment that was posted since keeps its number, which is greater than all others.
    return path_step(first + ranks[row["id"]]) if row["id"] in ranks else row["path"][-PATH_DIGITS:]
