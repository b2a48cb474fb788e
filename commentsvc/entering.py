"""A moderator comes in to the moderation page, by a one-time link or with a key, and leaves it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from commentsvc import admitting, auditing, pacing, sealing
from commentsvc.errors import NotFound, Unauthorized, Unavailable
from commentsvc.model import Principal, Scope, Visit
from commentsvc.service import Service
from commentsvc.shapes import MadeKey, NewKey
from commentsvc.store import Row, Transaction, access, sessions
from commentsvc.store.sessions import Kept

IDLE_HOURS: Final = 12
LONGEST_DAYS: Final = 7
TRIES: Final = (10, 900)  # that may fail from one network, in so many seconds


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
        return self.who.name.partition(":")[2]


# --------------------------------------------------------------------------------- coming in


async def invited(service: Service, token: str) -> str | None:
    """Whom an open invitation names; looking changes nothing."""
    row = await service.db.read_private(access.invited, sealing.hashed(token), service.now())
    return str(row["name"]) if row else None


async def by_link(service: Service, token: str, visit: Visit) -> str:
    """Use an invitation up; returns what its moderator's browser keeps.

    Raises:
        NotFound: it was used, has ended, or never was.
        TooFast: the network tries too often.
    """
    try:
        return await service.db.write(_by_link, service, token)
    except NotFound:
        await service.db.write(pacing.spend, service, visit, "sign-in", TRIES)
        raise


async def _by_link(tx: Transaction, service: Service, token: str) -> str:
    token_hash, now = sealing.hashed(token), service.now()
    moderator = await access.invited(tx, token_hash, now)
    if moderator is None or not await access.use_invitation(tx, token_hash, now):
        raise NotFound(
            "This sign-in link was used already, or is too old. Ask for another: commentsvc moderator invite"
        )
    return await _begin(tx, service, f"key:{moderator['name']}", moderator_id=moderator["id"])


async def by_key(service: Service, key: str, visit: Visit) -> str:
    """Come in with an API key; the session has its rights, and ends with it.

    Raises:
        Unauthorized: it is unknown, old or revoked.
        TooFast: the network tries too often.
    """
    try:
        who = await admitting.recognise(service, key.strip())
    except Unauthorized:
        await service.db.write(pacing.spend, service, visit, "sign-in", TRIES)
        raise
    return await service.db.write(_by_key, service, who, sealing.hashed(key.strip()))


async def _by_key(tx: Transaction, service: Service, who: Principal, key_hash: str) -> str:
    return await _begin(tx, service, who.name, key_hash=key_hash)


async def _begin(
    tx: Transaction, service: Service, name: str, *, moderator_id: str | None = None, key_hash: str | None = None
) -> str:
    token, now = sealing.new_token(), service.now()
    kept = Kept(service.new_id(), sealing.hashed(token), moderator_id, key_hash, now, now)
    await sessions.add(tx, kept)
    await auditing.note(tx, service, who=name, verb="sign_in", site_id=None, body={"session": kept.id})
    return token


# --------------------------------------------------------------------------------- being in


async def recognise(service: Service, token: str | None, *, of_use: bool = True) -> Session:
    """Whose session this is. What is not ``of_use`` to anybody does not keep it from being idle.

    Raises:
        Unauthorized: there is none, it has ended, or what it came from has.
    """
    session, seen_at = await service.db.read_private(_recognise, service, token or "") or (None, "")
    if session is None:
        raise Unauthorized("Please sign in.")
    if of_use and seen_at < service.ago(minutes=1):
        with suppress(Unavailable):  # a full disk keeps nobody from reading
            await service.db.write(sessions.see, session.id, service.now())
    return session


async def _recognise(tx: Transaction, service: Service, token: str) -> tuple[Session, str] | None:
    begun_after, seen_after = service.ago(days=LONGEST_DAYS), service.ago(hours=IDLE_HOURS)
    row = await sessions.find(tx, sealing.hashed(token), begun_after=begun_after, seen_after=seen_after)
    who = await _holder(tx, service, row) if row else None
    if row is None or who is None:
        return None
    who = msgspec.structs.replace(who, session_id=row["id"])
    return Session(row["id"], who, row["created_at"], row["moderator_id"], row["key_hash"]), row["seen_at"]


async def _holder(tx: Transaction, service: Service, row: Row) -> Principal | None:
    if row["moderator_id"] is None:
        return await admitting.holder(tx, service, row["key_hash"])
    name = await access.moderator_name(tx, row["moderator_id"])
    if name is None:
        return None
    reach = tuple(await access.moderator_sites(tx, row["moderator_id"]))
    return Principal(f"key:{name}", frozenset(admitting.scopes_of(name)), reach or None, row["moderator_id"])


async def make_key(service: Service, session: Session) -> MadeKey:
    """Make the moderator a key of their own, to sign in with next time.

    Raises:
        NotFound: the session was begun with a key. It could make one that reaches further than itself.
    """
    return await service.db.write(_make_key, service, session)


async def _make_key(tx: Transaction, service: Service, session: Session) -> MadeKey:
    if session.moderator_id is None:
        raise NotFound("Only who came in by a link gets a key here. Make one with: commentsvc key create")
    scopes = [scope for scope in Scope if scope in session.who.scopes]
    new = NewKey(name=session.name, scopes=scopes)
    return await admitting.make_own_key(tx, service, new, session.moderator_id, session.who.name)


async def keys(service: Service, session: Session) -> list[Row]:
    """``id, site_id, created_at, last_used_at`` of the moderator's keys in force, oldest first."""
    return await service.db.read_private(_keys, service, session)


