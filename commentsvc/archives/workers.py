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
MOST_WORKERS: Final = 2  # preparing takes about as long as writing; each needs 60 MB


class Preparer:
    """Prepares comments, in a thread or in processes of its own."""

    def __init__(self, limits: Limits, pool: ProcessPoolExecutor | None) -> None:
        self._limits = limits
        self._pool = pool
        self._decoder = msgspec.msgpack.Decoder(Prepared)

    async def prepare(self, encoded: Sequence[bytes]) -> list[Prepared]:
        """Prepare encoded comments."""
        loop = asyncio.get_running_loop()
        done = await loop.run_in_executor(self._pool, prepare_many, list(encoded), self._limits)
        return [self._decoder.decode(one) for one in done]


@contextmanager
def open_preparer(limits: Limits, comments: int) -> Iterator[Preparer]:
    """Open a preparer for so many comments."""
    if comments < FEW:
        yield Preparer(limits, None)
        return
    workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))  # this process writes
    # A new program: a copy of this one would share its database and sockets.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        yield Preparer(limits, pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # the event loop must not wait


def _end_with_parent() -> None:
    """Let this process end with its parent, also if that is killed; the parent alone answers Ctrl+C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
