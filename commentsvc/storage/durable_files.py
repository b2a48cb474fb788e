"""Files that survive a power cut: their content, their name, and the folders that hold them.

A file that was synced can still lose its name: that is in its folder, which is synced on its own (fsync(2)).
"""

import os
from pathlib import Path

from commentsvc.storage.data_folder import keep_owner


def sync_folder(folder: Path) -> None:
    """Return when the names of the files in a folder are on disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def create_folder(folder: Path) -> None:
    """Create a folder and its parents. Each of them is on disk when this returns."""
    folder = folder.absolute()
    missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_folder(one.parent)


def replace_file(file: Path, text: str) -> None:
    """Replace the content of a file that only its owner may read. It is on disk when this returns, or is unchanged."""
    # One name, not one for each process: what a killed one has left is used again.
    unfinished = file.with_name(f"{file.name}.new")
    try:
        unfinished.unlink(missing_ok=True)  # it may be readable by others
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as written:  # noqa: PTH123 -- it is open already
            keep_owner(unfinished, file if file.exists() else file.parent)
            written.write(text)
            written.flush()
            os.fsync(descriptor)
        unfinished.replace(file)
        sync_folder(file.parent)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
