"""Keep a copy of an SQLite database file."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage import durable_files
from commentsvc.storage.data_folder import keep_owner


def copy_database(source: Path, copy: Path) -> None:
    """Copy a database while it is open. The copy is complete and on disk when this returns; it replaces an older one.

    Raises:
        ConfigurationError: the copy could not be written. The database is unchanged.
    """
    unfinished = copy.with_name(f"{copy.name}.new")
    try:
        unfinished.unlink(missing_ok=True)  # it may be readable by others, or half a database
        unfinished.touch(mode=0o600)
        keep_owner(unfinished, source)
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(unfinished)) as copied:
            original.backup(copied)
            copied.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        unfinished.replace(copy)
        durable_files.sync_folder(copy.parent)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            unfinished.unlink()
        raise ConfigurationError(
            f"Could not keep a copy of the database at {copy} ({error}). Nothing was changed. Free some disk space."
        ) from None
