"""Find the comments that a rule holds or marked as spam."""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage.database import PrivateRead, site_condition

# The same condition as that of the index ``decision_by_rule``.
BY_RULE: Final = """
    decision.actor_kind = 'rule' AND decision.status IN ('pending', 'spam')
    AND decision.actor_name NOT IN ('mode', 'new_author')
"""


async def list_decided_by_rule(
    unit: PrivateRead, name: str, rule_id: str | None, *, since: str, sites: Sequence[str] | None, limit: int
) -> dict[str, int]:
    """Return the versions of comments, by id, whose latest decision is by a rule, was made since a time, and holds.

    ``rule_id`` None means every rule of this name.
    """
    on_sites, values = site_condition("comment.site_id", sites)
    rows = await unit.all(
        f"""
        SELECT comment.id, comment.version FROM decision JOIN comment ON comment.id = decision.comment_id
        WHERE {BY_RULE} AND decision.actor_name = :name AND decision.created_at >= :since
          AND (CAST(:rule_id AS TEXT) IS NULL OR decision.actor_id = :rule_id)
          AND decision.status = comment.status AND comment.erased_at IS NULL AND {on_sites}
          AND decision.seq = (SELECT MAX(latest.seq) FROM decision AS latest WHERE latest.comment_id = comment.id)
        ORDER BY comment.id LIMIT CAST(:limit AS BIGINT)
        """,
        name=name,
        rule_id=rule_id,
        since=since,
        limit=limit,
        **values,
    )
    return {row["id"]: row["version"] for row in rows}
