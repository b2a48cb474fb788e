"""Find the comments that a rule holds or marked as spam."""

from collections.abc import Sequence
from typing import Any, Final

from commentsvc.storage.database import PrivateRead, in_list, site_condition
from commentsvc.storage.word_search import without_index

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
    condition = "(CAST(:rule_id AS TEXT) IS NULL OR decision.actor_id = :rule_id)"
    return await _list(unit, [name], condition, since=since, sites=sites, limit=limit, rule_id=rule_id)


async def list_also_by_rule(
    unit: PrivateRead, names: Sequence[str], rule: str, *, since: str, sites: Sequence[str] | None, limit: int
) -> dict[str, int]:
    """Return such comments that rules with one of these names decided on, and about which another rule said something.

    ``rule`` is its id or name. Some of the comments may only mention it.
    """
    quoted = "".join(f"\\{one}" if one in "\\%_" else one for one in rule)
    condition = "decision.verdicts LIKE :rule ESCAPE '\\'"
    return await _list(unit, names, condition, since=since, sites=sites, limit=limit, rule=f'%"{quoted}"%')


async def _list(
    unit: PrivateRead,
    names: Sequence[str],
    condition: str,
    *,
    since: str,
    sites: Sequence[str] | None,
    limit: int,
    **more: Any,
) -> dict[str, int]:
    on_sites, values = site_condition("comment.site_id", sites)
    listed, named = in_list("name", names)
    holds = without_index(f"decision.status = comment.status AND {on_sites}")
    rows = await unit.all(
        f"""
        SELECT comment.id, comment.version FROM decision CROSS JOIN comment
        WHERE {BY_RULE} AND decision.actor_name IN {listed} AND decision.created_at >= :since AND {condition}
          AND comment.id = decision.comment_id AND comment.erased_at IS NULL AND {holds}
          AND decision.seq = (SELECT MAX(latest.seq) FROM decision AS latest WHERE latest.comment_id = comment.id)
        ORDER BY comment.id LIMIT CAST(:limit AS BIGINT)
        """,
        since=since,
        limit=limit,
        **values,
        **named,
        **more,
    )
    return {row["id"]: row["version"] for row in rows}
