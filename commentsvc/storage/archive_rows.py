"""Rows for an export, in pages and in a fixed order. They are read from a snapshot, so pages fit together."""

from collections.abc import Sequence
from typing import Final

from commentsvc.domain.models import Comment, Rule
from commentsvc.storage import actors
from commentsvc.storage.database import PrivateRead, Row, in_list

PAGE: Final = 100
RULES_PAGE: Final = 10  # a word list may have megabytes
SOURCES_PAGE: Final = 1000
SITE_COLUMNS: Final = (
    "id, name, created_at, mode, earlier_names, email_required, website_field, privacy_url, consent_required, time_zone"
)
THREAD_COLUMNS: Final = (
    "id, site_id, key, url, title, given_title, mode, created_at, published_at, closed_at, open_until, merged_into, "
    "last_seq"
)
RULE_COLUMNS: Final = ", ".join(Rule.__struct_fields__)
COMMENT_COLUMNS: Final = f"{', '.join(Comment.__struct_fields__)}, posted_digest"
DECISION_COLUMNS: Final = (
    f"comment_id, action_id, status, {actors.COLUMNS}, reason_code, reason_args, note, verdicts, created_at"
)
REVISION_COLUMNS: Final = f"comment_id, version, name, text, html, text_digest, {actors.COLUMNS}, created_at"
REPORT_COLUMNS: Final = "comment_id, reader_digest, reason, created_at, holds, settled_at, settled_by"


async def list_sites(unit: PrivateRead, site_id: str | None) -> Sequence[Row]:
    """Return the sites, or one of them."""
    return await unit.all(
        f"SELECT {SITE_COLUMNS} FROM site WHERE CAST(:site AS TEXT) IS NULL OR id = :site ORDER BY id", site=site_id
    )


async def list_moderators(unit: PrivateRead, site_id: str | None) -> Sequence[Row]:
    """Return ``id, name, created_at, removed_at`` of the moderators; of those who wrote on a site, if it is given."""
    return await unit.all(
        """
        SELECT id, name, created_at, removed_at FROM moderator
        WHERE CAST(:site AS TEXT) IS NULL
            OR id IN (SELECT moderator_id FROM comment WHERE site_id = :site AND moderator_id IS NOT NULL)
        ORDER BY id
        """,
        site=site_id,
    )


async def list_rules(unit: PrivateRead, site_id: str | None, after: str) -> Sequence[Row]:
    """Return a page of rules after an id, also removed ones. A site's page is without the rules for all sites."""
    return await _list_page(unit, f"SELECT {RULE_COLUMNS} FROM rule", site_id, after, RULES_PAGE)


async def list_threads(unit: PrivateRead, site_id: str | None, after: str) -> Sequence[Row]:
    """Return a page of threads after an id."""
    return await _list_page(unit, f"SELECT {THREAD_COLUMNS} FROM thread", site_id, after, PAGE)


async def _list_page(unit: PrivateRead, select: str, site_id: str | None, after: str, limit: int) -> Sequence[Row]:
    return await unit.all(
        f"{select} WHERE id > :after AND (CAST(:site AS TEXT) IS NULL OR site_id = :site) ORDER BY id LIMIT {limit}",
        after=after,
        site=site_id,
    )


async def get_threads(unit: PrivateRead, thread_ids: Sequence[str]) -> Sequence[Row]:
    """Return these threads."""
    ids, values = in_list("id", thread_ids)
    return await unit.all(f"SELECT {THREAD_COLUMNS} FROM thread WHERE id IN {ids}", **values)


async def list_thread_names(unit: PrivateRead, thread_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``thread_id, name, given`` of these threads."""
    ids, values = in_list("id", thread_ids)
    return await unit.all(f"SELECT thread_id, name, given FROM thread_name WHERE thread_id IN {ids}", **values)


async def list_comments(unit: PrivateRead, site_id: str | None, after: tuple[str, str]) -> Sequence[Row]:
    """Return a page of comments after a thread and path: thread by thread, each one after its parent."""
    return await unit.all(
        f"""
        SELECT {COMMENT_COLUMNS} FROM comment
        WHERE (thread_id, top, path) > (:thread, SUBSTR(CAST(:path AS TEXT), 1, 6), :path)
            AND (CAST(:site AS TEXT) IS NULL OR site_id = :site)
        ORDER BY thread_id, top, path LIMIT {PAGE}
        """,
        thread=after[0],
        path=after[1],
        site=site_id,
    )


async def list_decisions(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return the decisions on these comments; of each comment the oldest first."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(f"SELECT {DECISION_COLUMNS} FROM decision WHERE comment_id IN {ids} ORDER BY seq", **values)


async def list_revisions(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return the revisions of these comments; of each comment the oldest first."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"SELECT {REVISION_COLUMNS} FROM revision WHERE comment_id IN {ids} ORDER BY version", **values
    )


async def list_reports(unit: PrivateRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return the reports of these comments; of each comment the oldest first."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(
        f"SELECT {REPORT_COLUMNS} FROM report WHERE comment_id IN {ids} ORDER BY created_at, reader_digest", **values
    )


async def list_sources(unit: PrivateRead, site_id: str | None, after: tuple[str, str, str]) -> Sequence[Row]:
    """Return a page of ``site_id, source, source_id, comment_id`` of imported comments, in the order of the index."""
    return await unit.all(
        f"""
        SELECT site_id, source, source_id, comment_id FROM imported
        WHERE (site_id, source, source_id) > (:after_site, :source, :source_id)
            AND (CAST(:site AS TEXT) IS NULL OR site_id = :site)
        ORDER BY site_id, source, source_id LIMIT {SOURCES_PAGE}
        """,
        after_site=after[0],
        source=after[1],
        source_id=after[2],
        site=site_id,
    )
