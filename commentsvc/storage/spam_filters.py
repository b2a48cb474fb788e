"""The learned filter of each site, as text, and which sites have decisions that it has not learned."""

import secrets
from collections.abc import Sequence
from typing import Final

from commentsvc.storage.database import PrivateRead, Row, Write, site_condition
from commentsvc.storage.spam_examples import UNLEARNED

# The version of a site's filter; NULL if it has learned nothing yet. It is part of other statements.
VERSION: Final = "(SELECT version FROM spam_filter WHERE site_id = :site_id)"


async def get(unit: PrivateRead, site_id: str) -> Row | None:
    """Return ``version, state, stale`` of a site's filter."""
    return await unit.one("SELECT version, state, stale FROM spam_filter WHERE site_id = :site_id", site_id=site_id)


async def list_filters(unit: PrivateRead, sites: Sequence[str] | None) -> Sequence[Row]:
    """Return ``site_id, good, spam, learned_at`` of the filters of these sites."""
    on_sites, values = site_condition("site_id", sites)
    return await unit.all(
        f"SELECT site_id, good, spam, learned_at FROM spam_filter WHERE {on_sites} ORDER BY site_id", **values
    )


async def list_due_sites(unit: PrivateRead) -> list[str]:
    """Return the ids of sites whose filter has something to learn or unlearn."""
    rows = await unit.all(
        f"""
        SELECT site_id FROM memory WHERE {UNLEARNED} GROUP BY site_id
        UNION SELECT site_id FROM spam_filter WHERE stale > 0
        ORDER BY site_id
        """
    )
    return [row["site_id"] for row in rows]


async def save(
    unit: Write, site_id: str, *, was: int | None, good: int, spam: int, state: str, stale: int, now: str
) -> int | None:
    """Store a filter that was made from the version ``was``; return its new version.

    ``stale`` is added to that of the row, so what made the filter stale while it learned is not lost. Return None, and
    store nothing, if somebody else stored another one or removed the site since. The version is random: a counter could
    give the version of a rolled-back change to another one.
    """
    values = {"site": site_id, "good": good, "spam": spam, "state": state, "stale": stale, "now": now}
    version = secrets.randbits(62)
    if was is None:
        stored = await unit.run(
            """
            INSERT INTO spam_filter (site_id, version, good, spam, state, stale, learned_at)
            SELECT id, CAST(:version AS BIGINT), CAST(:good AS BIGINT), CAST(:spam AS BIGINT), CAST(:state AS TEXT),
                CAST(:stale AS BIGINT), CAST(:now AS TEXT)
            FROM site WHERE id = :site
            ON CONFLICT (site_id) DO NOTHING
            """,
            version=version,
            **values,
        )
    else:
        stored = await unit.run(
            """
            UPDATE spam_filter SET version = CAST(:version AS BIGINT), good = :good, spam = :spam, state = :state,
                stale = stale + CAST(:stale AS BIGINT), learned_at = :now
            WHERE site_id = :site AND version = CAST(:was AS BIGINT)
            """,
            version=version,
            was=was,
            **values,
        )
    return version if stored else None


async def set_complete(unit: Write, site_id: str, version: int) -> None:
    """Note that memory has all that this version of a filter has learned: it is stale for one reason less."""
    await unit.run(
        "UPDATE spam_filter SET stale = stale - 1 WHERE site_id = :site AND version = CAST(:version AS BIGINT)",
        site=site_id,
        version=version,
    )


async def set_stale(unit: Write, site_id: str) -> None:
    """Have the filter of a site made again from memory."""
    await unit.run("UPDATE spam_filter SET stale = stale + 1 WHERE site_id = :site", site=site_id)


async def set_stale_of_comment(unit: Write, comment_id: str) -> None:
    """Have the filter made again that has learned a comment, or is learning it now."""
    await unit.run(
        "UPDATE spam_filter SET stale = stale + 1 WHERE site_id = (SELECT site_id FROM memory WHERE comment_id = :id)",
        id=comment_id,
    )
