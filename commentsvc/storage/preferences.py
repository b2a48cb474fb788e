"""Preferences of moderators for the moderation page."""

from commentsvc.storage.database import PrivateRead, Row, Write


async def get(unit: PrivateRead, owner: str) -> Row | None:
    """Return ``language, shortcuts, knows_no_mail`` as their owner set them."""
    return await unit.one("SELECT language, shortcuts, knows_no_mail FROM preference WHERE owner = :owner", owner=owner)


async def save(unit: Write, owner: str, language: str, *, shortcuts: bool) -> None:
    """Set the language ("" for that of the browser), and whether single keys act."""
    await unit.run(
        """
        INSERT INTO preference (owner, language, shortcuts) VALUES (:owner, :language, :shortcuts)
        ON CONFLICT (owner) DO UPDATE SET language = excluded.language, shortcuts = excluded.shortcuts
        """,
        owner=owner,
        language=language,
        shortcuts=int(shortcuts),
    )


async def close_mail_notice(unit: Write, owner: str) -> None:
    """Store that an owner has read that no mail is sent. Other preferences keep their values."""
    await unit.run(
        """
        INSERT INTO preference (owner, language, shortcuts, knows_no_mail) VALUES (:owner, '', 1, 1)
        ON CONFLICT (owner) DO UPDATE SET knows_no_mail = 1
        """,
        owner=owner,
    )


async def delete(unit: Write, owner: str) -> None:
    """Forget the preferences of an owner."""
    await unit.run("DELETE FROM preference WHERE owner = :owner", owner=owner)
