"""Find and delete what is kept for too long."""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.models import Status
from commentsvc.storage.database import PrivateRead, in_list, site_condition

# A comment is as old as the latest decision on it. A person's decision can be undone for a while.
IS_OLD: Final = """
    (
        SELECT CASE WHEN decision.created_at < (CASE actor_kind WHEN 'person' THEN CAST(:undoable AS TEXT)
                                                                ELSE CAST(:before AS TEXT) END) THEN 1 ELSE 0 END
        FROM decision WHERE decision.comment_id = comment.id ORDER BY decision.seq DESC LIMIT 1
    ) = 1
"""


async def list_old(
    unit: PrivateRead,
    status: Status,
    *,
    before: str,
    undoable: str,
    after: str,
    limit: int,
    sites: Sequence[str] | None = None,
) -> list[str]:
    """Return the ids of comments with a status that was decided before a time, after an id, in that order.

    ``undoable`` counts instead, if it is earlier and a person decided. No ``sites``: those of every site.
    """
    on_sites, values = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT id FROM comment
        WHERE status = :status AND id > :after AND erased_at IS NULL AND created_at < :before AND {on_sites}
          AND {IS_OLD}
        ORDER BY id LIMIT CAST(:limit AS BIGINT)
        """,
        **values,
        status=status.value,
        before=before,
        undoable=min(before, undoable),
        after=after,
        limit=limit,
    )
    return [row["id"] for row in rows]


async def keep_old(
    unit: PrivateRead, comment_ids: Sequence[str], status: Status, *, before: str, undoable: str
) -> list[str]:
    """Return those of these comments that still have a status that was decided before a time, as in ``list_old``."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"SELECT id FROM comment WHERE id IN {ids} AND status = :status AND erased_at IS NULL AND {IS_OLD}",
        status=status.value,
        before=before,
        undoable=min(before, undoable),
        **values,
    )
    return [row["id"] for row in rows]
