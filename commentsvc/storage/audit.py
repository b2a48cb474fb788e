"""The audit log. Rows are only added; only the notes in them can be erased."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition


class Entry(Struct, frozen=True):
    """An entry. ``hash`` covers the fields before it."""

    seq: int  # 1, 2, 3 …
    created_at: str
    actor_kind: str
    actor_id: str | None
    actor_name: str
    verb: str
    site_id: str | None
    body: str
    previous: str  # hash of the previous entry
    hash: str
    salt: str | None
    note: str | None


COLUMNS: Final = ", ".join(Entry.__struct_fields__)
VALUES: Final = ", ".join(f":{name}" for name in Entry.__struct_fields__)
LIST_ALL: Final = f"SELECT {COLUMNS} FROM audit ORDER BY seq"
GET_HEAD: Final = "SELECT audited, audit_hash FROM installation WHERE id = 1"
# The action id in a body that has one. Its keys are sorted, so it starts with {"action":" and 36 characters.
ACTION: Final = "SUBSTR(body, 12, 36)"


async def next_sequence(unit: Write) -> tuple[int, str]:
    """Take the next entry's number; return it with the hash of the previous entry.

    On PostgreSQL this locks the log until the unit of work ends, so do it last.
    """
    row = await unit.one(
        """
        UPDATE installation SET audited = audited + 1 WHERE id = 1
        RETURNING audited, audit_hash, (SELECT created_at FROM audit WHERE seq = audited - 1) AS created_at
        """
    )
    if row is None:
        raise LookupError("this database was never prepared")
    return row["audited"], row["audit_hash"]


async def add(unit: Write, entry: Entry) -> None:
    """Insert an entry with the number from ``next_sequence``."""
    await unit.run(f"INSERT INTO audit ({COLUMNS}) VALUES ({VALUES})", **structs.asdict(entry))
    await unit.run("UPDATE installation SET audit_hash = :hash WHERE id = 1", hash=entry.hash)


async def get_head(unit: PrivateRead) -> tuple[int, str]:
    """Return the number of entries that were ever added, and the hash of the newest."""
    row = await unit.one(GET_HEAD)
    return (row["audited"], row["audit_hash"]) if row else (0, "")


async def list_after(unit: PrivateRead, seq: int | None, limit: int) -> Sequence[Row]:
    """Return entries after a number, oldest first. They are rows, since altered ones may not fit ``Entry``."""
    return await unit.all(
        f"""
        SELECT {COLUMNS} FROM audit {"" if seq is None else "WHERE seq > CAST(:seq AS BIGINT)"}
        ORDER BY seq LIMIT CAST(:limit AS BIGINT)
        """,
        seq=seq,
        limit=limit,
    )


async def list_page(
    unit: PrivateRead,
    *,
    sites: Sequence[str] | None,
    since: str | None,
    until: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """Return entries before a number, newest first. Entries without a site are included only if ``sites`` is None."""
    on_sites, values = site_condition("site_id", sites)
    return await unit.all(
        f"""
        SELECT {COLUMNS} FROM audit
        WHERE {on_sites} {"" if before is None else "AND seq < CAST(:before AS BIGINT)"}
          {"AND created_at >= :since" if since else ""} {"AND created_at < :until" if until else ""}
        ORDER BY seq DESC LIMIT CAST(:limit AS BIGINT)
        """,
        before=before,
        since=since,
        until=until,
        limit=limit,
        **values,
    )


async def erase_notes(unit: Write, comment_ids: Sequence[str]) -> None:
    """Erase the notes of the actions that changed comments, with their salts. Only actions have notes."""
    ids, values = in_list("id", comment_ids)
    await unit.run(
        f"""
        UPDATE audit SET salt = NULL, note = NULL
        WHERE note IS NOT NULL AND {ACTION} IN (SELECT action_id FROM action_item WHERE comment_id IN {ids})
        """,
        **values,
    )
