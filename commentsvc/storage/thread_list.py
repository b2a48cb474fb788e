"""List and search threads for moderators, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commentsvc.domain.search_tokens import Term, terms
from commentsvc.storage import search, word_search
from commentsvc.storage.database import PrivateRead, Row, in_list, site_condition
from commentsvc.storage.dialect import MATCHING
from commentsvc.storage.threads import COLUMNS
from commentsvc.storage.word_search import MAX_BRANCHES, contain, match, merge_branches, without_index


@dataclass(frozen=True)
class ThreadPlan:
    """See ``WordPlan``. The threads of each site are read in the order of an index, and merged."""

    sites: tuple[str, ...] | None
    order: str = "DESC"

    def page(self, before: str | None) -> tuple[str, dict[str, Any]]:
        """See ``WordPlan``."""
        if self.sites is None or len(self.sites) > MAX_BRANCHES:
            on_sites, values = site_condition("site_id", self.sites)
            clauses = [without_index(on_sites)] if values else []
            return self._branch(clauses, before), values | {"before": before}
        names = {f"site{number}": site for number, site in enumerate(self.sites)}
        branches = [self._branch([f"site_id = :{name}"], before) for name in names]
        return merge_branches(branches, self.order), {**names, "before": before}

    def matching(self, terms: Sequence[Term], before: str | None) -> tuple[str, dict[str, Any]]:
        """See ``WordPlan``."""
        asked, left_out = word_search.split_terms(terms)
        has_terms, values = contain(search.THREAD_TABLE, left_out)
        on_sites, more = site_condition("thread.site_id", self.sites)
        statement = f"""
            WITH matching AS MATERIALIZED ({MATCHING[search.THREAD_TABLE]})
            SELECT thread.id FROM matching CROSS JOIN thread CROSS JOIN thread_search
            WHERE thread.id = matching.id AND thread_search.thread_id = thread.id AND merged_into IS NULL
              AND (CAST(:before AS TEXT) IS NULL OR thread.id < :before) AND {has_terms} AND {on_sites}
            ORDER BY thread.id DESC LIMIT CAST(:limit AS BIGINT)
        """
        return statement, values | more | {"before": before, "match": match(asked, None, self.sites)}

    def _branch(self, clauses: Sequence[str], before: str | None) -> str:
        past = ["id < :before"] if before else ["CAST(:before AS TEXT) IS NULL"]
        return f"""
            SELECT id FROM thread WHERE {" AND ".join([*clauses, *past, "merged_into IS NULL", "key <> ''"])}
            ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)
        """


async def list_waiting(unit: PrivateRead, sites: Sequence[str] | None, most: int) -> Sequence[Row]:
    """Return ``site_id, key, url, title, pending`` of the threads with the most pending comments.

    Before a thread is public, it has address and title of a comment's page, as in the queue.
    """
    on_sites, values = site_condition("site_id", sites)
    waiting = "FROM comment WHERE thread_id = first.id AND status = 'pending'"
    return await unit.all(
        f"""
        SELECT site_id, key, COALESCE(url, (SELECT MIN(page_url) {waiting})) AS url,
            COALESCE(title, (SELECT MIN(page_title) {waiting})) AS title, pending
        FROM (
            SELECT id, site_id, key, url, title, pending FROM thread WHERE pending > 0 AND {on_sites}
            ORDER BY pending DESC, id LIMIT CAST(:most AS BIGINT)
        ) AS first ORDER BY pending DESC, id
        """,
        most=most,
        **values,
    )


async def list_page(
    unit: PrivateRead, sites: Sequence[str] | None, before: str | None, limit: int, q: str | None = None
) -> Sequence[Row]:
    """Return threads with their numbers of pending comments, newest first, without merged ones.

    ``before`` is a thread id. ``q`` searches titles and keys, as searches for comments do.
    """
    if sites is not None and not sites:
        return []
    if q:
        ids, values = in_list("found", await find_ids(unit, sites, q, limit, before))
    else:
        page, values = ThreadPlan(None if sites is None else tuple(sites)).page(before)
        ids, values = f"({page})", values | {"limit": limit}
    return await unit.all(
        f"SELECT {COLUMNS}, thread.pending FROM thread WHERE thread.id IN {ids} ORDER BY thread.id DESC", **values
    )


async def find_ids(
    unit: PrivateRead, sites: Sequence[str] | None, q: str, limit: int, before: str | None = None
) -> list[str]:
    """Return the ids of threads whose titles and keys have these words, newest first."""
    plan = ThreadPlan(None if sites is None else tuple(sites))
    return await word_search.find_words(unit, plan, search.THREAD_TABLE, terms(q), after=before, limit=limit)
