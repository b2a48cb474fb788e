"""File systems in files (loop mounts) that a test can fill, make read-only, or cut from their power. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BYTES: Final = 320 * 1024 * 1024  # the least that mkfs.xfs accepts is 300 MiB
MAKE: Final = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
PACKAGES: Final = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}
# From linux/fs: both file systems stop at once, without writing what is only in memory.
GOING_DOWN: Final = 0x8004587D  # _IOR('X', 125, __u32)
NO_FLUSH: Final = 2
UNMOUNT_SECONDS: Final = 20


class DiskUnavailable(Exception):  # noqa: N818 -- not an error: the attack needs more than there is
    """This computer or user lacks what an attack needs, such as the right to mount a file system."""


class CommandFailed(Exception):  # noqa: N818 -- it says what happened
    """A program that makes or mounts file systems failed."""


def check_reason(refused: DiskUnavailable) -> None:
    """Check that a refusal says what is missing."""
    assert any(cure in str(refused) for cure in ("root", "apt-get install", "mount")), refused


class Disk:
    """A mounted file system whose content is in a file."""

    def __init__(self, image: Path, folder: Path, kind: str) -> None:
        self.folder = folder
        self._image = image
        self._kind = kind

    def make(self) -> None:
        """Create the file system, and mount it."""
        with self._image.open("wb") as file:
            file.truncate(BYTES)
        _run(*MAKE[self._kind], str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount the file system, as a start of the computer does."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def cut_power(self) -> None:
        """Lose everything that is not on disk. Processes that use the file system get errors from now on."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, GOING_DOWN, struct.pack("I", NO_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount, when no process uses the file system any more."""
        end = time.monotonic() + UNMOUNT_SECONDS
        while True:
            try:
                return _run("umount", str(self.folder))
            except CommandFailed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


@contextmanager
def disk(kind: str) -> Iterator[Disk]:
    """Make a file system, and mount it.

    Raises:
        DiskUnavailable: that needs root, a program that is missing, or a right that a container lacks.
    """
    if os.geteuid() != 0:
        raise DiskUnavailable("Mounting a file system needs root.")
    if shutil.which(MAKE[kind][0]) is None:
        raise DiskUnavailable(f"{MAKE[kind][0]} is missing. Install it with: apt-get install {PACKAGES[kind]}")
    with tempfile.TemporaryDirectory(prefix="commentsvc-disk-") as name:
        folder = Path(name, "mounted")
        folder.mkdir()
        mounted = Disk(Path(name, "image"), folder, kind)
        try:
            mounted.make()
        except CommandFailed as error:
            raise DiskUnavailable(str(error)) from error
        try:
            yield mounted
        finally:
            mounted.unmount()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()}")
