"""The clock of a server that shares its database with other servers."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from commentsvc.storage.database import Database

LOG: Final = logging.getLogger(__name__)
SAMPLES: Final = 3
NOTEWORTHY: Final = timedelta(seconds=1)


def read_local_clock() -> datetime:
    """Return the time of this computer."""
    return datetime.now(UTC)


class DatabaseClock:
    """The clock of this computer, corrected by its difference to the clock of the database.

    So the servers of one database agree on the time, even if their own clocks differ by minutes.
    """

    def __init__(self, database: Database, local: Callable[[], datetime] = read_local_clock) -> None:
        self._database = database
        self._local = local
        self._offset = timedelta(0)

    def __call__(self) -> datetime:
        """Return the present time."""
        return self._local() + self._offset

    def milliseconds(self) -> int:
        """Return the present time in milliseconds since 1970."""
        return int(self().timestamp() * 1000)

    async def adjust(self) -> None:
        """Compare with the clock of the database. A difference within the error of the measurement changes nothing.

        Raises:
            Unavailable: the database does not answer; the offset stays.
        """
        error, offset = min([await self._measure() for _ in range(SAMPLES)])
        if abs(offset - self._offset) <= error:
            return
        if abs(offset - self._offset) >= NOTEWORTHY:
            LOG.warning(
                "The clock of this computer is %.1f seconds %s the clock of the database. Times are corrected.",
                abs(offset.total_seconds()),
                "behind" if offset > timedelta(0) else "ahead of",
            )
        self._offset = offset

    async def _measure(self) -> tuple[timedelta, timedelta]:
        """Return the maximum error, and how far the database is ahead."""
        before = self._local()
        theirs = await self._database.read_clock()
        error = (self._local() - before) / 2
        return error, timedelta(0) if theirs is None else theirs - (before + error)
