"""Sessions of the moderation page."""

from collections.abc import Sequence

from msgspec import Struct, structs

from commentsvc.storage.database import NOW_OR_CREATED, PrivateRead, Row, Write


class StoredSession(Struct, frozen=True):
    """A session. It belongs to a moderator, or to an API key. Only the hash of its token is stored."""

    id: str
    token_hash: str
    moderator_id: str | None
    key_hash: str | None
    created_at: str
    seen_at: str


async def add(unit: Write, session: StoredSession) -> None:
    """Insert a session."""
    await unit.run(
        """
        INSERT INTO session (id, token_hash, moderator_id, key_hash, created_at, seen_at)
        VALUES (:id, :token_hash, :moderator_id, :key_hash, :created_at, :seen_at)
        """,
        **structs.asdict(session),
    )


async def find(unit: PrivateRead, token_hash: str, *, begun_after: str, seen_after: str) -> Row | None:
    """Return ``id, moderator_id, key_hash, created_at, seen_at`` of a token's session, if both times are later."""
    return await unit.one(
        """
        SELECT id, moderator_id, key_hash, created_at, seen_at FROM session
        WHERE token_hash = :token_hash AND created_at > :begun_after AND seen_at > :seen_after
        """,
        token_hash=token_hash,
        begun_after=begun_after,
        seen_after=seen_after,
    )


async def touch(unit: Write, session_id: str, now: str) -> None:
    """Set when a session was last active."""
    await unit.run(f"UPDATE session SET seen_at = {NOW_OR_CREATED} WHERE id = :id", id=session_id, now=now)


async def list_of_owner(unit: PrivateRead, moderator_id: str | None, key_hash: str | None) -> Sequence[Row]:
    """Return ``id, created_at, seen_at`` of every session of a moderator or a key, newest first."""
    return await unit.all(
        """
        SELECT id, created_at, seen_at FROM session
        WHERE moderator_id = CAST(:moderator_id AS TEXT) OR key_hash = CAST(:key_hash AS TEXT) ORDER BY id DESC
        """,
        moderator_id=moderator_id,
        key_hash=key_hash,
    )


async def list_all(unit: PrivateRead, *, begun_after: str, seen_after: str) -> Sequence[Row]:
    """Return ``id, name, created_at, seen_at`` of the sessions that are later than both times, newest first.

    The name is that of the moderator or the API key; None for a key in the settings.
    """
    return await unit.all(
        """
        SELECT session.id, COALESCE(moderator.name, api_key.name) AS name, session.created_at, session.seen_at
        FROM session LEFT JOIN moderator ON moderator.id = session.moderator_id
            LEFT JOIN api_key ON session.key_hash IN (api_key.key_hash, api_key.old_hash)
        WHERE session.created_at > :begun_after AND session.seen_at > :seen_after ORDER BY session.id DESC
        """,
        begun_after=begun_after,
        seen_after=seen_after,
    )


async def delete(unit: Write, session_id: str) -> bool:
    """Delete a session; return False if it does not exist."""
    return await unit.run("DELETE FROM session WHERE id = :id", id=session_id) == 1


async def delete_of_moderator(unit: Write, moderator_id: str) -> int:
    """Delete every session of a moderator and of the moderator's keys; return how many there were."""
    return await unit.run(
        """
        DELETE FROM session WHERE moderator_id = :id
            OR key_hash IN (SELECT key_hash FROM api_key WHERE moderator_id = :id)
            OR key_hash IN (SELECT old_hash FROM api_key WHERE moderator_id = :id)
        """,
        id=moderator_id,
    )


async def delete_expired(unit: Write, *, begun_before: str, seen_before: str) -> None:
    """Delete sessions that began, or were last active, at or before these times."""
    await unit.run(
        "DELETE FROM session WHERE created_at <= :begun_before OR seen_at <= :seen_before",
        begun_before=begun_before,
        seen_before=seen_before,
    )


async def bring_back(unit: Write, latest: str, now: str) -> None:
    """Let the sessions that began after ``latest`` begin now."""
    await unit.run(
        "UPDATE session SET created_at = :now, seen_at = :now WHERE created_at > :latest", now=now, latest=latest
    )
