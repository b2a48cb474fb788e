"""Finished answers, kept as long as what they show has not changed.

A listing's tag says which state of a thread it shows, and the database is asked for the present tag each
time; so a body found under that tag is right, whichever process made the change before.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST_BYTES: Final = 32 * 1024 * 1024


class Bodies:
    """Bodies by what they answer; those not asked for longest are let go when there are too many bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._left = most_bytes

    def find(self, question: Hashable) -> bytes | None:
        """The body that answers this, if it is kept."""
        body = self._bodies.get(question)
        if body is not None:
            self._bodies.move_to_end(question)
        return body

    def keep(self, question: Hashable, body: bytes) -> None:
        """Keep a body for the next who asks this."""
        self._left += len(self._bodies.pop(question, b"")) - len(body)
        self._bodies[question] = body
        while self._left < 0 and self._bodies:
            _, dropped = self._bodies.popitem(last=False)
            self._left += len(dropped)
