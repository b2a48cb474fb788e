"""Sign in to the moderation page by link or key."""

from typing import Final

from commentsvc.access import keys, rate_limit
from commentsvc.audit import log
from commentsvc.domain import crypto
from commentsvc.domain.deliveries import EventKind
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import NotFound, Unauthorized
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Actor, ActorKind, Principal, Visit
from commentsvc.service import Service, private_read, write
from commentsvc.storage import events, moderators, sessions
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.sessions import StoredSession

FAILED_SIGN_INS: Final = (10, 900)  # from one network; the second number is seconds


@private_read
async def find_invited_name(unit: PrivateRead, token: str) -> str | None:
    """Return the moderator's name of a valid sign-in link, without using it up."""
    row = await moderators.find_invited(unit, crypto.hash_token(token), unit.now())
    return str(row["name"]) if row else None


async def sign_in_by_link(service: Service, token: str, visit: Visit) -> str:
    """Use up a sign-in link, and start a session; return its token.

    Raises:
        NotFound: the link was used, has expired, or does not exist.
        RateLimited: too many sign-ins from this network have failed.
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
        raise NotFound(translatable("This sign-in link is used up or too old. Ask your operator for a new one."))
    return await _create_session(
        unit, Actor(ActorKind.PERSON, moderator["id"], moderator["name"]), moderator_id=moderator["id"]
    )


@write
async def request_sign_in_link(unit: Write, email: Email, language: str, visit: Visit) -> None:
    """Store that an address asks for a sign-in link. The worker looks whether it is a moderator's.

    The same is stored for every address, so neither the answer nor its time tells whether one is a moderator's.

    Raises:
        NotFound: there is no mail server.
        RateLimited: too many links were requested from this network.
    """
    if not unit.config.smtp_url:
        raise NotFound(translatable("This service sends no mail. Sign in with a key."))
    await rate_limit.check_rate_limit.within(unit, visit, "sign-in mail ", FAILED_SIGN_INS)
    await events.add(unit, EventKind.SIGN_IN_REQUESTED, site_id=None, detail={"language": language}, email=email)


async def sign_in_by_key(service: Service, key: str, visit: Visit) -> str:
    """Start a session with an API key; return its token. The session has the key's rights, and ends with the key.

    Raises:
        Unauthorized: the key is not valid.
        RateLimited: too many sign-ins from this network have failed.
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
    session = StoredSession(unit.new_id(), crypto.hash_token(token), moderator_id, key_hash, now, now)
    await sessions.add(unit, session)
    await log.add_entry(unit, actor=actor, verb="sign_in", site_id=None, body={"session": session.id})
    return token
