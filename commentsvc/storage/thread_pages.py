"""Pages of a thread for readers: the listed comments after, before or at a position."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from commentsvc.domain.models import ListedComment
from commentsvc.storage.comments import PATH_DIGITS, SHOWN
from commentsvc.storage.database import PublicRead, Row, in_list, row_values

MOST_COUNTED: Final = 1000  # comments; counting more would take several milliseconds


class Position(NamedTuple):
    """The position of a comment in its thread."""

    path: str
    id: str


class Listing(Struct, frozen=True):
    """The comments of a thread that a reader sees, in one order.

    ``tree`` sorts depth first; there, ``newest`` reverses the order of the top level only. ``since`` leaves out those
    that were listed before. The pending comment with the id ``own`` is among them.
    """

    thread_id: str
    view: Literal["tree", "flat"]
    order: Literal["oldest", "newest"]
    since: str | None = None
    own: str | None = None


AFTER: Final = {
    ("tree", "oldest"): ("(top, path) > (:top, :path)", "top, path"),
    ("tree", "newest"): ("top <= :top AND (top < :top OR path > :path)", "top DESC, path"),
    ("flat", "oldest"): ("id > :id", "id"),
    ("flat", "newest"): ("id < :id", "id DESC"),
}
BEFORE: Final = {
    ("tree", "oldest"): ("(top, path) < (:top, :path)", "top DESC, path DESC"),
    ("tree", "newest"): ("top >= :top AND (top > :top OR path < :path)", "top, path DESC"),
    ("flat", "oldest"): ("id < :id", "id DESC"),
    ("flat", "newest"): ("id > :id", "id"),
}


async def list_after(
    unit: PublicRead, listing: Listing, position: Position | None, limit: int
) -> Sequence[ListedComment]:
    """Return the comments after a position, or the first ones."""
    past, sorting = AFTER[listing.view, listing.order]
    rows = await _select(unit, SHOWN, listing, (past, sorting), position, limit)
    return [ListedComment(*row_values(row)) for row in rows]


async def list_before(unit: PublicRead, listing: Listing, position: Position, limit: int) -> Sequence[ListedComment]:
    """Return the comments before a position, the nearest first."""
    rows = await _select(unit, SHOWN, listing, BEFORE[listing.view, listing.order], position, limit)
    return [ListedComment(*row_values(row)) for row in rows]


async def list_positions_before(
    unit: PublicRead, listing: Listing, position: Position, limit: int
) -> Sequence[Position]:
    """Return the positions of the comments before a position, the nearest first."""
    rows = await _select(unit, "path, id", listing, BEFORE[listing.view, listing.order], position, limit)
    return [Position(row["path"], row["id"]) for row in rows]


async def has_more(unit: PublicRead, listing: Listing, position: Position, *, before: bool) -> bool:
    """Return whether there are comments before a position, or else after it."""
    side = BEFORE if before else AFTER
    return bool(await _select(unit, "id", listing, side[listing.view, listing.order], position, 1))


async def _select(
    unit: PublicRead, columns: str, listing: Listing, order: tuple[str, str], position: Position | None, limit: int
) -> Sequence[Row]:
    past, sorting = order
    path, id_ = position or ("", "")
    return await unit.all(
        f"""
        SELECT {columns} FROM comment
        WHERE thread_id = :thread_id
          AND {"(listed_at IS NOT NULL OR id = :own)" if listing.own else "listed_at IS NOT NULL"}
          {f"AND {past}" if position else ""} {"AND listed_at > :since" if listing.since else ""}
        ORDER BY {sorting} LIMIT CAST(:limit AS BIGINT)
        """,
        thread_id=listing.thread_id,
        path=path,
        top=path[:PATH_DIGITS],
        id=id_,
        since=listing.since,
        own=listing.own,
        limit=limit,
    )


class Sought(NamedTuple):
    """A comment of a thread that a reader asks for."""

    position: Position
    is_listed: bool
    was_public: bool


async def find_comment(unit: PublicRead, thread_id: str, comment_id: str) -> Sought | None:
    """Return where a comment is in a thread, and whether readers see it; None if it is not in this thread."""
    row = await unit.one(
        "SELECT path, id, listed_at, published_at FROM comment WHERE id = :id AND thread_id = :thread_id",
        id=comment_id,
        thread_id=thread_id,
    )
    if row is None:
        return None
    return Sought(Position(row["path"], row["id"]), row["listed_at"] is not None, row["published_at"] is not None)


async def list_by_path(unit: PublicRead, thread_id: str, paths: Sequence[str]) -> list[ListedComment]:
    """Return comments by path, ancestors before their replies. Unknown paths are missing."""
    if not paths:
        return []
    places, values = in_list("path", paths)
    tops, more = in_list("top", sorted({path[:PATH_DIGITS] for path in paths}))
    rows = await unit.all(
        f"""
        SELECT {SHOWN} FROM comment WHERE thread_id = :thread_id AND top IN {tops} AND path IN {places} ORDER BY path
        """,
        thread_id=thread_id,
        **values,
        **more,
    )
    return [ListedComment(*row_values(row)) for row in rows]


async def count_approved(unit: PublicRead, listing: Listing, position: Position, *, before: bool) -> int | None:
    """Return the number of approved comments before a position, or else after it; None if it is large."""
    past, _ = (BEFORE if before else AFTER)[listing.view, listing.order]
    values = {"path": position.path, "top": position.path[:PATH_DIGITS], "id": position.id}
    return await _count(unit, f"thread_id = :thread_id AND {past}", thread_id=listing.thread_id, **values)


async def count_replies(unit: PublicRead, thread_id: str, top: str) -> int | None:
    """Return the number of approved replies below a top-level comment; None if it is large."""
    return await _count(unit, "thread_id = :thread_id AND top = :top AND path > :top", thread_id=thread_id, top=top)


async def _count(unit: PublicRead, condition: str, **values: str) -> int | None:
    row = await unit.one(
        f"""
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM comment WHERE {condition} AND status = 'approved' LIMIT {MOST_COUNTED + 1}
        ) AS counted
        """,
        **values,
    )
    number = int(row["number"]) if row else 0
    return number if number <= MOST_COUNTED else None


async def list_names(unit: PublicRead, comment_ids: Sequence[str]) -> dict[str, str]:
    """Return the names of the authors of approved comments, by the comment's id. Others are missing."""
    if not comment_ids:
        return {}
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT id, name FROM comment WHERE id IN {ids} AND status = 'approved'", **values)
    return {row["id"]: row["name"] for row in rows}