async def _keys(tx: Transaction, service: Service, session: Session) -> list[Row]:
    return list(await access.valid_keys(tx, session.moderator_id, service.now())) if session.moderator_id else []


async def end_key(service: Service, session: Session, key_id: str) -> None:
    """End a key of the moderator's own at once, and the sessions begun with it.

    Raises:
        NotFound: there is no such key of theirs.
    """
    await service.db.write(_end_key, service, session, key_id)


async def _end_key(tx: Transaction, service: Service, session: Session, key_id: str) -> None:
    key = next((row for row in await _keys(tx, service, session) if row["id"] == key_id), None)
    if key is None:
        raise NotFound("There is no such key of yours.")
    await admitting.end_key(tx, service, session.who, key)


# --------------------------------------------------------------------------------- leaving


async def every(service: Service, session: Session) -> list[Row]:
    """``id, created_at, seen_at`` of each session of the same moderator or key, newest first."""
    return list(await service.db.read_private(sessions.alike, session.moderator_id, session.key_hash))


async def end(service: Service, session: Session, session_id: str) -> None:
    """End a session of the same moderator or key at once; their own, or another.

    Raises:
        NotFound: there is no such session of theirs.
    """
    await service.db.write(_end, service, session, session_id)


async def _end(tx: Transaction, service: Service, session: Session, session_id: str) -> None:
    theirs = {row["id"] for row in await sessions.alike(tx, session.moderator_id, session.key_hash)}
    if session_id not in theirs or not await sessions.end(tx, session_id):
        raise NotFound("There is no such session of yours.")
    await auditing.note(tx, service, who=session.who.name, verb="sign_out", site_id=None, body={"session": session_id})


async def sign_out(service: Service, name: str) -> int:
    """End every session of a moderator's; returns how many.

    Raises:
        NotFound: there is no such moderator.
    """
    return await service.db.write(_sign_out, service, name)


async def _sign_out(tx: Transaction, service: Service, name: str) -> int:
    moderator_id = await admitting.find_moderator(tx, name)
    number = await sessions.end_all(tx, moderator_id)
    body = {"moderator": moderator_id, "sessions": number}
    await auditing.note(tx, service, who=auditing.OPERATOR, verb="sign_out", site_id=None, body=body)
    return number
