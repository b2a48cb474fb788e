"""Put a backup in the place of an SQLite database, or only check it.

A kill at any moment leaves the old database or the new one: the log of the old one is first copied into it, and then
one rename changes which file has the name.
"""

import asyncio
import shutil
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from commentsvc.audit import verification
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Conflict, NotFound
from commentsvc.operations import secret_file, server_lock
from commentsvc.operations.backup import POSTGRES
from commentsvc.storage import durable_files, sqlite_backup, sqlite_inspection, sqlite_structure
from commentsvc.storage.data_folder import keep_owner
from commentsvc.storage.sqlite_inspection import Inspection

BESIDE = ("-wal", "-shm", "-journal")


class BackupCheck(Struct, frozen=True):
    """The contents of a backup, and all its faults."""

    file: str
    rows: int
    fingerprint: str
    faults: Sequence[str]


class Restored(Struct, frozen=True):
    """A backup that is the database now."""

    file: str
    database: str
    rows: int
    replaced: str | None  # where the database is that was there before
    faults: Sequence[str] = ()  # that the operator accepted


async def check_backup(config: Config, file: Path) -> BackupCheck:
    """Check a backup: pages, digests of rows, schema, references, audit log, and that its secret key is here.

    Raises:
        NotFound: there is no such file, or it cannot be read.
    """
    try:
        found = await asyncio.to_thread(sqlite_inspection.inspect, file, threading.Event())
    except OSError as error:
        raise _unreadable(file, error) from None
    faults = [*found.faults, *find_key_fault(config, found)]
    if found.fingerprint and not found.faults:
        faults += await asyncio.to_thread(_find_more_faults, file)
    return BackupCheck(str(file), found.rows, found.fingerprint, faults)


def _find_more_faults(file: Path) -> list[str]:
    """Return the faults of a file with which it can be restored all the same."""
    try:
        with sqlite_structure.open_audit_log(file) as (rows, head):
            broken = verification.find_break(rows, head)
        found = [f"its audit log is broken: {broken}"] if broken else []
        return [*found, *sqlite_structure.find_missing_parts(file), *sqlite_structure.find_lost_references(file)]
    except OSError as error:
        return [f"it cannot be read as a whole ({error})"]


def _unreadable(file: Path, error: OSError) -> NotFound:
    return NotFound(f"Cannot read the backup {file}: {error.strerror}. Check its path.")


def find_key_fault(config: Config, found: Inspection) -> list[str]:
    """Return that the secret key of a backup is not here, if that is so."""
    texts = secret_file.read_secrets(config)
    if not found.fingerprint or (texts and found.fingerprint in Keyring(texts).fingerprints):
        return []
    place = secret_file.secret_file(config) or "COMMENTSVC_SECRET_KEY"
    return [f"its secret key {found.fingerprint} is not in {place}: put your copy of the key there"]


async def restore(config: Config, file: Path, *, without_key: bool = False) -> Restored:
    """Check a backup, and put a copy of it in the place of the database. The replaced database is kept beside it.

    At the next start, the journal of erasures is applied. ``without_key``: also if its secret key is not here.

    Raises:
        ConfigurationError: the database is not SQLite, or its folder cannot be written to.
        Unavailable: a server runs on the database.
        NotFound: there is no such backup.
        Conflict: the backup is damaged, or its secret key is not here. Nothing was changed.
    """
    path = config.sqlite_path and config.sqlite_path.absolute()
    if path is None:
        raise ConfigurationError(f"A file cannot be restored to PostgreSQL. {POSTGRES}")
    try:
        await asyncio.to_thread(file.stat)  # before the lock, which is a new file in a new folder
    except OSError as error:
        raise _unreadable(file, error) from None
    async with server_lock.enter_database(config) as lock:
        await lock.require_alone()
        try:
            return await asyncio.to_thread(_restore, config, path, file, without_key=without_key)
        except OSError as error:
            raise ConfigurationError(
                f"Could not write to {path.parent} ({error}). Free some space, or name another."
            ) from None


def _restore(config: Config, path: Path, file: Path, *, without_key: bool) -> Restored:
    if path.exists() and file.exists() and path.samefile(file):
        raise Conflict("This file is the database itself. Name a backup.")
    path = path.resolve()  # a link to another disk keeps leading there
    new = path.with_name(f"{path.name}.restoring")
    new.unlink(missing_ok=True)  # what a killed one has left
    try:
        found = _copy(file, new)
        key_faults = find_key_fault(config, found)
        faults = found.faults + ([] if without_key else key_faults)
        if faults:
            raise Conflict(f"The backup {file} was not restored: {'; '.join(faults[:10])}. Faults: {len(faults):,}.")
        keep_owner(new, path if path.exists() else path.parent)
        replaced = _replace(path, new)
    finally:
        new.unlink(missing_ok=True)
    return Restored(str(file), str(path), found.rows, str(replaced) if replaced else None, key_faults)


def _copy(file: Path, new: Path) -> Inspection:
    """Copy a backup beside the database, and check the copy: what is checked is what is used."""
    stop = threading.Event()
    try:
        sqlite_inspection.require_file(file)
    except OSError as error:
        raise _unreadable(file, error) from None
    try:
        sqlite_backup.copy_online(file, new, stop)
    except OSError as error:
        return Inspection([str(error)])
    return sqlite_inspection.inspect(new, stop)


def _replace(path: Path, new: Path) -> Path | None:
    """Let the new file have the name of the database; return where the old database is now."""
    if not path.exists():
        _remove_log(path)  # of a database that is gone
        new.rename(path)
        durable_files.sync_folder(path.parent)
        return None
    aside = path.with_name(f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with sqlite_backup.hold_alone(path) as old:
        if old is None:  # damaged: its log is kept with it
            _keep_log(path, aside)
        _remove_log(path)  # SQLite would apply it to the new database
        _keep(path, aside)
        durable_files.sync_folder(path.parent)
        new.rename(path)
        durable_files.sync_folder(path.parent)
    return aside


def _keep_log(path: Path, aside: Path) -> None:
    for suffix in BESIDE:
        beside = path.with_name(f"{path.name}{suffix}")
        if beside.exists() and beside.stat().st_size:
            _keep(beside, aside.with_name(f"{aside.name}{suffix}"))


def _remove_log(path: Path) -> None:
    for suffix in BESIDE:
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _keep(file: Path, aside: Path) -> None:
    """Give a file a second name. Where the file system has no links, copy it."""
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(file)
    except OSError:
        shutil.copy2(file, aside)
