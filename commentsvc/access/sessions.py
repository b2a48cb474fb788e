"""A moderator comes in to the moderation page, by a one-time link or with a key, and leaves it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from commentsvc.access import keys
from commentsvc.access.schemas import CreatedKey, NewKey
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.errors import NotFound, Unauthorized, Unavailable
from commentsvc.domain.models import Actor, ActorKind, Principal, Scope
from commentsvc.service import Service, private_read, write
from commentsvc.storage import api_keys, moderators, sessions
from commentsvc.storage.database import PrivateRead, Row, Write

IDLE_HOURS: Final = 12
MAX_AGE_DAYS: Final = 7


@dataclass(frozen=True)
class Session:
    """Somebody at the moderation page, and since when. Actions of theirs after its id were done here."""

    id: str
    who: Principal
    created_at: str
    moderator_id: str | None
    key_hash: str | None

    @property
    def name(self) -> str:
        """The person's, or the key's."""
        return self.who.actor.name


async def authenticate_session(service: Service, token: str | None, *, of_use: bool = True) -> Session:
    """Whose session this is. What is not ``of_use`` to anybody does not keep it from being idle.

    Raises:
        Unauthorized: there is none, it has ended, or what it came from has.
    """
    session, seen_at = await _find_session(service, token or "") or (None, "")
    if session is None:
        raise Unauthorized("Please sign in.")
    if of_use and seen_at < service.ago(minutes=1):
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await _touch_session(service, session.id)
    return session


@private_read
async def _find_session(unit: PrivateRead, token: str) -> tuple[Session, str] | None:
    begun_after, seen_after = unit.ago(days=MAX_AGE_DAYS), unit.ago(hours=IDLE_HOURS)
    row = await sessions.find(unit, crypto.hash_token(token), begun_after=begun_after, seen_after=seen_after)
    who = await _find_principal(unit, row) if row else None
    if row is None or who is None:
        return None
    # Somebody sits at the page, so a person decides, whatever the key was made for.
    person = msgspec.structs.replace(who.actor, kind=ActorKind.PERSON)
    who = msgspec.structs.replace(who, actor=person, session_id=row["id"])
    return Session(row["id"], who, row["created_at"], row["moderator_id"], row["key_hash"]), row["seen_at"]


async def _find_principal(unit: PrivateRead, row: Row) -> Principal | None:
    if row["moderator_id"] is None:
        return await keys.find_key_holder(unit, row["key_hash"])
    name = await moderators.get_name(unit, row["moderator_id"])
    if name is None:
        return None
    reach = tuple(await moderators.list_sites(unit, row["moderator_id"]))
    actor = Actor(ActorKind.PERSON, row["moderator_id"], name)
    return Principal(actor, frozenset(keys.scopes_of(name)), reach or None, row["moderator_id"])


@write
async def create_session_key(unit: Write, session: Session) -> CreatedKey:
    """Make the moderator a key of their own, to sign in with next time.

    Raises:
        NotFound: the session was begun with a key. It could make one that reaches further than itself.
    """
    if session.moderator_id is None:
        raise NotFound("Only who came in by a link gets a key here. Make one with: commentsvc key create")
    scopes = [scope for scope in Scope if scope in session.who.scopes]
    new = NewKey(name=session.name, scopes=scopes)
    return await keys.create_own_key(unit, new, session.moderator_id, session.who.actor)


@private_read
async def list_own_keys(unit: PrivateRead, session: Session) -> list[Row]:
    """``id, site_id, created_at, last_used_at`` of the moderator's keys in force, oldest first."""
    return list(await api_keys.list_valid(unit, session.moderator_id, unit.now())) if session.moderator_id else []


@write
async def revoke_own_key(unit: Write, session: Session, key_id: str) -> None:
    """End a key of the moderator's own at once, and the sessions begun with it.

    Raises:
        NotFound: there is no such key of theirs.
    """
    key = next((row for row in await list_own_keys.within(unit, session) if row["id"] == key_id), None)
    if key is None:
        raise NotFound("There is no such key of yours.")
    await keys.revoke_stored_key(unit, session.who, key)


@private_read
async def list_sessions(unit: PrivateRead, session: Session) -> list[Row]:
    """``id, created_at, seen_at`` of each session of the same moderator or key, newest first."""
    return list(await sessions.list_of_owner(unit, session.moderator_id, session.key_hash))


@write
async def revoke_session(unit: Write, session: Session, session_id: str) -> None:
    """End a session of the same moderator or key at once; their own, or another.

    Raises:
        NotFound: there is no such session of theirs.
    """
    theirs = {row["id"] for row in await sessions.list_of_owner(unit, session.moderator_id, session.key_hash)}
    if session_id not in theirs or not await sessions.delete(unit, session_id):
        raise NotFound("There is no such session of yours.")
    await log.add_entry(unit, actor=session.who.actor, verb="sign_out", site_id=None, body={"session": session_id})


@write
async def sign_out_moderator(unit: Write, name: str) -> int:
    """End every session of a moderator's; returns how many.

    Raises:
        NotFound: there is no such moderator.
    """
    moderator_id = await keys.find_moderator(unit, name)
    number = await sessions.delete_of_moderator(unit, moderator_id)
    body = {"moderator": moderator_id, "sessions": number}
    await log.add_entry(unit, actor=log.OPERATOR, verb="sign_out", site_id=None, body=body)
    return number


@write
async def _touch_session(unit: Write, session_id: str) -> None:
    await sessions.touch(unit, session_id, unit.now())
