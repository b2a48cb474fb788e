"""Which mails about waiting comments a moderator gets, and whether any can reach them."""

from dataclasses import dataclass

from commentsvc.access.schemas import MailPreference
from commentsvc.domain.errors import Forbidden
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.service import private_read, write
from commentsvc.storage import moderator_mail, moderators
from commentsvc.storage.database import PrivateRead, Write


@dataclass(frozen=True)
class OwnMail:
    """A moderator's name and choice, and whether the service knows an address of theirs."""

    name: str
    chosen: MailPreference
    has_address: bool


@private_read
async def read_own_mail(unit: PrivateRead, who: Principal) -> OwnMail | None:
    """Return what a moderator chose; None for a key that belongs to no moderator."""
    if who.moderator_id is None:
        return None
    found = await moderators.get_address(unit, who.moderator_id)
    stored = await moderator_mail.get(unit, who.moderator_id)
    if found is None:  # removed since this request began
        return None
    chosen = MailPreference(mode=stored.mode, minutes=stored.minutes)
    return OwnMail(found["name"], chosen, has_address=found["email_sealed"] is not None)


@write
async def save_own_mail(unit: Write, who: Principal, chosen: MailPreference) -> None:
    """Store which mails a moderator wants. The audit log does not mention it: it changes nothing for others.

    Raises:
        Forbidden: the principal is no moderator.
    """
    if who.moderator_id is None:
        raise Forbidden(translatable("Only moderators get mail. This key belongs to no moderator."))
    await moderator_mail.save(unit, who.moderator_id, chosen.mode, chosen.minutes)
