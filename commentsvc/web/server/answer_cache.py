"""A cache of response bodies.

A listing's tag names the state of the thread, and each request reads the present tag from the database. So a
body found under that tag is current, whichever process made the last change.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_BYTES: Final = 32 * 1024 * 1024
# Memory for an entry besides its body: the key with its longest texts, and the dictionary's slots.
OVERHEAD: Final = 4096


class AnswerCache:
    """Response bodies by key; the least recently used are dropped when they exceed ``max_bytes``.

    Thread-safe: used by the threads that read the database and by the event loop.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._left = max_bytes
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """Return the body under a key, or None."""
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                self._bodies.move_to_end(key)
            return body

    def put(self, key: Hashable, body: bytes) -> None:
        """Store a body under a key."""
        with self._lock:
            self._drop(key)
            self._bodies[key] = body
            self._left -= len(body) + OVERHEAD
            while self._left < 0:
                self._drop(next(iter(self._bodies)))

    def _drop(self, key: Hashable) -> None:
        body = self._bodies.pop(key, None)
        if body is not None:
            self._left += len(body) + OVERHEAD
