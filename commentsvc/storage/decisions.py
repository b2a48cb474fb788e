"""Decisions on comments, and the verdicts of rules. Rows are only added, until a comment is erased.

The latest decision is the one with the highest ``seq``, which the database assigns. Ids and times come from the clocks
of several servers and tell nothing about order.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from commentsvc.domain.models import Actor, ActorKind, Comment, Decision, Effect, Status
from commentsvc.domain.reasons import Reason, reason_text
from commentsvc.storage import actors, search
from commentsvc.storage.actors import actor_of, actor_values
from commentsvc.storage.database import MAX_HISTORY, PrivateRead, Row, Write, in_list, site_condition

COLUMNS: Final = (
    f"seq, comment_id, action_id, status, {actors.COLUMNS}, reason_code, reason_args, note, verdicts, created_at"
)
EVEN_BYTES: Final = 384  # of a reason with the verdict of an email rule; JSON ends with spaces up to a multiple of it


class StoredVerdict(Struct, frozen=True):
    """The verdict of a rule that matched but did not decide."""

    actor: Actor
    effect: Effect
    reason: Reason


class StoredDecision(Struct, frozen=True):
    """A decision as it is stored, with the verdicts of the other rules in the order in which they ran."""

    seq: int
    comment_id: str
    action_id: str | None
    status: Status
    actor: Actor
    reason: Reason | None
    note: str | None
    verdicts: tuple[StoredVerdict, ...]
    created_at: str


async def add(
    unit: Write,
    comment_ids: Sequence[str],
    decision: Decision,
    action_id: str | None = None,
    verdicts: Sequence[StoredVerdict] = (),
    new: Comment | None = None,
    *,
    even: bool = False,
) -> None:
    """Append the same decision on each of these comments, and update the search index; ``new`` is a new comment.

    ``even``: write as much as other decisions, so that the time says nothing about rules that matched.
    """
    ids = {f"comment{number}": comment_id for number, comment_id in enumerate(comment_ids)}
    shared = f":action_id, :status, {', '.join(f':{name}' for name in actors.COLUMNS.split(', '))}"
    rows = (f"(:{name}, {shared}, :code, :args, :note, :verdicts, {_time_after(name)})" for name in ids)
    others = _json(verdicts) if verdicts or even else None
    await unit.later(
        f"""
        INSERT INTO decision (
            comment_id, action_id, status, {actors.COLUMNS}, reason_code, reason_args, note, verdicts, created_at
        )
        VALUES {", ".join(rows)}
        """,
        action_id=action_id,
        status=decision.status.value,
        code=decision.reason.code if decision.reason else None,
        args=_args(decision),
        note=decision.note,
        verdicts=_fill(decision, others) if others and even else others,
        now=unit.now(),
        **actor_values(decision.actor),
        **ids,
    )
    reasons = search_text(decision, verdicts)
    if new:
        await search.add(unit, new, reasons, even=even)
    else:
        await search.set_decision(unit, comment_ids, decision.status, reasons, even=even)


def _args(decision: Decision) -> str | None:
    return _json(decision.reason.args) if decision.reason and decision.reason.args else None


def _fill(decision: Decision, verdicts: str) -> str:
    """Return the JSON with spaces at its end, so that the row is as long as those of other decisions."""
    code = decision.reason.code if decision.reason else ""
    shown = (code, _args(decision) or "", decision.actor.id or "", decision.actor.name, verdicts)
    return verdicts + " " * (-sum(map(len, shown)) % EVEN_BYTES)


def _time_after(name: str) -> str:
    # Not before the latest decision on this comment, which a server with another clock may have made.
    return f"""
        (SELECT CASE WHEN MAX(created_at) > :now THEN MAX(created_at) ELSE CAST(:now AS TEXT) END
            FROM decision WHERE comment_id = :{name})
    """


async def list_of_comment(unit: PrivateRead, comment_id: str) -> list[StoredDecision]:
    """Return the latest decisions on a comment, oldest first."""
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM decision WHERE comment_id = :id ORDER BY seq DESC LIMIT {MAX_HISTORY}", id=comment_id
    )
    return [_decision(row) for row in reversed(rows)]


async def list_latest(
    unit: PrivateRead, comment_ids: Sequence[str], *, by_rules: bool = False
) -> dict[str, StoredDecision]:
    """Return the latest decision on each of these comments, by comment id; if asked, the latest one by a rule."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT {COLUMNS} FROM decision WHERE seq IN (
            SELECT MAX(seq) FROM decision
            WHERE comment_id IN {ids} {"AND actor_kind = 'rule'" if by_rules else ""} GROUP BY comment_id
        )
        """,
        **values,
    )
    return {row["comment_id"]: _decision(row) for row in rows}


async def get_latest(unit: PrivateRead, comment_id: str) -> StoredDecision | None:
    """Return the latest decision on a comment."""
    return (await list_latest(unit, [comment_id])).get(comment_id)


async def list_decided_by(unit: PrivateRead, comment_ids: Sequence[str], kinds: Sequence[ActorKind]) -> set[str]:
    """Return those of these comments whose latest decision is by an actor of one of these kinds."""
    ids, values = in_list("id", comment_ids)
    listed, more = in_list("kind", kinds)
    rows = await unit.all(
        f"""
        SELECT comment_id FROM decision
        WHERE actor_kind IN {listed} AND seq IN (
            SELECT MAX(seq) FROM decision WHERE comment_id IN {ids} GROUP BY comment_id
        )
        """,
        **values,
        **more,
    )
    return {row["comment_id"] for row in rows}


async def list_decided_by_people(unit: PrivateRead, sites: Sequence[str] | None, limit: int) -> list[Comment]:
    """Return the comments whose latest decision is a person's and still holds, newest decision first.

    Moderators' own replies are left out.
    """
    on_sites, values = site_condition("comment.site_id", sites)
    columns = ", ".join(f"comment.{name}" for name in Comment.__struct_fields__)
    rows = await unit.all(
        f"""
        SELECT {columns} FROM decision JOIN comment ON comment.id = decision.comment_id
        WHERE decision.actor_kind = 'person' AND decision.status = comment.status
          AND comment.status <> 'pending' AND comment.erased_at IS NULL AND comment.moderator_id IS NULL AND {on_sites}
          AND decision.seq = (SELECT MAX(latest.seq) FROM decision AS latest WHERE latest.comment_id = comment.id)
        ORDER BY decision.seq DESC LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]


