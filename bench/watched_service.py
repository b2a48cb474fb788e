"""Run the service on an event loop that notes the longest time between two looks at the network.

usage: python -m bench.watched_service FILE serve: the file gets two numbers, the processor time and the time of the
clock in seconds; a reader resets them to zero. A selector written in Python makes every request slower, by 0.1 ms.
"""

import asyncio
import mmap
import selectors
import struct
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from commentsvc.cli.main import main

LONGEST: Final = struct.Struct("dd")


class WatchedSelector(selectors.EpollSelector):
    """Measures the time from one call of ``select`` to the next."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), LONGEST.size)
        self._cpu = self._clock = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the network, and note how long it was not looked at."""
        if self._clock:
            cpu, clock = LONGEST.unpack(self._shared[:])
            spent_cpu, spent = time.thread_time() - self._cpu, time.perf_counter() - self._clock
            if spent_cpu > cpu or spent > clock:
                self._shared[:] = LONGEST.pack(max(cpu, spent_cpu), max(clock, spent))
        ready = super().select(timeout)
        self._cpu, self._clock = time.thread_time(), time.perf_counter()
        return ready


if __name__ == "__main__":
    uvloop.new_event_loop = lambda: asyncio.SelectorEventLoop(WatchedSelector(Path(sys.argv[1])))  # type: ignore[assignment,return-value]
    raise SystemExit(main(sys.argv[2:]))
