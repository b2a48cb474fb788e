"""A PostgreSQL server that hangs: its processes are stopped, its connections stay open, and nothing is answered."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def backends_of(postmaster: int) -> list[int]:
    """Return the processes that serve clients; those of the server itself are named after their task."""
    found = []
    for pid, parent in _parents().items():
        with suppress(OSError):
            title = Path(f"/proc/{pid}/cmdline").read_text()
            if parent == postmaster and ("[local]" in title or "127.0.0.1" in title):
                found.append(pid)
    return found


@contextmanager
def frozen(folder: Path, which: str = "everything") -> Iterator[None]:
    """Stop processes of the server in this folder, and let them go on at the end of the block.

    ``which``: everything, the backends (new connections work), or the postmaster (open connections work).
    """
    main = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    # The postmaster first: it must not start another process in between.
    stopped = [main] if which != "backends" else []
    stopped += backends_of(main) if which != "postmaster" else []
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
