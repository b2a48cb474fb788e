"""Choose how many comments of an archive are written together, so that other writers wait for a short time only."""

from typing import Final

from msgspec import Struct

FIRST: Final = 100  # comments
LEAST: Final = 50
MOST: Final = 500
SECONDS: Final = 0.05  # that a unit should take
SECONDS_ALONE: Final = 0.25  # if no server is running: only commands wait
BYTES: Final = 3000  # of texts, for each comment: a piece of long texts has fewer comments


class Pace(Struct):
    """The size of the next pieces: each takes as long as the last ones make likely.

    A large piece changes each page of the database once for many comments. Where the disk is slow, or others write at
    the same time, pieces become small. While no server is running, they may take longer.
    """

    comments: int = FIRST
    is_alone: bool = False

    def is_enough(self, comments: int, size: int) -> bool:
        """Return whether a piece with so many comments and bytes of text is complete."""
        return comments >= self.comments or size > BYTES * self.comments

    def note(self, written: int, seconds: float) -> None:
        """Learn how long a piece took."""
        if not written:
            return  # all of it was imported before
        wanted = SECONDS_ALONE if self.is_alone else SECONDS
        possible = int(written * wanted / max(seconds, 0.001))
        self.comments = max(LEAST, min(MOST, possible, 2 * self.comments))
