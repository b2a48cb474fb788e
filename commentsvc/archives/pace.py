"""Choose how many comments of an archive are written together, so that other writers wait for a short time only."""

from typing import Final

from msgspec import Struct

FIRST: Final = 100  # comments
LEAST: Final = 50
MOST: Final = 500
MOST_ALONE: Final = 1500  # a page of the database that many of them change is written once
SECONDS: Final = 0.05  # that a unit should take
SECONDS_ALONE: Final = 1.0  # if no server is running: only commands wait
BYTES: Final = 3000  # of texts, for each comment: a piece of long texts has fewer comments


class Pace(Struct):
    """The size of the next pieces, and of the units that write them: each takes as long as the last ones make likely.

    A large unit changes each page of the database once for many comments. Where the disk is slow, or others write at
    the same time, units become small. While no server is running, they may take longer. If one starts, the pieces that
    are ready are divided.
    """

    comments: int = FIRST
    is_alone: bool = False

    def set_alone(self, *, is_alone: bool) -> None:
        """Note whether no server is running. If one has started, small units come next."""
        if self.is_alone and not is_alone:
            self.comments = min(FIRST, self.comments)
        self.is_alone = is_alone

    def is_enough(self, comments: int, size: int) -> bool:
        """Return whether a piece with so many comments and bytes of text is complete."""
        return comments >= self.comments or size > BYTES * min(MOST, self.comments)

    def is_better_ended(self, comments: int, page: int) -> bool:
        """Return whether a piece should end before a page with so many comments.

        A page that is written in two units must be sorted afterwards.
        """
        return 2 * comments >= self.comments >= page and comments + page > self.comments

    def note(self, written: int, seconds: float) -> None:
        """Learn how long a piece took."""
        if not written:
            return  # all of it was imported before
        most, wanted = (MOST_ALONE, SECONDS_ALONE) if self.is_alone else (MOST, SECONDS)
        possible = int(written * wanted / max(seconds, 0.001))
        self.comments = max(LEAST, min(most, possible, 2 * self.comments))
