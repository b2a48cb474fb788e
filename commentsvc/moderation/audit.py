"""Read the audit log as a moderator."""

import re
from collections.abc import Mapping

import msgspec

from commentsvc.audit.schemas import AuditEntry, AuditLog, AuditQuery
from commentsvc.domain import pagination, validation
from commentsvc.domain.models import Principal
from commentsvc.service import private_read
from commentsvc.sites import resolve
from commentsvc.storage import audit
from commentsvc.storage.actors import actor_of
from commentsvc.storage.database import PrivateRead, Row


@private_read
async def list_entries(unit: PrivateRead, who: Principal, query: AuditQuery) -> AuditLog:
    """Return a page of the audit log of this principal's sites, newest entry first.

    Entries without a site are only for principals with access to all sites.

    Raises:
        Invalid: for the field ``site``, ``cursor``, ``since`` or ``until``.
    """
    directory = await resolve.read_directory.within(unit)
    rows = await audit.list_page(
        unit,
        sites=resolve.reachable_sites(directory, who, query.site),
        since=validation.parse_time_field("since", query.since),
        until=validation.parse_time_field("until", query.until),
        before=_sequence_of(query.cursor) if query.cursor else None,
        limit=query.limit + 1,
    )
    names = {site.id: site.name for site in directory.sites}
    entries = [_entry_record(row, names) for row in rows[: query.limit]]
    return AuditLog(entries, pagination.encode_cursor(str(entries[-1].seq)) if len(rows) > query.limit else None)


def _sequence_of(cursor: str) -> int:
    (text,) = pagination.decode_cursor(cursor, 1)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise pagination.invalid_cursor()
    return int(text)


def _entry_record(row: Row, names: Mapping[str, str]) -> AuditEntry:
    return AuditEntry(
        seq=row["seq"],
        created_at=row["created_at"],
        actor=actor_of(row),
        verb=row["verb"],
        site=names.get(row["site_id"]),
        body=msgspec.json.decode(row["body"]),
        note=row["note"],
        hash=row["hash"],
    )
