"""Sessions on the moderation page, and the keys that moderators create there."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from commentsvc.access import keys, moderators
from commentsvc.access.preferences import Preferences, read_preferences
from commentsvc.access.schemas import CreatedKey, NewKey
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.errors import NotFound, Unauthorized, Unavailable
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import ActorKind, Principal, Scope
from commentsvc.service import Service, private_read, write
from commentsvc.storage import api_keys, sessions
from commentsvc.storage.database import PrivateRead, Row, Write

IDLE_HOURS: Final = 12
MAX_AGE_DAYS: Final = 7


@dataclass(frozen=True)
class Session:
    """A signed-in moderator or key on the moderation page."""

    id: str
    who: Principal
    created_at: str
    moderator_id: str | None
    key_hash: str | None
    preferences: Preferences

    @property
    def name(self) -> str:
        """Name of the moderator or the key."""
        return self.who.actor.name


async def authenticate_session(service: Service, token: str | None, *, extend: bool = True) -> Session:
    """Return the session for a token. Background polling (``extend=False``) does not extend it.

    Raises:
        Unauthorized: no valid session has this token, or its moderator or key is no longer valid.
    """
    session, seen_at = await _find_session(service, token or "") or (None, "")
    if session is None:
        raise Unauthorized(translatable("Please sign in."))
    if extend and seen_at < service.ago(minutes=1):
        with suppress(Unavailable):  # reading must work on a full disk
            await _touch_session(service, session.id)
    return session


@private_read
async def _find_session(unit: PrivateRead, token: str) -> tuple[Session, str] | None:
    begun_after, seen_after = unit.ago(days=MAX_AGE_DAYS), unit.ago(hours=IDLE_HOURS)
    row = await sessions.find(unit, crypto.hash_token(token), begun_after=begun_after, seen_after=seen_after)
    who = await _find_principal(unit, row) if row else None
    if row is None or who is None:
        return None
    # A person uses the page, so a person decides, even with a key for a program.
    person = msgspec.structs.replace(who.actor, kind=ActorKind.PERSON)
    who = msgspec.structs.replace(who, actor=person, session_id=row["id"])
    chosen = await read_preferences(unit, who)
    return Session(row["id"], who, row["created_at"], row["moderator_id"], row["key_hash"], chosen), row["seen_at"]


async def _find_principal(unit: PrivateRead, row: Row) -> Principal | None:
    if row["moderator_id"] is None:
        return await keys.find_key_holder(unit, row["key_hash"])
    return await moderators.load_principal(unit, row["moderator_id"])


@write
async def create_session_key(unit: Write, session: Session) -> CreatedKey:
    """Create a key for the moderator, to sign in with next time.

    Raises:
        NotFound: the session was started with a key. The new key could have more rights than that one.
    """
    if session.moderator_id is None:
        raise NotFound(translatable("You can create a key only after signing in with a sign-in link."))
    scopes = [scope for scope in Scope if scope in session.who.scopes]
    new = NewKey(name=session.name, scopes=scopes)
    return await keys.create_own_key(unit, new, session.moderator_id, session.who.actor)


@private_read
async def list_own_keys(unit: PrivateRead, session: Session) -> list[Row]:
    """Return ``id, site_id, created_at, last_used_at`` of the moderator's valid keys, oldest first."""
    return list(await api_keys.list_valid(unit, session.moderator_id, unit.now())) if session.moderator_id else []


async def needs_key(service: Service, session: Session) -> bool:
    """Return whether a moderator came by a link, and has neither a key nor an address for another link."""
    return bool(session.moderator_id) and await _needs_key(service, session)


@private_read
async def _needs_key(unit: PrivateRead, session: Session) -> bool:
    if await list_own_keys.within(unit, session):
        return False
    return not (unit.config.smtp_url and await moderators.has_address(unit, session.moderator_id or ""))


@write
async def revoke_own_key(unit: Write, session: Session, key_id: str) -> None:
    """Revoke a key of the moderator. Sessions that were started with it end.

    Raises:
        NotFound: the moderator has no valid key with this id.
    """
    key = next((row for row in await list_own_keys.within(unit, session) if row["id"] == key_id), None)
    if key is None:
        raise NotFound(translatable("You have no valid key with this id."))
    await keys.revoke_stored_key(unit, session.who, key)


@private_read
async def list_sessions(unit: PrivateRead, session: Session) -> list[Row]:
    """Return ``id, created_at, seen_at`` of the sessions of the same moderator or key, newest first."""
    return list(await sessions.list_of_owner(unit, session.moderator_id, session.key_hash))


@write
async def revoke_session(unit: Write, session: Session, session_id: str) -> None:
    """End this session, or another one of the same moderator or key.

    Raises:
        NotFound: the moderator or key has no session with this id.
    """
    own_ids = {row["id"] for row in await sessions.list_of_owner(unit, session.moderator_id, session.key_hash)}
    if session_id not in own_ids or not await sessions.delete(unit, session_id):
        raise NotFound(translatable("You have no session with this id."))
    await log.add_entry(unit, actor=session.who.actor, verb="sign_out", site_id=None, body={"session": session_id})


class SessionRecord(msgspec.Struct, frozen=True):
    """A session, as an operator sees it."""

    id: str
    name: str  # of the moderator or the API key
    created_at: str
    seen_at: str


@private_read
async def list_all_sessions(unit: PrivateRead) -> list[SessionRecord]:
    """Return every session that is still valid, newest first."""
    begun_after, seen_after = unit.ago(days=MAX_AGE_DAYS), unit.ago(hours=IDLE_HOURS)
    rows = await sessions.list_all(unit, begun_after=begun_after, seen_after=seen_after)
    return [
        SessionRecord(row["id"], row["name"] or keys.ADMIN_PRINCIPAL.actor.name, row["created_at"], row["seen_at"])
        for row in rows
    ]


@write
async def end_session(unit: Write, session_id: str) -> None:
    """End a session of anybody, as an operator.

    Raises:
        NotFound: there is no session with this id.
    """
    if not await sessions.delete(unit, session_id):
        raise NotFound
    await log.add_entry(unit, actor=log.OPERATOR, verb="sign_out", site_id=None, body={"session": session_id})


@write
async def sign_out_moderator(unit: Write, name: str) -> int:
    """End all sessions of a moderator; return how many.

    Raises:
        NotFound: no moderator has this name.
    """
    moderator_id = await keys.find_moderator(unit, name)
    number = await sessions.delete_of_moderator(unit, moderator_id)
    body = {"moderator": moderator_id, "sessions": number}
    await log.add_entry(unit, actor=log.OPERATOR, verb="sign_out", site_id=None, body=body)
    return number


@write
async def _touch_session(unit: Write, session_id: str) -> None:
    await sessions.touch(unit, session_id, unit.now())
