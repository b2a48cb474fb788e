"""The state that a parent process hands over to itself when it starts its program again.

The process keeps its id, its children and its open files: a reload replaces only the program in it (execve(2)). So the
listening socket is never closed, and systemd or a container sees one service.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from typing import Final

import msgspec

from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.processes.systemd import VARIABLES

VARIABLE: Final = "_COMMENTSVC_HANDOVER"
# Settings that belong to the open socket and to the lock on the database.
FIXED: Final = ("host", "port", "socket_mode", "database_url")


class KeptWorker(msgspec.Struct, frozen=True):
    """A worker that goes on serving while the program is replaced."""

    number: int
    pid: int
    link: int


class Handover(msgspec.Struct, frozen=True):
    """The state of a parent process. Descriptors are numbers of open files."""

    parent: int
    listener: int
    from_systemd: bool
    lock: int | None
    fixed: list[str]
    workers: list[KeptWorker]
    settings: int  # the check writes them here, the new program reads them here: files may change in between

    def descriptors(self) -> list[int]:
        """Return the files that must stay open as long as the service runs."""
        lock = [] if self.lock is None else [self.lock]
        return [self.listener, *lock, *(worker.link for worker in self.workers)]


def list_fixed(config: Config) -> list[str]:
    """Return digests of the settings that a reload cannot change. An address may contain a password."""
    return [hashlib.sha256(str(getattr(config, name)).encode()).hexdigest() for name in FIXED]


def read_handover(environment: Mapping[str, str]) -> Handover | None:
    """Return what this process, or its parent, handed over; None after an ordinary start."""
    text = environment.get(VARIABLE)
    handover = msgspec.json.decode(text, type=Handover) if text else None
    return handover if handover and handover.parent in (os.getpid(), os.getppid()) else None


def refuse_changes(handover: Handover, config: Config) -> None:
    """Check that no setting has changed that belongs to the socket or the database.

    Raises:
        ConfigurationError: one has; the service must be restarted.
    """
    for name, before, now in zip(FIXED, handover.fixed, list_fixed(config), strict=True):
        if before != now:
            raise ConfigurationError(f"COMMENTSVC_{name.upper()} has changed. Restart the service to use it.")


def environment_with(handover: Handover, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the new program in this process."""
    kept = {name: value for name, value in environment.items() if not name.startswith("LISTEN_")}
    return kept | {VARIABLE: msgspec.json.encode(handover).decode()}


def environment_of_check(handover: Handover, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that tries the new program. It must not talk to systemd."""
    kept = {name: value for name, value in environment.items() if name not in VARIABLES}
    return kept | {VARIABLE: msgspec.json.encode(handover).decode()}


def open_settings() -> int:
    """Open a file without a name, in memory where the system has that. It may contain secrets."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("settings")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write_settings(handover: Handover, environment: Mapping[str, str]) -> None:
    """Store the settings that were checked. No setting may be in a file."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    os.pwrite(handover.settings, msgspec.json.encode(ours), 0)


def read_settings(handover: Handover, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the settings that were checked."""
    content = os.pread(handover.settings, os.fstat(handover.settings).st_size, 0)
    os.close(handover.settings)
    others = {name: value for name, value in environment.items() if PREFIX not in name or name == VARIABLE}
    return others | msgspec.json.decode(content, type=dict[str, str])
