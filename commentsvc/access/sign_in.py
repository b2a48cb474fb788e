"""Sign in to the moderation page by link or key."""

from typing import Final

from commentsvc.access import keys, rate_limit
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.errors import NotFound, Unauthorized
from commentsvc.domain.models import Actor, ActorKind, Principal, Visit
from commentsvc.service import Service, private_read, write
from commentsvc.storage import moderators, sessions
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.sessions import StoredSession

FAILED_SIGN_INS: Final = (10, 900)  # that may fail from one network, in so many seconds


@private_read
async def find_invited_name(unit: PrivateRead, token: str) -> str | None:
    """Whom an open invitation names; looking changes nothing."""
    row = await moderators.find_invited(unit, crypto.hash_token(token), unit.now())
    return str(row["name"]) if row else None


async def sign_in_by_link(service: Service, token: str, visit: Visit) -> str:
    """Use an invitation up; returns what its moderator's browser keeps.

    Raises:
        NotFound: it was used, has ended, or never was.
        TooFast: the network tries too often.
    """
    try:
        return await _sign_in_by_link(service, token)
    except NotFound:
        await rate_limit.check_rate_limit(service, visit, "sign-in", FAILED_SIGN_INS)
        raise


@write
async def _sign_in_by_link(unit: Write, token: str) -> str:
    token_hash, now = crypto.hash_token(token), unit.now()
    moderator = await moderators.find_invited(unit, token_hash, now)
    if moderator is None or not await moderators.use_invitation(unit, token_hash, now):
        raise NotFound(
            "This sign-in link was used already, or is too old. Ask for another: commentsvc moderator invite"
        )
    return await _create_session(
        unit, Actor(ActorKind.PERSON, moderator["id"], moderator["name"]), moderator_id=moderator["id"]
    )


async def sign_in_by_key(service: Service, key: str, visit: Visit) -> str:
    """Come in with an API key; the session has its rights, and ends with it.

    Raises:
        Unauthorized: it is unknown, old or revoked.
        TooFast: the network tries too often.
    """
    try:
        who = await keys.authenticate_key(service, key.strip())
    except Unauthorized:
        await rate_limit.check_rate_limit(service, visit, "sign-in", FAILED_SIGN_INS)
        raise
    return await _sign_in_by_key(service, who, crypto.hash_token(key.strip()))


@write
async def _sign_in_by_key(unit: Write, who: Principal, key_hash: str) -> str:
    return await _create_session(unit, who.actor, key_hash=key_hash)


async def _create_session(
    unit: Write, actor: Actor, *, moderator_id: str | None = None, key_hash: str | None = None
) -> str:
    token, now = crypto.new_token(), unit.now()
    kept = StoredSession(unit.new_id(), crypto.hash_token(token), moderator_id, key_hash, now, now)
    await sessions.add(unit, kept)
    await log.add_entry(unit, actor=actor, verb="sign_in", site_id=None, body={"session": kept.id})
    return token
