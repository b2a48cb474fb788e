"""The journal of erasures: a file outside the database, which lists the ids of what was erased.

A backup that is older than an erasure brings the erased data back. The journal is not part of the backup, so the
service erases it again (``operations/erasures.py``). It holds times, kinds and ids only.
"""

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from commentsvc.config.settings import Config
from commentsvc.storage import durable_files
from commentsvc.storage.data_folder import keep_owner

Kind: TypeAlias = Literal["comment", "thread", "site", "address", "ban"]
KINDS: Final[tuple[Kind, ...]] = ("comment", "thread", "site", "address", "ban")
FILE: Final = "erasures.log"  # beside an SQLite database
OFF: Final = "off"
LINE: Final = re.compile(rf"\S+ ({'|'.join(KINDS)}) ([0-9a-f-]{{36}})")


def find_journal(config: Config) -> "ErasureJournal | None":
    """Return the journal; None if it is off, or if PostgreSQL is used and no file is set."""
    if config.erasure_journal:
        return None if config.erasure_journal == OFF else ErasureJournal(Path(config.erasure_journal))
    path = config.sqlite_path
    return ErasureJournal(path.absolute().with_name(FILE)) if path else None


class ErasureJournal:
    """A file to which several processes may append at once: each entry is one write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, kind: Kind, ids: Iterable[str], now: str) -> None:
        """Add erased things. They are on disk when this returns.

        Raises:
            OSError: the file cannot be written, or only a part of the entry found room.
        """
        lines = "".join(f"{now} {kind} {one}\n" for one in ids)
        is_new = not self.path.exists()
        opened = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if is_new:
                keep_owner(self.path, self.path.parent)
            size = os.fstat(opened).st_size
            if size and os.pread(opened, 1, size - 1) != b"\n":
                lines = f"\n{lines}"  # a power cut left half a line
            data = lines.encode()
            if os.write(opened, data) < len(data):  # a second write could land inside the line of another process
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(opened)
        finally:
            os.close(opened)
        if is_new:
            durable_files.sync_folder(self.path.parent)

    def read(self) -> dict[Kind, list[str]]:
        """Return the ids of every kind, each once, oldest first. Damaged lines are passed over.

        Raises:
            OSError: the file cannot be read; a missing one is empty.
        """
        found: dict[Kind, dict[str, None]] = {kind: {} for kind in KINDS}
        for line in self._read_lines():
            match = LINE.fullmatch(line)
            if match:
                found[match[1]][match[2]] = None  # type: ignore[index]  # the pattern has the kinds
        return {kind: list(ids) for kind, ids in found.items()}

    def _read_lines(self) -> Sequence[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
