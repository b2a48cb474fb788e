"""UUIDv7 ids (RFC 9562, 5.7)."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime


def with_time(id_: str, moment: datetime) -> str:
    """Return a UUIDv7 with another time; its random digits stay."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | uuid.UUID(id_).int & ~(-1 << 80)))


class Ids:
    """Generator of UUIDv7 ids that sort in the order in which one process made them (RFC 9562, 6.2, method 1).

    The clocks of two servers differ: never look for the latest row by its id.
    """

    def __init__(self, milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._milliseconds = milliseconds
        self._last = 0
        self._lock = threading.Lock()  # units of work run in several threads

    def __call__(self) -> str:
        """Return a new id, greater than every earlier one of this process."""
        # 48 bits of milliseconds and 12 bits of a counter form one number that only grows.
        with self._lock:
            self._last = last = max(self._last + 1, self._milliseconds() << 12)
        number = (last >> 12) << 80 | 7 << 76 | (last & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=number))
