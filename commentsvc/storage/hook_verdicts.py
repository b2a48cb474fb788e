"""Verdicts of the external check, one for each comment that it was asked about."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.hook_verdicts import HookVerdict
from commentsvc.storage.database import PrivateRead, Row, Write, in_list

BY_PEOPLE: Final = "memory ON memory.comment_id = hook_verdict.comment_id AND memory.source = 'person'"


class StoredHookVerdict(HookVerdict, frozen=True, kw_only=True):
    """A verdict, the version of the comment that it is about, and what was done with it."""

    comment_id: str
    site_id: str
    version: int
    asked_at: str
    applied: int = 0  # 1: it changed the comment's status
    submitted: str | None = None  # the label that Akismet was last told


COLUMNS: Final = ", ".join(StoredHookVerdict.__struct_fields__)


async def save(unit: Write, verdict: StoredHookVerdict) -> None:
    """Store a verdict, in the place of an earlier one on the same comment."""
    names = StoredHookVerdict.__struct_fields__
    changed = (f"{name} = excluded.{name}" for name in names if name not in {"comment_id", "submitted"})
    await unit.run(
        f"""
        INSERT INTO hook_verdict ({COLUMNS}) VALUES ({", ".join(f":{name}" for name in names)})
        ON CONFLICT (comment_id) DO UPDATE SET {", ".join(changed)}
        """,
        **(msgspec.structs.asdict(verdict) | {"effect": verdict.effect and verdict.effect.value}),
    )


async def get(unit: PrivateRead, comment_id: str) -> StoredHookVerdict | None:
    """Return the verdict on a comment."""
    return (await get_many(unit, [comment_id])).get(comment_id)


async def get_many(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, StoredHookVerdict]:
    """Return the verdicts on these comments, by comment id."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(f"SELECT {COLUMNS} FROM hook_verdict WHERE comment_id IN {ids} ORDER BY comment_id", **values)
    return {row["comment_id"]: _verdict_of(row) for row in rows}


def _verdict_of(row: Row) -> StoredHookVerdict:
    values: dict[str, Any] = dict(row)
    return msgspec.convert(values, StoredHookVerdict)


async def find_label(unit: PrivateRead, comment_id: str) -> str | None:
    """Return how people decided on a comment with a verdict: ``spam`` or ``good``; None: not, or undone."""
    row = await unit.one(
        f"SELECT memory.label FROM hook_verdict JOIN {BY_PEOPLE} WHERE hook_verdict.comment_id = :id", id=comment_id
    )
    return row["label"] if row else None


async def set_submitted(unit: Write, comment_id: str, label: str) -> None:
    """Store what Akismet was told about a comment."""
    await unit.run("UPDATE hook_verdict SET submitted = :label WHERE comment_id = :id", id=comment_id, label=label)


async def count(unit: PrivateRead, site_ids: Sequence[str], start: str, end: str) -> Sequence[Row]:
    """Return ``effect, label, number, applied``: verdicts of a time, and how people decided on these comments.

    ``label`` is as in ``find_label``.
    """
    sites, values = in_list("site", site_ids)
    return await unit.all(
        f"""
        SELECT effect, label, COUNT(*) AS number, SUM(applied) AS applied
        FROM hook_verdict LEFT JOIN {BY_PEOPLE}
        WHERE hook_verdict.site_id IN {sites} AND asked_at >= :start AND asked_at < :end
        GROUP BY effect, label ORDER BY effect, label
        """,
        start=start,
        end=end,
        **values,
    )


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the verdicts on comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM hook_verdict WHERE comment_id IN {ids}", **values)
