"""The state that public answers depend on, as one statement for each kind of answer.

An answer is current as long as its statement returns the same rows. Each statement reads a few rows by an index.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from commentsvc.storage.database import PublicRead, Row, in_list, row_values
from commentsvc.storage.directory_version import VERSION

State: TypeAlias = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Check:
    """A statement that finds the present state, with its parameters."""

    sql: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Basis:
    """The basis of an answer: a check, and the state that the answer shows.

    ``until`` is when the answer changes by itself, since a thread closes; None if it does not. ``since`` is when it
    changed by itself last: a clock that is set back changes it again. ``keys`` name what the
    answer shows, so that a CDN can drop every answer that shows it.
    """

    check: Check
    state: State
    until: str | None = None
    keys: tuple[str, ...] = ()
    since: str | None = None

    def is_of(self, now: str) -> bool:
        """Return whether the answer is one for this time."""
        return (self.until is None or now < self.until) and (self.since is None or self.since < now)


def thread_check(site_id: str, name: str) -> Check:
    """Return the check of all answers that show one thread. It may not exist."""
    return Check(
        f"""
        SELECT directory.version AS directory, thread.id, thread.version FROM (SELECT {VERSION} AS version) AS directory
        LEFT JOIN thread_name ON thread_name.site_id = :site_id AND thread_name.name = :name
        LEFT JOIN thread ON thread.id = thread_name.thread_id
        """,
        {"site_id": site_id, "name": name},
    )


def counts_check(names: Iterable[tuple[str, str]]) -> Check:
    """Return the check of the numbers of approved comments of threads, given by site id and name."""
    by_site: defaultdict[str, list[str]] = defaultdict(list)
    for site_id, name in names:
        by_site[site_id].append(name)
    parts, values = [f"SELECT '' AS site_id, '' AS name, {VERSION} AS number"], dict[str, Any]()
    for place, site_id in enumerate(sorted(by_site)):
        listed, more = in_list(f"name{place}_", sorted(by_site[site_id]))
        parts += [
            f"""
            SELECT thread_name.site_id, thread_name.name, thread.approved
            FROM thread_name JOIN thread ON thread.id = thread_name.thread_id
            WHERE thread_name.site_id = :site{place} AND thread_name.name IN {listed}
            """
        ]
        values |= more | {f"site{place}": site_id}
    return Check(" UNION ALL ".join(parts), values)


def latest_check(site_id: str, before: str | None, limit: int) -> Check:
    """Return the check of a site's approved comments before an id, newest first, with their threads."""
    return Check(
        f"""
        SELECT directory.version AS directory, comment.id, comment.version, thread.version AS thread
        FROM (SELECT {VERSION} AS version) AS directory
        LEFT JOIN (
            SELECT id, version, thread_id FROM comment
            WHERE site_id = :site_id AND status = 'approved' AND (CAST(:before AS TEXT) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)
        ) AS comment ON 1 = 1
        LEFT JOIN thread ON thread.id = comment.thread_id
        """,
        {"site_id": site_id, "before": before, "limit": limit},
    )


def state_of(rows: Iterable[Row]) -> State:
    """Return rows as sorted values that can be compared. No two rows are equal up to a null value."""
    return tuple(sorted(map(row_values, rows)))


async def read_basis(
    unit: PublicRead,
    check: Check,
    period: tuple[str | None, str | None] = (None, None),
    keys: tuple[str, ...] = (),
) -> Basis:
    """Return a check with the state that this unit sees. ``period`` is its ``since`` and ``until``."""
    since, until = period
    return Basis(check, state_of(await unit.all(check.sql, **check.values)), until, keys, since)
