"""Check the computer that the service runs on: folder, space, clock, secret files, backups."""

import os
import shlex
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import preparation, secret_file
from commentsvc.operations.backup import OURS
from commentsvc.operations.doctor.findings import Finding, fault, from_error, ok, warning
from commentsvc.storage import data_folder
from commentsvc.storage.erasure_journal import find_journal

MEBIBYTE: Final = 1024 * 1024
SCARCE_MB: Final = 100
LATER_SECONDS: Final = 60  # a file from so far in the future shows that the clock was set back
DAY: Final = 86_400
OLD_DAYS: Final = 2


def check_folder(config: Config) -> Iterator[Finding]:
    """Yield whether SQLite can keep its files where they are."""
    path = config.sqlite_path
    if path is None:
        return
    try:
        preparation.require_file(config)
        data_folder.require_usable(path)
    except ConfigurationError as error:
        yield from_error("data folder", error)
        return
    yield ok("data folder", f"This user can write to {path.absolute().parent}.")


def check_space(config: Config) -> Iterator[Finding]:
    """Yield whether the disk of an SQLite database has room: for its log, and for a copy of the file."""
    path = config.sqlite_path
    if path is None or not path.parent.is_dir():
        return
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size if path.exists() else 0
    says = f"{free // MEBIBYTE:,} MiB are free where the database is; it has {size // MEBIBYTE:,} MiB."
    cure = f"Free some space on the disk of {path.absolute().parent}."
    if free < max(config.min_free_mb, 1) * MEBIBYTE:
        yield fault("free space", says, cure)
    elif free < size + SCARCE_MB * MEBIBYTE:
        yield warning("free space", f"{says} A migration needs as much as the database.", cure)
    else:
        yield ok("free space", says)


def check_journal(config: Config) -> Iterator[Finding]:
    """Yield whether erasures can be noted outside the database, and read there at each start."""
    journal = find_journal(config)
    if journal is None:
        return
    path = journal.path
    if not path.absolute().parent.is_dir():
        folder = path.absolute().parent
        yield fault("erasures", f"The folder {folder} of the journal is missing.", f"mkdir -p {_quote(folder)}")
    elif path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        yield fault(
            "erasures",
            f"This user cannot read and write the journal {path}.",
            f"chown {os.geteuid()} {_quote(path)}"
            if path.is_file()
            else f"rmdir {_quote(path)}, then restore the file from your copy",
        )


def check_file_times(config: Config) -> Iterator[Finding]:
    """Yield whether the clock is behind the files that the service has written."""
    path = config.sqlite_path
    if path is None:
        return
    files = [file for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()]
    ahead = max((file.stat().st_mtime - time.time() for file in files), default=0.0)
    if ahead > LATER_SECONDS:
        yield fault(
            "clock",
            f"The database was written {ahead:,.0f} seconds in the future: the clock was set back.",
            "timedatectl set-ntp true",
        )


def check_secret_files(config: Config) -> Iterator[Finding]:
    """Yield whether other users of this computer can read the secret keys or the database."""
    try:
        texts = secret_file.read_secrets(config)  # refuses a file that others can read
    except ConfigurationError as error:
        yield from_error("secret files", error)
        return
    exposed = [file for file in _list_private(config) if file.stat().st_mode & stat.S_IRWXO]
    for file in exposed:
        yield fault("secret files", f"Every user of this computer can open {file}.", f"chmod o= {_quote(file)}")
    if not texts and config.sqlite_path and config.sqlite_path.exists():
        yield fault("secret files", "There is no secret key.", "Restore secret.key from your backup of it.")
    elif not exposed:
        yield ok("secret files", "Other users of this computer cannot read the database or its keys.")


def _list_private(config: Config) -> Iterator[Path]:
    path = config.sqlite_path
    if path is not None:
        names = (path.name, *(path.name + suffix for suffix in data_folder.FILES_BESIDE))
        yield from (file for file in (path.absolute().with_name(name) for name in names) if file.exists())


def _quote(path: Path) -> str:
    return shlex.quote(str(path))


def check_backups(config: Config) -> Iterator[Finding]:
    """Yield how old the newest backup is, if there is a folder for backups."""
    if not config.backup_folder:
        if config.sqlite_path:
            # Also containers and units of systemd let the service write beside its database.
            cure = f"COMMENTSVC_BACKUP_FOLDER={config.sqlite_path.absolute().parent / 'backups'}"
            yield warning("backups", "No folder for daily backups is set.", cure)
        return
    folder = Path(config.backup_folder)
    cure = f"commentsvc backup {_quote(folder)}"
    try:
        times = [one.stat().st_mtime for one in _list_backups(folder)]
    except OSError as error:
        yield fault("backups", f"The folder {folder} cannot be read ({error.strerror}).", f"mkdir -p {_quote(folder)}")
        return
    if not times:
        yield fault("backups", f"There is no backup in {folder}.", cure)
        return
    age = max(0.0, time.time() - max(times))
    says = f"The newest backup in {folder} is {_describe_age(age)} old."
    yield fault("backups", says, cure) if age > OLD_DAYS * DAY else ok("backups", says)


def _list_backups(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if (name := OURS.fullmatch(one.name)) and not name[3] and one.is_file()]


def _describe_age(seconds: float) -> str:
    return f"{seconds / DAY:.1f} days" if seconds > DAY else f"{seconds / 3600:.1f} hours"
