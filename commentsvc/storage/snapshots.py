"""Limit how many snapshots a process reads at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.storage.patience import ANSWER_SECONDS

SNAPSHOTS: Final = 2
SNAPSHOTS_BUSY: Final = "Two exports are running. Try again when one of them is done."


class SnapshotLimit:
    """Lets so many snapshots be read at once. Others wait for some seconds: a small export is done by then."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(SNAPSHOTS)

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Take a place.

        Raises:
            Unavailable: none has become free.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(SNAPSHOTS_BUSY) from None
        try:
            yield
        finally:
            self._free.release()
