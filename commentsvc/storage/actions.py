"""Actions of moderators. Rows are only added; ``undone_by`` names the action that undid one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.domain.models import Comment, Principal
from commentsvc.storage.actors import COLUMNS, VALUES, actor_values
from commentsvc.storage.database import MAX_HISTORY, PrivateRead, Row, Write, in_list


async def add_action(  # noqa: PLR0913 -- a row has as many columns
    unit: Write,
    action_id: str,
    verb: str,
    who: Principal,
    note: str | None,
    now: str,
    *,
    subject: str | None = None,
    was: str | None = None,
    became: str | None = None,
    state: str = "done",
) -> None:
    """Insert an action.

    ``subject`` is the thing that it changed, if that is not comments; ``was`` and ``became`` are its states as JSON.
    """
    await unit.run(
        f"""
        INSERT INTO action (id, verb, {COLUMNS}, session_id, note, created_at, subject, was, became, state)
        VALUES (:id, :verb, {VALUES}, :session_id, :note, :now, :subject, :was, :became, :state)
        """,
        id=action_id,
        verb=verb,
        **actor_values(who.actor),
        session_id=who.session_id,
        note=note,
        now=now,
        subject=subject,
        was=was,
        became=became,
        state=state,
    )


async def set_part_of(unit: Write, action_id: str, whole: str) -> None:
    """Note that an action is a part of something larger, which is undone as a whole."""
    await unit.run("UPDATE action SET part_of = :whole WHERE id = :id", id=action_id, whole=whole)


async def list_parts(unit: PrivateRead, whole: str) -> Sequence[Row]:
    """Return ``id, subject`` of the actions that are parts of a whole and were not undone, latest first."""
    return await unit.all(
        "SELECT id, subject FROM action WHERE part_of = :whole AND undone_by IS NULL ORDER BY seq DESC", whole=whole
    )


async def add_item(unit: Write, action_id: str, before: Comment, after: Comment) -> None:
    """Insert the change of one comment by an action."""
    await add_items(unit, action_id, [(before, after)])


ITEM: Final = ("comment", "from_status", "to_status", "from_version", "to_version", "from_before", "from_note")


async def add_items(unit: Write, action_id: str, changes: Sequence[tuple[Comment, Comment]]) -> None:
    """Insert the changes of comments by an action."""
    values: dict[str, Any] = {}
    for n, (before, after) in enumerate(changes):
        versions, earlier = (before.version, after.version), (before.status_before, before.note)
        item = (before.id, before.status, after.status, *versions, *earlier)
        values |= {f"{name}{n}": value for name, value in zip(ITEM, item, strict=True)}
    rows = (f"(:action_id, {', '.join(f':{name}{n}' for name in ITEM)})" for n in range(len(changes)))
    await unit.run(
        f"""
        INSERT INTO action_item (action_id, comment_id, from_status, to_status, from_version, to_version,
            from_before, from_note)
        VALUES {", ".join(rows)}
        """,
        action_id=action_id,
        **values,
    )


async def get_action(unit: PrivateRead, action_id: str) -> Row | None:
    """Return ``id, verb``, the actor, ``note, created_at, undone_by, subject, was, became, state`` of an action."""
    return await unit.one(
        f"""
        SELECT id, verb, {COLUMNS}, note, created_at, undone_by, subject, was, became, state
        FROM action WHERE id = :id
        """,
        id=action_id,
    )


async def list_items(unit: PrivateRead, action_id: str) -> Sequence[Row]:
    """Return an action's change of each comment, with the comment's site."""
    return await unit.all(
        """
        SELECT action_item.comment_id, from_status, to_status, from_version, to_version, from_before, from_note,
            comment.site_id
        FROM action_item JOIN comment ON comment.id = action_item.comment_id
        WHERE action_id = :id ORDER BY comment_id
        """,
        id=action_id,
    )


async def list_items_of(unit: PrivateRead, action_id: str, comment_ids: Sequence[str]) -> Sequence[Row]:
    """Return an action's changes of these comments; columns as in ``list_items``, without the site."""
    ids, values = in_list("comment", comment_ids)
    return await unit.all(
        f"""
        SELECT comment_id, from_status, to_status, from_version, to_version, from_before, from_note
        FROM action_item WHERE action_id = :id AND comment_id IN {ids}
        """,
        id=action_id,
        **values,
    )


async def add_targets(unit: Write, action_id: str, versions: Mapping[str, int]) -> None:
    """Store the comments that an action has to work on, in this order, with the versions that they had."""
    await unit.run(
        "INSERT INTO action_target (action_id, targets) VALUES (:action_id, :targets)",
        action_id=action_id,
        targets=msgspec.json.encode(list(versions.items())).decode(),
    )


