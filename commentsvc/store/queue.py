"""What moderators look for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from commentsvc.model import Comment, Status
from commentsvc.store import Transaction, among, contacts, within
from commentsvc.store.comments import COLUMNS

LATEST_DECISION: Final = """
    SELECT 1 FROM decision WHERE decision.id = (
        SELECT MAX(latest.id) FROM decision AS latest WHERE latest.comment_id = comment.id
    )
"""


@dataclass(frozen=True)
class Search:
    """What is looked for; None is no condition. Times are compared with when a comment was written."""

    status: Status | None = None
    sites: tuple[str, ...] | None = None
    thread_id: str | None = None
    q: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    email_digests: tuple[str, ...] | None = None
    network: str | None = None


async def page(tx: Transaction, search: Search, *, after: str | None, newest_first: bool, limit: int) -> list[Comment]:
    """Comments that match, from after an id on."""
    where, values = _conditions(search)
    direction, past = ("DESC", "<") if newest_first else ("ASC", ">")
    rows = await tx.all(
        f"""
        SELECT {COLUMNS} FROM comment WHERE {where}
          {f"AND comment.id {past} :after" if after else ""}
        ORDER BY comment.id {direction} LIMIT CAST(:limit AS BIGINT)
        """,
        after=after,
        limit=limit,
        **values,
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]


async def matching(tx: Transaction, search: Search, most: int) -> list[str]:
    """Ids of comments that match, oldest first, at most so many."""
    where, values = _conditions(search)
    rows = await tx.all(
        f"SELECT comment.id FROM comment WHERE {where} ORDER BY comment.id LIMIT CAST(:most AS BIGINT)",
        most=most,
        **values,
    )
    return [row["id"] for row in rows]


async def same_text(tx: Transaction, digests: list[str], sites: Sequence[str] | None) -> dict[str, int]:
    """How many comments wait with each text."""
    listed, values = among("digest", digests)
    reach, more = within("site_id", sites)
    rows = await tx.all(
        f"""
        SELECT text_digest, COUNT(*) AS number FROM comment
        WHERE text_digest IN {listed} AND status = 'pending'
          AND {reach}
        GROUP BY text_digest
        """,
        **values,
        **more,
    )
    return {row["text_digest"]: row["number"] for row in rows}


def _conditions(search: Search) -> tuple[str, dict[str, Any]]:
    reach, values = within("comment.site_id", search.sites)
    wanted = ["comment.erased_at IS NULL", reach]
    for column in ("status", "thread_id"):
        value = getattr(search, column)
        if value is not None:
            wanted.append(f"comment.{column} = :{column}")
            values[column] = str(value)
    if search.q:
        wanted.append("(LOWER(comment.text) LIKE :q ESCAPE '!' OR LOWER(comment.name) LIKE :q ESCAPE '!')")
        values["q"] = _containing(search.q)
    if search.reason:
        wanted.append(
            f"EXISTS ({LATEST_DECISION} AND "
            "(decision.made_by = :rule OR LOWER(decision.reason) LIKE :reason ESCAPE '!'))"
        )
        values |= {"rule": f"rule:{search.reason}", "reason": _containing(search.reason)}
    if search.since:
        wanted.append("comment.created_at >= :since")
        values["since"] = search.since
    if search.until:
        wanted.append("comment.created_at < :until")
        values["until"] = search.until
    if search.email_digests is not None:
        digests, found = among("digest", search.email_digests)
        wanted.append(contacts.WITH_EMAIL.format(digests=digests))
        values |= found
    if search.network:
        wanted.append(contacts.WITH_NETWORK)
        values["network"] = search.network
    return " AND ".join(wanted), values


def _containing(text: str) -> str:
    escaped = text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
