"""Events, until a worker has turned them into parcels.

Each is written in the transaction of what happened, and only if there is a mail server, an external check or a
webhook to tell.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.deliveries import Event, EventKind
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Comment, Status
from commentsvc.storage.database import PrivateRead, Write, in_list

COLUMNS: Final = ", ".join(Event.__struct_fields__)
MOST_FAILURES: Final = 5
# Without a mail server, an external check or a webhook nobody reads events.
IS_READ: Final = "(CAST(:has_reader AS BIGINT) = 1 OR EXISTS (SELECT 1 FROM webhook WHERE disabled_at IS NULL))"


async def add(
    unit: Write,
    kind: EventKind,
    *,
    site_id: str | None,
    thread_id: str | None = None,
    comment_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
    email: Email | None = None,
) -> None:
    """Add an event, if anything reads events. ``detail`` has ids, statuses and codes, never texts."""
    await unit.later(
        f"""
        INSERT INTO event (kind, site_id, thread_id, comment_id, detail, email_sealed, email_digest, created_at)
        SELECT CAST(:kind AS TEXT), CAST(:site_id AS TEXT), CAST(:thread_id AS TEXT), CAST(:comment_id AS TEXT),
            CAST(:detail AS TEXT), CAST(:sealed AS TEXT), CAST(:digest AS TEXT), CAST(:now AS TEXT)
        WHERE {IS_READ}
        """,
        kind=kind.value,
        site_id=site_id,
        thread_id=thread_id,
        comment_id=comment_id,
        detail=_json(detail or {}),
        sealed=unit.keyring.seal(email) if email else None,
        digest=unit.keyring.digest(email) if email else None,
        now=unit.now(),
        has_reader=_has_reader(unit),
    )


async def add_of_comment(
    unit: Write, kind: EventKind, comment: Comment, detail: Mapping[str, Any] | None = None
) -> None:
    """Add an event of a comment, if anything reads events."""
    await add(unit, kind, site_id=comment.site_id, thread_id=comment.thread_id, comment_id=comment.id, detail=detail)


async def add_decisions(unit: Write, found: Sequence[Comment], status: Status) -> None:
    """Add an event for each of these comments whose status changes to this one, if anything reads events.

    Its detail has ``first`` if this is the first time that the comment is public.
    """
    moved = [comment for comment in found if comment.status is not status]
    if not moved:
        return
    ids, values = in_list("id", [comment.id for comment in moved])
    by_detail: defaultdict[str, list[str]] = defaultdict(list)
    for number, one in enumerate(moved):
        first = {"first": True} if status is Status.APPROVED and one.published_at is None else {}
        by_detail[_json({"from": one.status.value, "to": status.value} | first)].append(f":id{number}")
    details = ""
    for number, (detail, names) in enumerate(by_detail.items()):
        details += f" WHEN id IN ({', '.join(names)}) THEN CAST(:detail{number} AS TEXT)"
        values[f"detail{number}"] = detail
    await unit.later(
        f"""
        INSERT INTO event (kind, site_id, thread_id, comment_id, detail, created_at)
        SELECT CAST(:kind AS TEXT), site_id, thread_id, id, CASE{details} END, CAST(:now AS TEXT)
        FROM comment WHERE id IN {ids} AND {IS_READ}
        """,
        kind=EventKind.COMMENT_DECIDED.value,
        now=unit.now(),
        has_reader=_has_reader(unit),
        **values,
    )


async def add_thread_changes(unit: Write, thread_ids: Sequence[str]) -> None:
    """Add an event for each of these threads, whose title, address or state has changed, if anything reads events."""
    ids, values = in_list("id", thread_ids)
    await unit.later(
        f"""
        INSERT INTO event (kind, site_id, thread_id, detail, created_at)
        SELECT CAST(:kind AS TEXT), site_id, id, '{{}}', CAST(:now AS TEXT) FROM thread WHERE id IN {ids} AND {IS_READ}
        """,
        kind=EventKind.THREAD_CHANGED.value,
        now=unit.now(),
        has_reader=0,  # only webhooks tell
        **values,
    )


async def add_removed_threads(unit: Write, thread_ids: Sequence[str]) -> None:
    """Add an event for each of these threads before it is deleted, if a webhook reads events.

    Nothing will be left to read then, so its names are in the event, encrypted.
    """
    ids, values = in_list("id", thread_ids)
    rows = await unit.all(
        f"""
        SELECT thread.id, thread.site_id, thread.key, thread_name.name FROM thread
        LEFT JOIN thread_name ON thread_name.thread_id = thread.id
        WHERE thread.id IN {ids} AND thread.merged_into IS NULL AND EXISTS (SELECT 1 FROM webhook) ORDER BY name
        """,
        **values,
    )
    for thread_id in dict.fromkeys(row["id"] for row in rows):
        of_thread = [row for row in rows if row["id"] == thread_id]
        names = {"key": of_thread[0]["key"], "names": sorted(row["name"] for row in of_thread if row["name"])}
        await add(
            unit,
            EventKind.THREAD_CHANGED,
            site_id=of_thread[0]["site_id"],
            thread_id=thread_id,
            detail={"removed": unit.keyring.encrypt_text(_json(names))},
        )


async def add_removed_site(unit: Write, site_id: str, name: str) -> None:
    """Add an event for a site that is deleted, if a webhook reads events. The site itself is in it, encrypted."""
    site = unit.keyring.encrypt_text(_json({"id": site_id, "name": name}))
    await add(unit, EventKind.THREAD_CHANGED, site_id=None, detail={"removed_site": site})


async def is_any(unit: PrivateRead) -> bool:
    """Return whether there is an event to turn into parcels."""
    row = await unit.one("SELECT 1 AS found FROM event WHERE failures < :most LIMIT 1", most=MOST_FAILURES)
    return row is not None


async def find_oldest(unit: PrivateRead) -> str | None:
    """Return when the oldest event was added that has yet to be turned into parcels."""
    row = await unit.one("SELECT created_at FROM event WHERE failures < :most ORDER BY seq LIMIT 1", most=MOST_FAILURES)
    return str(row["created_at"]) if row else None


async def take(unit: Write, most: int) -> list[Event]:
    """Remove the oldest events and return them, oldest first. Two workers never take the same one."""
    rows = await unit.all(
        f"""
        DELETE FROM event WHERE seq IN (
            SELECT seq FROM event WHERE failures < :failures ORDER BY seq LIMIT CAST(:most AS BIGINT)
        )
        RETURNING {COLUMNS}
        """,
        failures=MOST_FAILURES,
        most=most,
    )
    events = [msgspec.convert(dict(row) | {"detail": msgspec.json.decode(row["detail"])}, Event) for row in rows]
    return sorted(events, key=lambda event: event.seq)


async def list_oldest(unit: PrivateRead, most: int) -> list[int]:
    """Return the numbers of the oldest events."""
    rows = await unit.all(
        "SELECT seq FROM event WHERE failures < :failures ORDER BY seq LIMIT CAST(:most AS BIGINT)",
        failures=MOST_FAILURES,
        most=most,
    )
    return [int(row["seq"]) for row in rows]


async def take_one(unit: Write, seq: int) -> Event | None:
    """Remove an event and return it; None if another worker took it."""
    row = await unit.one(f"DELETE FROM event WHERE seq = :seq RETURNING {COLUMNS}", seq=seq)
    return msgspec.convert(dict(row) | {"detail": msgspec.json.decode(row["detail"])}, Event) if row else None


async def note_failure(unit: Write, seq: int) -> None:
    """Count that an event could not be turned into parcels. After ``MOST_FAILURES`` it is left alone."""
    await unit.run("UPDATE event SET failures = failures + 1 WHERE seq = :seq", seq=seq)


async def delete_of_comments(unit: Write, comment_ids: Sequence[str]) -> None:
    """Delete the events of comments."""
    ids, values = in_list("id", comment_ids)
    await unit.run(f"DELETE FROM event WHERE comment_id IN {ids}", **values)


async def delete_expired(unit: Write, before: str, most: int) -> int:
    """Delete events from before a time, which nobody turned into parcels; return their number."""
    return await unit.run(
        """
        DELETE FROM event WHERE seq IN (
            SELECT seq FROM event WHERE created_at < :before ORDER BY seq LIMIT CAST(:most AS BIGINT)
        )
        """,
        before=before,
        most=most,
    )


def _has_reader(unit: Write) -> int:
    return int(bool(unit.config.smtp_url or unit.config.verdict_url))


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
