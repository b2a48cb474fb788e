"""Which mails moderators get about waiting comments, and when the latest one was due."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from commentsvc.domain.deliveries import MailMode
from commentsvc.storage.database import PrivateRead, Row, Write


class MailPreference(Struct, frozen=True, kw_only=True):
    """When a moderator gets mails about waiting comments."""

    mode: MailMode = MailMode.NOW
    minutes: int | None = None  # at least so many between two mails; None: COMMENTSVC_MAIL_MINUTES


NOTHING_CHOSEN: Final = MailPreference()


async def get(unit: PrivateRead, moderator_id: str) -> MailPreference:
    """Return what a moderator chose, or the default."""
    row = await unit.one("SELECT mode, minutes FROM moderator_mail WHERE moderator_id = :id", id=moderator_id)
    return MailPreference(mode=MailMode(row["mode"]), minutes=row["minutes"]) if row else NOTHING_CHOSEN


async def save(unit: Write, moderator_id: str, mode: MailMode, minutes: int | None) -> None:
    """Set when a moderator gets mails. ``minutes`` None: as in COMMENTSVC_MAIL_MINUTES."""
    await unit.run(
        """
        INSERT INTO moderator_mail (moderator_id, mode, minutes) VALUES (:id, :mode, :minutes)
        ON CONFLICT (moderator_id) DO UPDATE SET mode = excluded.mode, minutes = excluded.minutes
        """,
        id=moderator_id,
        mode=mode.value,
        minutes=minutes,
    )


async def list_recipients(unit: PrivateRead) -> Sequence[Row]:
    """Return ``id, email_sealed, email_digest, mode, minutes`` of every moderator who gets mails."""
    return await unit.all(
        """
        SELECT moderator.id, email_sealed, email_digest, COALESCE(mode, 'now') AS mode, minutes FROM moderator
        LEFT JOIN moderator_mail ON moderator_mail.moderator_id = moderator.id
        WHERE removed_at IS NULL AND email_sealed IS NOT NULL AND COALESCE(mode, 'now') <> 'off' ORDER BY moderator.id
        """
    )


async def lock(unit: Write, moderator_id: str) -> str | None:
    """Return when the latest mail to a moderator was due; None: never.

    Others who ask wait until this unit ends, so that two workers never plan the same mail.
    """
    row = await unit.one(
        """
        INSERT INTO moderator_mail (moderator_id) VALUES (:id)
        ON CONFLICT (moderator_id) DO UPDATE SET mode = moderator_mail.mode RETURNING mailed_at
        """,
        id=moderator_id,
    )
    mailed_at: str | None = row["mailed_at"] if row else None
    return mailed_at


async def note_mail(unit: Write, moderator_id: str, time: str) -> None:
    """Store when the latest mail to a moderator is due, or was written. An earlier time changes nothing."""
    await unit.run(
        """
        UPDATE moderator_mail SET mailed_at = :time
        WHERE moderator_id = :id AND (mailed_at IS NULL OR mailed_at < :time)
        """,
        id=moderator_id,
        time=time,
    )


async def delete(unit: Write, moderator_id: str) -> None:
    """Forget what a moderator chose."""
    await unit.run("DELETE FROM moderator_mail WHERE moderator_id = :id", id=moderator_id)
