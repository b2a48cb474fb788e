"""Give the free space inside an SQLite file back to the disk, if nobody else uses the file.

SQLite uses free pages again, so the file of a running service does not grow; it would take a file that shrinks for
another one (``storage/sqlite_file.py``).
"""

import asyncio
from pathlib import Path
from typing import Final

from msgspec import Struct

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import server_lock
from commentsvc.storage import sqlite_backup
from commentsvc.storage.data_folder import keep_owner

LEAST_BYTES: Final = 1024 * 1024  # less is not worth writing the file again


class FreeSpace(Struct, frozen=True):
    """Bytes of an SQLite file: before, and now; and how many of them are free inside it."""

    before: int
    after: int
    free: int
    waits: bool = False  # there is space to give back, but a server runs


async def give_back(config: Config) -> FreeSpace | None:
    """Write the file again without its free pages, unless a server runs. None with PostgreSQL, which does it itself.

    Raises:
        ConfigurationError: there is no room for another copy of the database. It is as it was.
    """
    path = config.sqlite_path and config.sqlite_path.absolute()
    if path is None:
        return None
    async with server_lock.enter_database(config) as lock:
        is_alone = lock.is_alone and lock.was_used()
        try:
            return await asyncio.to_thread(_give_back, path, is_alone=is_alone)
        except OSError as error:
            raise ConfigurationError(
                f"Could not write the database again in {path.parent} ({error}). It is as it was. Free some space."
            ) from None


def _give_back(path: Path, *, is_alone: bool) -> FreeSpace:
    before, free = path.stat().st_size, sqlite_backup.count_free_bytes(path)
    # Erased rows also leave gaps in pages that are in use.
    is_worth = free >= LEAST_BYTES or sqlite_backup.has_erased(path)
    if not is_worth or not is_alone:
        return FreeSpace(before, before, free, waits=is_worth)
    path = path.resolve()  # a link to another disk keeps leading there
    new = path.with_name(f"{path.name}.shrinking")
    new.unlink(missing_ok=True)  # what a killed one has left
    try:
        new.touch(mode=0o600)
        keep_owner(new, path)
        sqlite_backup.shrink(path, new)
    finally:
        new.unlink(missing_ok=True)
    return FreeSpace(before, path.stat().st_size, sqlite_backup.count_free_bytes(path))
