"""Prepare comments in other processes, since this takes most of the time of an import."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

import msgspec

from commentsvc.archives.preparation import Prepared, prepare_many
from commentsvc.domain.fields import Limits

FEW: Final = 2000  # comments: below, starting processes takes longer than the work
TOGETHER: Final = 250  # comments that one process prepares at a time
MOST_WORKERS: Final = 2  # preparing takes about as long as writing; each needs 60 MB


class Preparer:
    """Prepares comments, in a thread or in processes of its own."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool: ProcessPoolExecutor | None = None
        self._decoder = msgspec.msgpack.Decoder(Prepared)

    def expect(self, comments: int) -> None:
        """Start the processes if there are so many comments, so that they are ready before the first is prepared."""
        if self._pool is None and comments >= FEW:
            self._pool = _start_processes()
            self._pool.submit(prepare_many, [], self._limits)

    def close(self) -> None:
        """End the processes. Nobody waits for them: this runs in the event loop."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def prepare(self, encoded: Sequence[bytes]) -> list[Prepared]:
        """Prepare encoded comments."""
        loop, starts = asyncio.get_running_loop(), range(0, len(encoded), TOGETHER)
        parts = [list(encoded[start : start + TOGETHER]) for start in starts]
        done = await asyncio.gather(
            *(loop.run_in_executor(self._pool, prepare_many, part, self._limits) for part in parts)
        )
        return [self._decoder.decode(one) for part in done for one in part]


@contextmanager
def open_preparer(limits: Limits) -> Iterator[Preparer]:
    """Open a preparer; close it at the end."""
    preparer = Preparer(limits)
    try:
        yield preparer
    finally:
        preparer.close()


def _start_processes() -> ProcessPoolExecutor:
    workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))  # this process writes
    # A new program: a copy of this one would share its database and sockets.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let this process end with its parent, also if that is killed; the parent alone answers Ctrl+C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
