"""Wait for a database that is away when the service starts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from commentsvc.domain.errors import ConfigurationError, DatabaseAway, Unavailable
from commentsvc.storage.sqlite_faults import describe_damage

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
FIRST_PAUSE: Final = 0.1  # in seconds; each pause is twice as long as the one before
LONGEST_PAUSE: Final = 2.0


async def wait_for_database(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return the result of the first attempt that finds the database. Later ones follow for this many seconds.

    Raises:
        DatabaseAway: no attempt found it.
        ConfigurationError: the database file is damaged.
        Unavailable: the database answers, but a server or command that runs on it is in the way.
    """
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + seconds, FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except (DatabaseAway, Unavailable) as error:
            if isinstance(error, Unavailable) and error.__cause__ is None:
                raise  # our own refusal, such as of a migration while another server runs
            if damage := describe_damage(error.__cause__):
                raise ConfigurationError(
                    f"COMMENTSVC_DATABASE_URL: the database is damaged ({damage}). Restore it from a backup."
                ) from None
            left = end - loop.time()
            if left <= 0:
                raise _explain(error) from None
            if pause == FIRST_PAUSE:
                LOG.warning("waiting for the database, up to %s seconds. %s", seconds, _explain(error))
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)


def _explain(error: DatabaseAway | Unavailable) -> DatabaseAway:
    if isinstance(error, DatabaseAway):
        return error
    reason = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
    return DatabaseAway(
        f"The database cannot be written now{reason}. End other programs that lock it, or free disk space."
    )