async def erase(unit: Write, comment_id: str) -> None:
    """Delete earlier texts and all notes and reasons of a comment. The decisions themselves remain."""
    await unit.run("DELETE FROM revision WHERE comment_id = :id", id=comment_id)
    await unit.run("UPDATE action_item SET from_note = NULL WHERE comment_id = :id", id=comment_id)
    await unit.run(
        """
        UPDATE decision SET reason_code = NULL, reason_args = NULL, note = NULL, verdicts = NULL
        WHERE comment_id = :id
        """,
        id=comment_id,
    )
    await unit.run(
        """
        UPDATE action SET note = NULL
        WHERE note IS NOT NULL AND id IN (SELECT action_id FROM action_item WHERE comment_id = :id)
        """,
        id=comment_id,
    )


def search_text(decision: Decision, verdicts: Sequence[StoredVerdict]) -> str:
    """Return what the search by reason finds: names of rules and texts, but no names of persons."""
    reasons = [(decision.actor, decision.reason), *((one.actor, one.reason) for one in verdicts)]
    lines = [f"rule:{actor.name}" for actor, _ in reasons if actor.kind is ActorKind.RULE]
    lines += [reason_text(reason) for _, reason in reasons if reason]
    return "\n".join([*lines, decision.note or "", ""])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decision(row: Row) -> StoredDecision:
    reason = None
    if row["reason_code"]:
        args = msgspec.json.decode(row["reason_args"]) if row["reason_args"] else {}
        reason = Reason(row["reason_code"], args)
    return StoredDecision(
        seq=row["seq"],
        comment_id=row["comment_id"],
        action_id=row["action_id"],
        status=Status(row["status"]),
        actor=actor_of(row),
        reason=reason,
        note=row["note"],
        verdicts=msgspec.json.decode(row["verdicts"], type=tuple[StoredVerdict, ...]) if row["verdicts"] else (),
        created_at=row["created_at"],
    )
