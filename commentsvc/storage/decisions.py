"""What was decided before, and what rules thought. Rows are only added, until erased."""

from collections.abc import Mapping, Sequence

import msgspec

from commentsvc.domain.models import Comment, Decision
from commentsvc.storage import search
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition


async def add_decision(
    unit: Write,
    decision_id: str,
    comment_id: str,
    decision: Decision,
    now: str,
    action_id: str | None = None,
) -> None:
    """Append a decision."""
    await unit.run(
        """
        INSERT INTO decision (id, comment_id, action_id, status, reason, made_by, created_at, rule_id)
        VALUES (:id, :comment_id, :action_id, :status, :reason, :made_by, :now, :rule_id)
        """,
        id=decision_id,
        comment_id=comment_id,
        action_id=action_id,
        status=decision.status.value,
        reason=decision.reason,
        made_by=decision.made_by,
        now=now,
        rule_id=decision.rule_id,
    )
    await search.set_reasons(unit, [comment_id], decision.made_by, decision.reason)


async def add_decisions(
    unit: Write, decisions: Mapping[str, str], decision: Decision, now: str, action_id: str
) -> None:
    """Append one decision on many comments: comment ids by new decision ids."""
    made = enumerate(decisions.items())
    values = {name: value for n, pair in made for name, value in zip((f"id{n}", f"comment{n}"), pair, strict=True)}
    rows = (f"(:id{n}, :comment{n}, :action_id, :status, :reason, :made_by, :now)" for n in range(len(decisions)))
    await unit.run(
        f"""
        INSERT INTO decision (id, comment_id, action_id, status, reason, made_by, created_at)
        VALUES {", ".join(rows)}
        """,
        action_id=action_id,
        status=decision.status.value,
        reason=decision.reason,
        made_by=decision.made_by,
        now=now,
        **values,
    )
    await search.set_reasons(unit, list(decisions.values()), decision.made_by, decision.reason)


async def add_verdict(
    unit: Write,
    decision_id: str,
    position: int,
    comment_id: str,
    *,
    rule: str,
    rule_id: str | None,
    effect: str,
    reason: str,
) -> None:
    """Append what a rule thought that did not decide, after those heard before it."""
    await unit.run(
        """
        INSERT INTO verdict (decision_id, position, comment_id, rule, rule_id, effect, reason)
        VALUES (:decision_id, :position, :comment_id, :rule, :rule_id, :effect, :reason)
        """,
        decision_id=decision_id,
        position=position,
        comment_id=comment_id,
        rule=rule,
        rule_id=rule_id,
        effect=effect,
        reason=reason,
    )
    await search.add_reasons(unit, comment_id, rule, reason)


async def list_decisions(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Every decision on these comments, oldest first."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"""
        SELECT id, comment_id, action_id, status, reason, made_by, created_at, rule_id FROM decision
        WHERE comment_id IN {ids} ORDER BY id
        """,
        **values,
    )


async def list_latest(unit: PrivateRead, comment_ids: Sequence[str], by: str = "%") -> dict[str, Row]:
    """The last decision on each of these comments, by comment id; of those whose maker is like that."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT id, comment_id, reason, made_by, rule_id FROM decision
        WHERE id IN (SELECT MAX(id) FROM decision WHERE comment_id IN {ids} AND made_by LIKE :by GROUP BY comment_id)
        """,
        by=by,
        **values,
    )
    return {row["comment_id"]: row for row in rows}


async def list_verdicts(unit: PrivateRead, decision_ids: Sequence[str]) -> Sequence[Row]:
    """What other rules thought beside these decisions: ``decision_id, rule, rule_id, effect, reason``, as heard."""
    ids, values = in_list("id", decision_ids)
    return await unit.all(
        f"""
        SELECT decision_id, rule, rule_id, effect, reason FROM verdict
        WHERE decision_id IN {ids} ORDER BY decision_id, position
        """,
        **values,
    )


async def erase(unit: Write, comment_id: str) -> None:
    """Take away earlier words, and what moderators wrote about them; that it was decided stays."""
    await unit.run("DELETE FROM revision WHERE comment_id = :id", id=comment_id)
    await unit.run("UPDATE action_item SET from_note = NULL WHERE comment_id = :id", id=comment_id)
    await unit.run("UPDATE decision SET reason = '' WHERE comment_id = :id", id=comment_id)
    await unit.run("DELETE FROM verdict WHERE comment_id = :id", id=comment_id)
    await unit.run(
        "UPDATE action SET note = NULL WHERE id IN (SELECT action_id FROM action_item WHERE comment_id = :id)",
        id=comment_id,
    )


async def list_decided_by_person(unit: PrivateRead, comment_ids: Sequence[str]) -> set[str]:
    """Which of these comments a person decided on last."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT comment_id FROM decision
        WHERE made_by LIKE 'key:%' AND id IN (
            SELECT MAX(id) FROM decision WHERE comment_id IN {ids} GROUP BY comment_id
        )
        """,
        **values,
    )
    return {row["comment_id"] for row in rows}


async def list_latest_verdicts(unit: PrivateRead, comment_id: str) -> Sequence[Row]:
    """``rule, rule_id, effect, reason`` of the latest decision and beside it; of the decision, a status as effect."""
    return await unit.all(
        """
        SELECT made_by AS rule, rule_id, status AS effect, reason, 0 AS position FROM decision
        WHERE id = (SELECT MAX(id) FROM decision WHERE comment_id = :id)
        UNION ALL
        SELECT rule, rule_id, effect, reason, position FROM verdict
        WHERE decision_id = (SELECT MAX(id) FROM decision WHERE comment_id = :id)
        ORDER BY position
        """,
        id=comment_id,
    )


async def get_latest_actor(unit: PrivateRead, comment_id: str) -> str:
    """Who decided last on a comment."""
    row = await unit.one("SELECT made_by FROM decision WHERE comment_id = :id ORDER BY id DESC LIMIT 1", id=comment_id)
    return row["made_by"] if row else ""


async def list_decided_by_people(unit: PrivateRead, sites: Sequence[str] | None, limit: int) -> list[Comment]:
    """The comments that people decided last and that stand as they decided, newest decision first.

    What moderators wrote themselves is not among them.
    """
    reach, values = site_condition("comment.site_id", sites)
    columns = ", ".join(f"comment.{name}" for name in Comment.__struct_fields__)
    rows = await unit.all(
        f"""
        SELECT {columns} FROM decision JOIN comment ON comment.id = decision.comment_id
        WHERE decision.made_by LIKE 'key:%' AND decision.status = comment.status
          AND comment.status <> 'pending' AND comment.erased_at IS NULL AND comment.moderator_id IS NULL AND {reach}
          AND decision.id = (SELECT MAX(latest.id) FROM decision AS latest WHERE latest.comment_id = comment.id)
        ORDER BY decision.id DESC LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]
