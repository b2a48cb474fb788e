"""The row about the last backup."""

from msgspec import Struct, convert

from commentsvc.storage.database import PrivateRead, Write


class LastBackup(Struct, frozen=True):
    """The last backup, and the last failure after it. A text is empty without one."""

    file: str = ""
    made_at: str = ""
    failed_at: str = ""
    failure: str = ""


async def get_last(unit: PrivateRead) -> LastBackup:
    """Return what is known about the last backup."""
    row = await unit.one("SELECT file, made_at, failed_at, failure FROM backup WHERE id = 1")
    return convert(dict(row), LastBackup) if row else LastBackup()


async def note_success(unit: Write, file: str, now: str) -> None:
    """Note that a backup was made."""
    await unit.run(
        """
        INSERT INTO backup (id, file, made_at) VALUES (1, :file, :now)
        ON CONFLICT (id) DO UPDATE SET file = excluded.file, made_at = excluded.made_at, failed_at = '', failure = ''
        """,
        file=file,
        now=now,
    )


async def note_failure(unit: Write, failure: str, now: str) -> None:
    """Note that a backup failed."""
    await unit.run(
        """
        INSERT INTO backup (id, failed_at, failure) VALUES (1, :now, :failure)
        ON CONFLICT (id) DO UPDATE SET failed_at = excluded.failed_at, failure = excluded.failure
        """,
        failure=failure,
        now=now,
    )
