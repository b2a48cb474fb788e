"""Back up an SQLite database while the service runs, by a command or once a day."""

import asyncio
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.domain.timestamps import format_time
from commentsvc.operations.secret_file import secret_file
from commentsvc.service import Service, private_read, write
from commentsvc.storage import backups, durable_files, sqlite_backup, sqlite_inspection
from commentsvc.storage.backups import LastBackup
from commentsvc.storage.database import MAX_CLOCK_SKEW, PrivateRead, Write
from commentsvc.storage.sqlite_inspection import Inspection, Stopped

T = TypeVar("T")

LOG: Final = logging.getLogger(__name__)
OURS: Final = re.compile(r"commentsvc-(\d{8}T\d{6}Z)-([0-9a-f]+)\.db(\.unfinished)?")
UNFINISHED: Final = ".unfinished"
UNFINISHED_HOURS: Final = 24  # after that, nobody is writing it any more
ROUND_SECONDS: Final = 60
RETRY_HOURS: Final = 1  # after a failure
SPARE_BYTES: Final = 16 * 1024 * 1024  # left free on the disk of the backups
POSTGRES: Final = (
    "COMMENTSVC_DATABASE_URL is a PostgreSQL database. Back it up with its own tools: "
    "pg_dump --format=custom --file=commentsvc.dump DATABASE. See docs/backups.md#postgresql"
)


class Backup(Struct, frozen=True):
    """A backup that was made."""

    file: str
    bytes: int
    rows: int  # that were checked
    fingerprint: str  # of the secret key, without which no address in the backup can be read
    key_file: str | None  # where this key is; None: in COMMENTSVC_SECRET_KEY
    removed: Sequence[str]  # older backups


async def back_up(service: Service, folder: Path, keep: int | None = None) -> Backup:
    """Copy the database to a folder, check the copy, then delete all but ``keep`` of our backups there.

    The result, or the failure, is noted in the database.

    Raises:
        ConfigurationError: the database is not SQLite, or the folder cannot be written to.
        Unavailable: the database, or its copy, is damaged. The copy was deleted.
    """
    path = service.config.sqlite_path
    if path is None:
        raise ConfigurationError(POSTGRES)
    try:
        made = await _run_until_stopped(lambda stop: _Making(service, path, folder.absolute(), stop).make(keep))
    except (ConfigurationError, Unavailable) as error:
        with suppress(Unavailable):
            await _note_failure(service, str(error))
        raise
    try:
        await _note_success(service, made.file)
    except Unavailable as error:  # such as a full disk: the backup is there all the same
        LOG.warning("the backup %s was made, but the database could not note it: %s", made.file, error)
    return made


async def _run_until_stopped(work: Callable[[threading.Event], T]) -> T:
    """Run in a thread, and stop the work there if the caller is cancelled."""
    stop = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await running
        raise


class _Making:
    """The making of one backup, in a thread."""

    def __init__(self, service: Service, path: Path, folder: Path, stop: threading.Event) -> None:
        self._service = service
        self._path = path
        self._folder = folder
        self._stop = stop

    def make(self, keep: int | None) -> Backup:
        time_text = f"{self._service.clock():%Y%m%dT%H%M%SZ}"
        try:
            durable_files.create_folder(self._folder)
            self._require_space()
            unfinished = self._folder / f"commentsvc-{time_text}-{self._service.keyring.fingerprints[0]}.db{UNFINISHED}"
            found = self._copy(unfinished)
            file = self._folder / f"commentsvc-{time_text}-{found.fingerprint}.db"
            unfinished.rename(file)
            durable_files.sync_folder(self._folder)
            removed = self._remove_older(file, keep) if keep else []
            size = file.stat().st_size
        except OSError as error:
            raise ConfigurationError(
                f"Could not write a backup to {self._folder} ({error}). "
                "Name a folder that this user can write to, with enough free space."
            ) from None
        key_file = secret_file(self._service.config)
        return Backup(str(file), size, found.rows, found.fingerprint, str(key_file) if key_file else None, removed)

    def _copy(self, unfinished: Path) -> Inspection:
        """Copy the database, and check the copy. If that fails, nothing is left."""
        try:
            sqlite_backup.copy_online(self._path, unfinished, self._stop)
            found = sqlite_inspection.inspect(unfinished, self._stop)
        except FileExistsError:
            raise Unavailable(f"Another backup to {self._folder} began in this second. Try again.") from None
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        if found.faults:
            unfinished.unlink()
            raise Unavailable(
                f"The database is damaged: {found.faults[0]}. Faults: {len(found.faults):,}. No backup was kept. "
                f"To see all: commentsvc restore --check {self._path}"
            )
        return found

    def _require_space(self) -> None:
        needed = self._path.stat().st_size + SPARE_BYTES
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise ConfigurationError(
                f"The backup needs {needed:,} bytes, but {self._folder} has {free:,} bytes free. Free some space."
            )

    def _remove_older(self, newest: Path, keep: int) -> list[str]:
        """Delete older backups of this database: those that one of our keys is named in. Others may be of another."""
        ours = []
        for file in sorted(self._folder.iterdir(), reverse=True):
            match = OURS.fullmatch(file.name)
            if match is None or match[2] not in {*self._service.keyring.fingerprints, newest.stem.split("-")[-1]}:
                continue
            if match[3] is None:
                ours.append(file)
            elif time.time() - file.stat().st_mtime > UNFINISHED_HOURS * 3600:  # a killed backup has left it
                file.unlink(missing_ok=True)
        removed = [file for file in ours[keep:] if file != newest]
        for file in removed:
            file.unlink(missing_ok=True)
        return [str(file) for file in removed]


async def back_up_daily(service: Service) -> None:
    """Back up every day at the time in the settings, for as long as this is not cancelled. A failure is logged.

    A backup that was missed is made at once, also the first one.
    """
    config = service.config
    while config.backup_folder and config.sqlite_path:
        await _attempt(service)
        await asyncio.sleep(ROUND_SECONDS)


async def _attempt(service: Service) -> None:
    try:
        if not is_due(await read_last(service), service.clock(), service.config.backup_at):
            return
        made = await back_up(service, Path(service.config.backup_folder), service.config.backup_keep)
    except (ConfigurationError, Unavailable) as error:
        LOG.error("the daily backup failed: %s", error)  # noqa: TRY400 -- the message says everything
    except Exception:
        LOG.exception("the daily backup failed; next attempt later")
    else:
        LOG.info("backup %s: %s bytes; it does not contain the key %s", made.file, made.bytes, made.fingerprint)


def is_due(last: LastBackup, now: datetime, at: str) -> bool:
    """Return whether a backup is to be made now: none was made since ``at``, and none has failed just now.

    Times that are ahead are of a clock that was wrong: they do not count, or there would be no backup until then.
    """
    hour, minute = map(int, at.split(":"))
    planned = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if planned > now:
        planned -= timedelta(days=1)
    failed, latest = format_time(now - timedelta(hours=RETRY_HOURS)), format_time(now + MAX_CLOCK_SKEW)
    return not format_time(planned) <= last.made_at <= latest and not failed <= last.failed_at <= latest


@private_read
async def read_last(unit: PrivateRead) -> LastBackup:
    """Return what is known about the last backup."""
    return await backups.get_last(unit)


@write
async def _note_success(unit: Write, file: str) -> None:
    await backups.note_success(unit, file, unit.now())


@write
async def _note_failure(unit: Write, failure: str) -> None:
    await backups.note_failure(unit, failure, unit.now())


__all__ = ("POSTGRES", "Backup", "Stopped", "back_up", "back_up_daily", "is_due", "read_last")
