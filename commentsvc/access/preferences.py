"""A moderator's preferences for the moderation page: its language, and keyboard shortcuts."""

from dataclasses import dataclass
from typing import Final

from commentsvc.domain.models import Principal
from commentsvc.service import write
from commentsvc.storage import preferences
from commentsvc.storage.database import PrivateRead, Write

ADMIN_KEY: Final = "admin"  # COMMENTSVC_ADMIN_KEY has no id


@dataclass(frozen=True)
class Preferences:
    """The choices of one moderator, on every device."""

    language: str = ""  # "": that of the browser
    shortcuts: bool = True  # WCAG 2.2, 2.1.4: single keys can be switched off
    knows_no_mail: bool = False  # closed the notice that no mail is sent


def _owner(who: Principal) -> str:
    return who.moderator_id or who.actor.id or ADMIN_KEY


async def read_preferences(unit: PrivateRead, who: Principal) -> Preferences:
    """Return a moderator's preferences. Those of a key that belongs to no moderator are kept for the key."""
    row = await preferences.get(unit, _owner(who))
    if row is None:
        return Preferences()
    return Preferences(row["language"], bool(row["shortcuts"]), bool(row["knows_no_mail"]))


@write
async def save_preferences(unit: Write, who: Principal, chosen: Preferences) -> None:
    """Keep a moderator's preferences. The audit log does not mention them: they change nothing for others."""
    await preferences.save(unit, _owner(who), chosen.language, shortcuts=chosen.shortcuts)


@write
async def close_mail_notice(unit: Write, who: Principal) -> None:
    """Never again show a moderator the notice that no mail is sent."""
    await preferences.close_mail_notice(unit, _owner(who))