async def take_targets(unit: Write, action_id: str, limit: int) -> dict[str, int | None]:
    """Take the next comments of a running action; return their versions by id, in the order of the action.

    On PostgreSQL a second server waits here until the first has finished its piece.
    """
    action = await unit.one(
        """
        UPDATE action SET progress = progress + CAST(:limit AS BIGINT) WHERE id = :id AND state = 'running'
        RETURNING progress
        """,
        id=action_id,
        limit=limit,
    )
    stored = await unit.one("SELECT targets FROM action_target WHERE action_id = :id", id=action_id)
    if action is None or stored is None:
        return {}
    targets = msgspec.json.decode(stored["targets"], type=list[tuple[str, int]])
    return dict(targets[action["progress"] - limit : action["progress"]])


async def mark_running(unit: Write, action_id: str) -> None:
    """Note that an action has comments to work on."""
    await unit.run("UPDATE action SET state = 'running' WHERE id = :id", id=action_id)


async def mark_done(unit: Write, action_id: str) -> None:
    """Note that an action has no more comments to work on."""
    await unit.run("UPDATE action SET state = 'done' WHERE id = :id", id=action_id)
    await unit.run("DELETE FROM action_target WHERE action_id = :id", id=action_id)


async def list_running(unit: PrivateRead, created_before: str) -> list[str]:
    """Return the ids of actions that were started before this time and are not done, oldest first."""
    rows = await unit.all(
        "SELECT id FROM action WHERE state = 'running' AND created_at <= :before ORDER BY seq", before=created_before
    )
    return [row["id"] for row in rows]


async def get_undone_by(unit: PrivateRead, undo_id: str) -> Row:
    """Return ``id, verb`` of the action that this one undid."""
    row = await unit.one("SELECT id, verb FROM action WHERE undone_by = :id", id=undo_id)
    if row is None:
        raise LookupError("an undo without the action that it undid")
    return row


async def list_of_comment(unit: PrivateRead, comment_id: str) -> Sequence[Row]:
    """Return the latest actions on a comment, oldest first."""
    rows = await unit.all(
        f"""
        SELECT action.id, verb, {COLUMNS}, note, created_at, undone_by, from_status, to_status
        FROM action_item JOIN action ON action.id = action_item.action_id
        WHERE comment_id = :id ORDER BY action.seq DESC LIMIT {MAX_HISTORY}
        """,
        id=comment_id,
    )
    return rows[::-1]


async def clear_states(unit: Write, before: str) -> None:
    """Delete the states of actions that are too old to be undone."""
    await unit.run(
        "UPDATE action SET was = NULL, became = NULL WHERE created_at < :before AND was IS NOT NULL", before=before
    )


async def mark_undone(unit: Write, action_id: str, undone_by: str) -> bool:
    """Store which action undid this one; return False if it was already undone."""
    changed = await unit.run(
        "UPDATE action SET undone_by = :undone_by WHERE id = :id AND undone_by IS NULL",
        id=action_id,
        undone_by=undone_by,
    )
    return changed == 1


async def list_summaries(unit: PrivateRead, action_ids: Sequence[str]) -> Sequence[Row]:
    """Return ``id, verb``, the actor, ``subject, undone_by``, ``number`` of comments and ``undid`` of actions."""
    ids, values = in_list("id", action_ids)
    return await unit.all(
        f"""
        SELECT id, verb, {COLUMNS}, subject, undone_by,
            (SELECT COUNT(*) FROM action_item WHERE action_id = action.id) AS number,
            (SELECT undone.verb FROM action AS undone WHERE undone.undone_by = action.id) AS undid
        FROM action WHERE id IN {ids}
        """,
        **values,
    )


async def list_sites(unit: PrivateRead, action_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the sites whose comments these actions changed, by action id."""
    ids, values = in_list("id", action_ids)
    rows = await unit.all(
        f"""
        SELECT DISTINCT action_id, comment.site_id
        FROM action_item JOIN comment ON comment.id = action_item.comment_id
        WHERE action_id IN {ids}
        """,
        **values,
    )
    sites: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        sites[row["action_id"]].append(row["site_id"])
    return sites


async def list_of_subject(unit: PrivateRead, subject: str, limit: int) -> Sequence[Row]:
    """Return ``id, verb``, the actor, ``created_at, was, became`` of the last changes of a thing, newest first."""
    return await unit.all(
        f"""
        SELECT id, verb, {COLUMNS}, created_at, was, became FROM action
        WHERE subject = :subject ORDER BY seq DESC LIMIT CAST(:limit AS BIGINT)
        """,
        subject=subject,
        limit=limit,
    )


async def find_last_action(unit: PrivateRead, session_id: str) -> str | None:
    """Return the latest action of a session that changed something, is not undone, and can be."""
    row = await unit.one(
        """
        SELECT id FROM action
        WHERE session_id = :session_id AND verb <> 'undo' AND verb <> 'erase' AND undone_by IS NULL
          AND (subject IS NOT NULL OR EXISTS (SELECT 1 FROM action_item WHERE action_id = action.id))
        ORDER BY seq DESC LIMIT 1
        """,
        session_id=session_id,
    )
    return row["id"] if row else None
