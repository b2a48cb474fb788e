"""Finished answers, kept as long as what they show has not changed.

A listing's tag says which state of a thread it shows, and the database is asked for the present tag each
time; so a body found under that tag is right, whichever process made the change before.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST_BYTES: Final = 32 * 1024 * 1024
# What keeping a body takes beside its bytes: the question and its longest texts, and their places.
OVERHEAD: Final = 4096


class Bodies:
    """Bodies by what they answer; those not asked for longest are let go when there are too many bytes.

    Looked into by the threads that read the database, and by the event loop.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._left = most_bytes
        self._lock = threading.Lock()

    def find(self, question: Hashable) -> bytes | None:
        """The body that answers this, if it is kept."""
        with self._lock:
            body = self._bodies.get(question)
            if body is not None:
                self._bodies.move_to_end(question)
            return body

    def keep(self, question: Hashable, body: bytes) -> None:
        """Keep a body for the next who asks this."""
        with self._lock:
            self._drop(question)
            self._bodies[question] = body
            self._left -= len(body) + OVERHEAD
            while self._left < 0:
                self._drop(next(iter(self._bodies)))

    def _drop(self, question: Hashable) -> None:
        body = self._bodies.pop(question, None)
        if body is not None:
            self._left += len(body) + OVERHEAD
