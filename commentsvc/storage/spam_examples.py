"""The comments from which the filter of a site learns, and those that wait for its score."""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage.database import PrivateRead, Row, Write, in_list

# As the index has it.
UNLEARNED: Final = "(label IS NULL OR learned IS NULL OR label <> learned)"


async def count_labels(unit: PrivateRead, site_id: str, most: int) -> int:
    """Return the number of comments of a site with a label, up to ``most``."""
    row = await unit.one(
        """
        SELECT COUNT(*) AS number FROM (
            SELECT 1 AS one FROM memory WHERE site_id = :site AND label IS NOT NULL LIMIT CAST(:most AS BIGINT)
        ) AS counted
        """,
        site=site_id,
        most=most,
    )
    return int(row["number"]) if row else 0


async def list_newest(unit: PrivateRead, site_id: str, most: int) -> list[Row]:
    """Return ``comment_id, label`` of the comments of a site that were decided last, oldest first."""
    rows = await unit.all(
        """
        SELECT comment_id, label FROM memory WHERE site_id = :site AND label IS NOT NULL
        ORDER BY decided_at DESC, comment_id DESC LIMIT CAST(:most AS BIGINT)
        """,
        site=site_id,
        most=most,
    )
    return list(reversed(rows))


async def list_unlearned(unit: PrivateRead, site_id: str) -> list[Row]:
    """Return ``comment_id, label, learned, decided_at`` of what the filter has to learn or unlearn, oldest first."""
    rows = await unit.all(
        f"""
        SELECT comment_id, label, learned, decided_at FROM memory WHERE site_id = :site AND {UNLEARNED}
        ORDER BY decided_at, comment_id
        """,
        site=site_id,
    )
    return list(rows)


async def has_learned_later(unit: PrivateRead, site_id: str, row: Row) -> bool:
    """Return whether the filter of a site has learned decisions after that in a row of ``list_unlearned``.

    Decisions from a time when the clock was ahead do not count.
    """
    found = await unit.one(
        """
        SELECT 1 AS found FROM memory
        WHERE site_id = :site AND label IS NOT NULL AND learned IS NOT NULL AND decided_at <= :now
            AND (decided_at, comment_id) > (CAST(:decided_at AS TEXT), CAST(:id AS TEXT))
        LIMIT 1
        """,
        site=site_id,
        now=unit.now(),
        decided_at=row["decided_at"],
        id=row["comment_id"],
    )
    return found is not None


async def keep_labelled(unit: PrivateRead, comment_ids: Sequence[str]) -> list[str]:
    """Return those of these comments that have a label."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT comment_id FROM memory WHERE comment_id IN {ids} AND label IS NOT NULL ORDER BY comment_id", **values
    )
    return [row["comment_id"] for row in rows]


async def get_texts(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, Row]:
    """Return what the filter reads of comments by id, without erased ones.

    Each row has ``id, name, website, html, created_at`` and ``thread_since``: when its thread became public.
    """
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT comment.id, comment.name, comment.website, comment.html, comment.created_at,
            thread.published_at AS thread_since
        FROM comment JOIN thread ON thread.id = comment.thread_id
        WHERE comment.id IN {ids} AND comment.erased_at IS NULL ORDER BY comment.id
        """,
        **values,
    )
    return {row["id"]: row for row in rows}


async def get_features(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, str]:
    """Return the features of comments whose text was deleted for its age, by id."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT comment_id, features FROM memory WHERE comment_id IN {ids} AND features IS NOT NULL
        ORDER BY comment_id
        """,
        **values,
    )
    return {row["comment_id"]: row["features"] for row in rows}


async def set_learned(unit: Write, rows: Sequence[Row]) -> bool:
    """Note as what the filter has learned these comments of ``list_unlearned``: the label in each row, or None.

    A comment that it has not learned, and that has no label any more, is forgotten. Return False if some were decided
    on otherwise, or forgotten, since they were read: the filter has learned what memory no longer has.
    """
    if not rows:
        return True
    read = {row["comment_id"]: row for row in rows}
    ids, values = in_list("id", list(read))
    await unit.run_many(
        "UPDATE memory SET learned = :learned WHERE comment_id = :id AND decided_at = :decided_at",
        # In the order in which decisions write these rows, to avoid deadlocks.
        [{"id": id_, "learned": read[id_]["label"], "decided_at": read[id_]["decided_at"]} for id_ in sorted(read)],
    )
    now = await unit.all(
        f"SELECT comment_id, decided_at FROM memory WHERE comment_id IN {ids} ORDER BY comment_id", **values
    )
    ids, values = in_list("id", [id_ for id_, row in read.items() if row["label"] is None])
    await unit.run(f"DELETE FROM memory WHERE comment_id IN {ids} AND label IS NULL AND learned IS NULL", **values)
    return {row["comment_id"]: row["decided_at"] for row in now} == {
        id_: row["decided_at"] for id_, row in read.items()
    }
