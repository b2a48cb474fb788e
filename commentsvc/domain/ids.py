"""UUIDv7 ids (RFC 9562, 5.7)."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

MAX_FOLLOWED: Final = 1 << 127  # half of all times: the other half leaves room to count on


def with_time(id_: str, moment: datetime) -> str:
    """Return a UUIDv7 with another time; its random digits stay."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | uuid.UUID(id_).int & ~(-1 << 80)))


def id_at(milliseconds: int, place: int, key: Sequence[str] = ()) -> str:
    """Return a UUIDv7 with a time. If two times are equal, the greater ``place`` (below 4096) sorts later.

    With a ``key``, the other digits depend on it alone: the same thing has the same id again.
    """
    last = int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest()) if key else secrets.randbits(64)
    number = milliseconds << 80 | 7 << 76 | (place & 0xFFF) << 64 | 0b10 << 62 | last >> 2
    digits = f"{number:032x}"  # a third of the time of ``uuid.UUID``
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def time_of(id_: str) -> float:
    """Return the time of a UUIDv7 in Unix seconds: its first 48 bits are milliseconds (RFC 9562, 5.7)."""
    return (uuid.UUID(id_).int >> 80) / 1000


def id_prefix(seconds: float) -> str:
    """Return the beginning of a UUIDv7 made at a Unix time. It sorts before every id that begins with it."""
    digits = f"{min(max(0, int(seconds * 1000)), 2**48 - 1):012x}"
    return f"{digits[:8]}-{digits[8:]}"


class Ids:
    """Generator of UUIDv7 ids that sort in the order in which one process made them (RFC 9562, 6.2, method 1).

    The clocks of two servers differ: never look for the latest row by its id.
    """

    def __init__(self, milliseconds: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._milliseconds = milliseconds
        self._last = 0
        self._lock = threading.Lock()  # units of work run in several threads

    def follow(self, id_: str) -> None:
        """Make all later ids greater than this one: an earlier process may have made it while its clock was ahead."""
        number = uuid.UUID(id_).int
        if number < MAX_FOLLOWED:
            with self._lock:
                self._last = max(self._last, number >> 80 << 12 | number >> 64 & 0xFFF)

    def __call__(self) -> str:
        """Return a new id, greater than every earlier one of this process."""
        # 48 bits of milliseconds and 12 bits of a counter form one number that only grows.
        with self._lock:
            self._last = last = max(self._last + 1, self._milliseconds() << 12)
        number = (last >> 12) << 80 | 7 << 76 | (last & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=number))
