"""Remember how the last writes of a database went, so that a health check needs no write of its own."""

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class WriteRecord:
    """When a driver last stored a change, whether a write failed after it, and how long writes have been waiting.

    Times are seconds of a clock that never goes back. Tests set ``clock``.
    """

    def __init__(self) -> None:
        self.clock = time.monotonic
        self.failed = False
        self.stored_at = -math.inf  # when a change was stored last
        self._numbers = itertools.count()
        self._waiting: dict[int, float] = {}  # when each began, the oldest first

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a write as waiting inside the block."""
        number = next(self._numbers)
        self._waiting[number] = self.clock()
        try:
            yield
        finally:
            del self._waiting[number]

    def note(self, stored: bool | None) -> None:  # noqa: FBT001 -- the outcome itself, not an option
        """Note how a write ended: stored on disk, failed (full disk, lost connection), or None: it changed nothing."""
        if stored:
            self.stored_at, self.failed = self.clock(), False
        elif stored is False:
            self.failed = True

    def seconds_since_stored(self) -> float:
        """Return how long ago a change was stored; infinite if none was stored."""
        return self.clock() - self.stored_at

    def longest_wait(self) -> float:
        """Return how long the oldest unfinished write has been waiting; 0 if all are finished."""
        return self.clock() - next(iter(self._waiting.values()), self.clock())
