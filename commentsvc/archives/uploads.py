"""The folder of uploaded archives: one file for each import, which nobody else can read."""

import fcntl
import logging
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Self

from commentsvc.config.settings import Config
from commentsvc.domain.errors import Conflict, TooLarge, Unavailable
from commentsvc.storage import durable_files

LOG: Final = logging.getLogger(__name__)
MEBIBYTE: Final = 1024 * 1024
RESERVED: Final = 64 * MEBIBYTE  # of the disk: comments that arrive during an upload need room too
ID_FILE: Final = "folder.id"
PART: Final = ".part"  # the end of the name of an upload that is not complete
MOST_NAME: Final = 100
# Only what has such a name is ours to delete: an operator may have named a folder with other files.
OURS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.part)?|folder\.id\.[0-9a-f]{8}")
NOT_STORED: Final = "The file cannot be stored"
NO_FOLDER: Final = "This service has no folder for uploads. Set COMMENTSVC_UPLOAD_FOLDER, then restart it."


def find_folder(config: Config) -> Path | None:
    """Return the folder of uploads, which may not exist yet; None if none is set."""
    if config.upload_folder:
        return Path(config.upload_folder)
    return config.sqlite_path.absolute().with_name("uploads") if config.sqlite_path else None


def reserved_bytes(config: Config) -> int:
    """Return how much of the disk an import leaves free."""
    return RESERVED + config.min_free_mb * MEBIBYTE


def clean_name(name: str) -> str:
    """Return the name of a file as pages show it: without its folder, and without characters that cannot be seen."""
    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(one for one in last if unicodedata.category(one)[0] not in "CZ" or one == " ")
    return seen.strip()[:MOST_NAME] or "archive"


class UploadFolder:
    """An existing folder of uploads. Its id tells the servers of a database apart, each with its own disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = (path / ID_FILE).read_text(encoding="ascii").strip()

    @classmethod
    def find(cls, config: Config) -> Self | None:
        """Return the folder, if anything was ever uploaded to it."""
        path = find_folder(config)
        with suppress(OSError):
            return cls(path) if path else None
        return None

    @classmethod
    def create(cls, config: Config) -> Self:
        """Return the folder; create it if it is missing.

        Raises:
            Conflict: no folder is set.
            Unavailable: it cannot be created.
        """
        path = find_folder(config)
        if path is None:
            raise Conflict(NO_FOLDER)
        with _refusing("The folder for uploads cannot be used"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create_id(path)
            return cls(path)

    def file_of(self, job_id: str) -> Path:
        """Return the file of an import."""
        return self.path / job_id

    def remove(self, job_id: str) -> None:
        """Delete the file of an import, if it is here. If the disk refuses that, ``remove_others`` does it later."""
        try:
            self.file_of(job_id).unlink(missing_ok=True)
        except OSError as error:
            LOG.warning("the file of an import was not deleted yet: %s", error)

    def remove_others(self, kept: Collection[str], before: float) -> None:
        """Delete the uploads that belong to none of these imports and were not changed since a time."""
        for file in self.path.iterdir():
            with suppress(FileNotFoundError):
                if OURS.fullmatch(file.name) and file.name not in kept and file.lstat().st_mtime < before:
                    file.unlink()

    @contextmanager
    def hold(self, job_id: str) -> Iterator[bool]:
        """Hold the file of an import alone; yield False if another process holds it.

        Raises:
            FileNotFoundError: it is gone.
        """
        with self.file_of(job_id).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


@contextmanager
def _refusing(sentence: str) -> Iterator[None]:
    """Turn a fault of the disk into a refusal that begins with this sentence."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{sentence} ({error.strerror}).") from None


def _create_id(path: Path) -> None:
    part = path / f"{ID_FILE}.{secrets.token_hex(4)}"
    if (path / ID_FILE).exists():
        return
    try:
        with part.open("x", encoding="ascii") as file:
            file.write(secrets.token_hex(8))
            file.flush()
            os.fsync(file.fileno())  # an empty one after a power cut would be the id of other folders too
        with suppress(FileExistsError):
            os.link(part, path / ID_FILE)  # of two processes the first one wins
    finally:
        part.unlink(missing_ok=True)
    durable_files.sync_folder(path)


class Upload:
    """A file that is arriving. It is removed unless it was kept."""

    def __init__(self, folder: UploadFolder, job_id: str, most: int, reserved: int) -> None:
        """Create the file. It may have ``most`` bytes, and so many stay ``reserved`` on the disk.

        Raises:
            Unavailable: the disk is full, or cannot be written to.
        """
        self.folder, self.job_id, self.bytes = folder, job_id, 0
        self._most, self._reserved = most, reserved
        self._part = folder.path / f"{job_id}{PART}"
        with _refusing(NOT_STORED):
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "wb", buffering=0)

    def require_room(self, more: int) -> None:
        """Check that so many bytes more are allowed, and that the disk has room for them.

        Raises:
            TooLarge: they are too many.
            Unavailable: the disk is too full.
        """
        if self.bytes + more > self._most:
            raise TooLarge(f"The file is too large. This service takes up to {self._most // MEBIBYTE:,} MiB.")
        if shutil.disk_usage(self.folder.path).free < more + self._reserved:
            raise Unavailable("The disk of the service is too full for this file. Free some space, then try again.")

    def write(self, chunk: bytes) -> None:
        """Add a piece of the file.

        Raises:
            TooLarge, Unavailable: see ``require_room``.
        """
        self.require_room(len(chunk))
        with _refusing(NOT_STORED):
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self.bytes += len(chunk)

    def keep(self) -> None:
        """Give the complete file its name. When this returns, it stays there after a power cut.

        Raises:
            Unavailable: the disk is full, or cannot be written to.
        """
        with _refusing(NOT_STORED):
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self.folder.file_of(self.job_id))
            durable_files.sync_folder(self.folder.path)

    def discard(self) -> None:
        """Remove what has arrived, unless it was kept. If the disk refuses that, ``remove_others`` does it later."""
        with suppress(OSError):
            self._file.close()
            self._part.unlink(missing_ok=True)
