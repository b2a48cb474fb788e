"""Note that something was erased: in the journal outside the database, and for the cleanup of files."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from commentsvc.service import Service
from commentsvc.storage.erasure_journal import Kind, find_journal

LOG: Final = logging.getLogger(__name__)


class ErasureSignal:
    """Wakes the cleanup, which removes erased words from the files of the database."""

    def __init__(self) -> None:
        self.event = asyncio.Event()


async def note_erasures(service: Service, kind: Kind, ids: Sequence[str]) -> None:
    """Add erased things to the journal, after the commit and before the response.

    A journal that cannot be written does not undo the erasure: it is logged, and the cleanup adds what is missing.
    """
    service.part(ErasureSignal).event.set()
    journal = find_journal(service.config)
    if journal is None or not ids:
        return
    try:
        await asyncio.shield(asyncio.to_thread(journal.append, kind, ids, service.now()))
    except OSError as error:
        LOG.error("cannot write the journal of erasures %s: %s", journal.path, error.strerror)  # noqa: TRY400 -- no bug
