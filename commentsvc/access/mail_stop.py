"""Stop the mails to a moderator by a link, without a sign-in."""

from dataclasses import dataclass
from typing import Final

from commentsvc.access import moderators, preferences
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.errors import NotFound
from commentsvc.service import private_read, write
from commentsvc.storage import moderator_mail
from commentsvc.storage.database import Environment, PrivateRead, Write

STOP: Final = "moderator"  # tokens of subscriptions have no such context, so neither kind is valid for the other


@dataclass(frozen=True)
class MailedModerator:
    """The moderator of a link that stops mails."""

    id: str
    name: str
    language: str  # that the moderator chose; "": none
    mode: MailMode


def create_stop_token(env: Environment, moderator_id: str) -> str:
    """Return the token that stops the mails to a moderator. It does not expire: mail programs use it much later."""
    return env.keyring.token("unsubscribe", moderator_id, site_id=STOP)


@private_read
async def find_mailed_moderator(unit: PrivateRead, token: str) -> MailedModerator:
    """Return the moderator whose mails a token stops. Nothing changes.

    Raises:
        NotFound: the token is forged, or the moderator was removed.
    """
    moderator_id = unit.keyring.subject("unsubscribe", token, unit.clock(), site_id=STOP)
    who = await moderators.load_principal(unit, moderator_id) if moderator_id else None
    if moderator_id is None or who is None:
        raise NotFound
    language = (await preferences.read_preferences(unit, who)).language
    chosen = await moderator_mail.get(unit, moderator_id)
    return MailedModerator(moderator_id, who.actor.name, language, chosen.mode)


@write
async def stop_mails(unit: Write, moderator_id: str) -> None:
    """Let a moderator get no more mails about waiting comments."""
    chosen = await moderator_mail.get(unit, moderator_id)
    await moderator_mail.save(unit, moderator_id, MailMode.OFF, chosen.minutes)
