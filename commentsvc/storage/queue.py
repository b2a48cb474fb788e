"""Search comments for moderators, and count similar ones."""

from collections.abc import Sequence

import msgspec

from commentsvc.domain.models import Comment
from commentsvc.storage.comments import COLUMNS
from commentsvc.storage.database import PrivateRead, in_list, site_condition
from commentsvc.storage.queue_plan import Plan, Search
from commentsvc.storage.search import SEARCH_TABLE
from commentsvc.storage.word_search import find_words


async def list_page(
    unit: PrivateRead, search: Search, *, after: str | None, newest_first: bool, limit: int
) -> list[Comment]:
    """Return matching comments after an id."""
    if search.sites == ():
        return []
    plan, terms = Plan(search, newest_first), search.terms
    if terms is None:
        page, values = plan.page(after)
        ids, values = f"({page})", values | {"limit": limit}
    else:
        ids, values = in_list("found", await find_words(unit, plan, SEARCH_TABLE, terms, after=after, limit=limit))
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM comment WHERE comment.id IN {ids} ORDER BY comment.id {plan.order}", **values
    )
    return [msgspec.convert(dict(row), Comment) for row in rows]


async def list_ids(unit: PrivateRead, search: Search, most: int, after: str | None = None) -> list[str]:
    """Return the ids of matching comments after an id, oldest first, up to ``most``."""
    if search.sites == ():
        return []
    plan = Plan(search, newest_first=False)
    if search.terms is not None:
        return await find_words(unit, plan, SEARCH_TABLE, search.terms, after=after, limit=most)
    ids, values = plan.page(after)
    return [row["id"] for row in await unit.all(ids, limit=most, **values)]


async def list_versions(
    unit: PrivateRead, search: Search, most: int, after: str | None = None
) -> dict[str, int | None]:
    """Return the versions of matching comments after an id by id, oldest first, up to ``most``."""
    ids, values = in_list("id", await list_ids(unit, search, most, after))
    rows = await unit.all(f"SELECT id, version FROM comment WHERE id IN {ids} ORDER BY id", **values)
    return {row["id"]: row["version"] for row in rows}


async def count_same_text(
    unit: PrivateRead, comment_ids: Sequence[str], sites: Sequence[str] | None, most: int
) -> dict[str, int]:
    """Return the number of pending comments by text digest, up to ``most``, for the texts of these comments."""
    ids, values = in_list("id", comment_ids)
    on_sites, more = site_condition("site_id", sites)
    rows = await unit.all(
        f"""
        SELECT seen.text_digest, (
            SELECT COUNT(*) FROM (
                SELECT 1 AS one FROM comment
                WHERE comment.text_digest = seen.text_digest AND status = 'pending' AND {on_sites}
                LIMIT CAST(:most AS BIGINT)
            ) AS counted
        ) AS number
        FROM (SELECT DISTINCT text_digest FROM comment WHERE id IN {ids}) AS seen
        """,
        most=most,
        **values,
        **more,
    )
    return {row["text_digest"]: row["number"] for row in rows}
