"""Find out whether mail leaves the service, for its pages."""

from dataclasses import dataclass
from typing import Final

from commentsvc.domain.deliveries import Channel
from commentsvc.service import private_read
from commentsvc.storage import deliveries as stored
from commentsvc.storage import parcels
from commentsvc.storage.database import PrivateRead

MAX_COUNTED: Final = 1000  # nobody acts otherwise after more


@dataclass(frozen=True)
class MailFailure:
    """The latest attempt to send a mail failed: when and why, and how many mails wait. More than 1,000: 1,001."""

    failed_at: str
    error: str
    waiting: int


@private_read
async def read_mail_failure(unit: PrivateRead) -> MailFailure | None:
    """Return why mail does not leave; None if the latest one did, or if none was tried."""
    row = await parcels.get_record(unit, Channel.MAIL) if unit.config.smtp_url else None
    if row is None or row["failed_at"] is None or (row["delivered_at"] or "") >= row["failed_at"]:
        return None
    waiting = await stored.count_waiting(unit, Channel.MAIL, MAX_COUNTED + 1)
    return MailFailure(row["failed_at"], row["error"] or "", waiting)
