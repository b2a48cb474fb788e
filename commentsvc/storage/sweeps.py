"""Find what a banned commenter wrote: the comments that a ban marks.

Each function returns ``id, version, website`` of comments, newest first, up to ``most``. Moderators' are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from commentsvc.domain.models import Status
from commentsvc.storage import contacts
from commentsvc.storage.comment_filter import id_range
from commentsvc.storage.database import PrivateRead, Row, in_list, site_condition
from commentsvc.storage.word_search import without_index


@dataclass(frozen=True, kw_only=True)
class Range:
    """Comments with a status, on some sites (None: all), written from ``since`` to ``as_of`` and not edited since."""

    status: Status
    sites: Sequence[str] | None
    since: str | None
    as_of: str | None


async def list_by_author(unit: PrivateRead, author_id: str, where: Range, most: int) -> Sequence[Row]:
    """Return one author's comments."""
    on_sites, values = site_condition("comment.site_id", where.sites)
    clauses = ["comment.author_id = :author", without_index(f"comment.status = :status AND {on_sites}")]
    return await _list(unit, "comment", clauses, where, most, author=author_id, **values)


async def list_by_network(unit: PrivateRead, network: str, where: Range, most: int) -> Sequence[Row]:
    """Return the comments from a network."""
    on_sites, values = site_condition("contact.site_id", where.sites)
    clauses = ["contact.network = :network", "contact.status = :status", without_index(on_sites)]
    return await _list(unit, contacts.TABLE, clauses, where, most, network=network, **values)


async def list_by_address(
    unit: PrivateRead, digests: Sequence[str], verified: Sequence[bool], where: Range, most: int
) -> Sequence[Row]:
    """Return the comments with an address.

    ``verified``: those whose writer had confirmed the address (True), had not (False), or both.
    """
    listed, values = in_list("digest", digests)
    proven, more = in_list("verified", [int(one) for one in verified])
    on_sites, sites = site_condition("contact.site_id", where.sites)
    others = without_index(f"{on_sites} AND contact.verified IN {proven}")
    clauses = [f"contact.email_digest IN {listed}", "contact.status = :status", others]
    return await _list(unit, contacts.TABLE, clauses, where, most, **values, **more, **sites)


async def list_with_website(unit: PrivateRead, domains: Sequence[str], where: Range, most: int) -> Sequence[Row]:
    """Return the comments whose website names one of these domains, which may also be in its path."""
    parts = {
        f"host{number}{at}": f"%{before}{domain}%"
        for number, domain in enumerate(domains)
        for at, before in enumerate(("://", "."))
    }
    named = " OR ".join(f"LOWER(comment.website) LIKE :{name}" for name in parts)
    on_sites, values = site_condition("comment.site_id", where.sites)
    clauses = ["comment.status = :status", on_sites, without_index(f"comment.website IS NOT NULL AND ({named})")]
    return await _list(unit, "comment", clauses, where, most, **parts, **values)


async def _list(
    unit: PrivateRead, first: str, conditions: Sequence[str], where: Range, most: int, **values: Any
) -> Sequence[Row]:
    """Return matching comments. The table ``first`` has the index to begin with."""
    key = "comment.id" if first == "comment" else f"{first}.comment_id"
    tables = [first] if first == "comment" else [first, "comment"]
    # Neither the order nor the times may lead SQLite to read all contacts in the order of their ids.
    order = f"{key} DESC" if first == "comment" else "comment.created_at DESC, comment.id DESC"
    times, more = _times(key, where)
    times = times if first == "comment" else [without_index(" AND ".join(times))] if times else []
    clauses = [*conditions, *times, "comment.erased_at IS NULL", "comment.moderator_id IS NULL"]
    if first != "comment":
        clauses.append(f"comment.id = {key}")
    return await unit.all(
        f"""
        SELECT comment.id, comment.version, comment.website FROM {" CROSS JOIN ".join(tables)}
        WHERE {" AND ".join(clauses)} ORDER BY {order} LIMIT CAST(:most AS BIGINT)
        """,
        status=where.status.value,
        most=most,
        **values,
        **more,
    )


def _times(key: str, where: Range) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions on times, and their values."""
    clauses: list[str] = []
    values: dict[str, Any] = {}
    if where.since:
        clauses += ["comment.created_at >= :since", f"{key} >= :since_id"]
        values |= {"since": where.since, "since_id": id_range(">=", where.since)}
    if where.as_of:
        clauses += ["comment.created_at <= :as_of", "COALESCE(comment.edited_at, '') <= :as_of", f"{key} < :as_of_id"]
        values |= {"as_of": where.as_of, "as_of_id": id_range("<", where.as_of)}
    return clauses, values
