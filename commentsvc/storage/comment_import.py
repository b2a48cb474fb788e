"""Insert comments of an archive: many at once, and nobody is told."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from commentsvc.domain.models import Comment, Contact, Decision
from commentsvc.storage import actors, comments, contacts, search
from commentsvc.storage.actors import actor_values
from commentsvc.storage.database import PublicRead, Row, Write, in_list

# What no comment of an archive has: nobody here has decided on it, edited or erased it yet.
ABSENT: Final = {"moderator_id", "page_title", "status_before", "note", "erased_at"}
COLUMNS: Final = [name for name in Comment.__struct_fields__ if name not in ABSENT]
VALUES: Final = ", ".join(f":{name}" for name in COLUMNS)
INSERT: Final = f"INSERT INTO comment ({', '.join(COLUMNS)}, row_digest) VALUES ({VALUES}, :row_digest)"


class ImportedComment(Struct, frozen=True):
    """A comment with the private data of its author, the tokens of its text, and a note on its first decision."""

    comment: Comment
    contact: Contact
    words: str
    note: str | None = None


async def list_answered(unit: PublicRead, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``id, thread_id, parent_id, path, depth`` of these comments."""
    ids, values = in_list("id", comment_ids)
    return await unit.all(f"SELECT id, thread_id, parent_id, path, depth FROM comment WHERE id IN {ids}", **values)


async def add(unit: Write, added: Sequence[ImportedComment], decision: Decision) -> None:
    """Insert comments in this order, each with a decision for its status by the actor of ``decision``.

    The caller counts them in their threads and in the parents that are not among them.
    """
    await unit.run_many(INSERT, list(map(_row_of, added)))
    await contacts.add_many(unit, [one.contact for one in added])
    await _add_decisions(unit, added, decision)
    await search.add_many(unit, [(one.comment, one.words, one.note or "") for one in added])


def _row_of(one: ImportedComment) -> dict[str, Any]:
    comment = one.comment
    # The driver looks for a converter of each value that is no plain text or number: more work than to store it.
    return structs.asdict(comment) | {"status": comment.status.value, "row_digest": comments.digest_comment(comment)}


async def _add_decisions(unit: Write, added: Sequence[ImportedComment], decision: Decision) -> None:
    actor, now = actor_values(decision.actor), unit.now()
    await unit.run_many(
        f"""
        INSERT INTO decision (comment_id, status, {actors.COLUMNS}, note, created_at)
        VALUES (:id, :status, {actors.VALUES}, :note, :now)
        """,
        [
            {"id": one.comment.id, "status": one.comment.status.value, "note": one.note, "now": now, **actor}
            for one in added
        ],
    )


async def count(unit: Write, thread_id: str, numbers: Mapping[str, int], public_since: str | None) -> None:
    """Count new comments in their thread, by status, and publish it; increase its version."""
    values: dict[str, Any] = {name: numbers.get(name, 0) for name in ("approved", "pending", "spam", "trash")}
    counted = ", ".join(f"{name} = {name} + CAST(:{name} AS BIGINT)" for name in values)
    await unit.run(
        f"""
        UPDATE thread SET version = version + 1, {counted}, published_at =
            CASE WHEN published_at IS NULL OR published_at > CAST(:since AS TEXT) THEN COALESCE(:since, published_at)
                ELSE published_at END
        WHERE id = :id
        """,
        id=thread_id,
        since=public_since,
        **values,
    )


async def take_numbers(unit: Write, thread_id: str, many: int) -> int | None:
    """Take numbers for so many comments of a thread; return the first one. None if it was merged into another.

    On PostgreSQL this also locks the thread.
    """
    row = await unit.one(
        """
        UPDATE thread SET last_seq = last_seq + CAST(:many AS BIGINT) WHERE id = :id AND merged_into IS NULL
        RETURNING last_seq
        """,
        id=thread_id,
        many=many,
    )
    return int(row["last_seq"]) - many + 1 if row else None


async def complete_thread(
    unit: Write, thread_id: str, url: str | None, title: str | None, closed_at: str | None
) -> Row:
    """Give a thread an address and title, if it has none, and close it; return ``site_id, key, title``."""
    row = await unit.one(
        """
        UPDATE thread SET url = COALESCE(url, :url), title = COALESCE(title, :title),
            closed_at = COALESCE(closed_at, :closed_at)
        WHERE id = :id RETURNING site_id, key, title
        """,
        id=thread_id,
        url=url,
        title=title,
        closed_at=closed_at,
    )
    if row is None:
        raise LookupError("a thread that was just locked is gone")
    return row


async def list_places(unit: PublicRead, thread_id: str, tops: Sequence[str] | None = None) -> Sequence[Row]:
    """Return ``id, parent_id, path, top`` of the comments of a thread, oldest first.

    ``tops`` are ids: then of these top-level comments and their replies only.
    """
    listed, values = in_list("top", tops or ())
    trees = f"AND top IN (SELECT top FROM comment WHERE id IN {listed})" if tops is not None else ""
    return await unit.all(
        f"""
        SELECT id, parent_id, path, top FROM comment
        WHERE thread_id = :thread_id {trees} ORDER BY created_at, id
        """,
        thread_id=thread_id,
        **values,
    )
