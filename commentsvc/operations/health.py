"""Health checks."""

import asyncio
import logging
import math
import secrets
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service, private_read, write
from commentsvc.storage import installation, schema
from commentsvc.storage.database import PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
STUCK_SECONDS: Final = 5  # as long as SQLite waits for the lock of another process
ANSWER_SECONDS: Final = 2  # before the caller, such as a load balancer, gives up
PROBE_SECONDS: Final = 30  # a newer commit proves enough
RETRY_SECONDS: Final = 1  # between probes while writes fail
PROBE_CHARACTERS: Final = 64 * 1024  # the longest comment: a shorter text may fit where a comment does not
MEBIBYTE: Final = 1024 * 1024


class Readiness:
    """The state that the checks of one service share: the check that runs, the last probe, the last problem."""

    def __init__(self) -> None:
        self.running: asyncio.Task[None] | None = None
        self.probed_at = -math.inf
        self.problem: str | None = None


async def check_ready(service: Service) -> None:
    """Check that a comment could be stored now. This costs no write if one was stored in the last 30 seconds.

    Raises:
        Unavailable: it could not; the text says why.
    """
    readiness = service.part(Readiness)
    try:
        await _check_in_time(service, readiness)
    except Unavailable as error:
        if readiness.problem != error.detail:
            LOG.warning("not ready: %s", error.detail, exc_info=error.__cause__)
        readiness.problem = error.detail
        raise Unavailable(error.detail) from None  # logged once, not at every check
    if readiness.problem:
        LOG.info("ready again")
    readiness.problem = None


async def _check_in_time(service: Service, readiness: Readiness) -> None:
    writes = service.db.writes
    if min(writes.longest_wait(), writes.seconds_since_stored()) >= STUCK_SECONDS:
        raise Unavailable("Writes have been waiting for the database for too long.")
    if readiness.running is None or readiness.running.done():  # checks at the same time share one
        readiness.running = asyncio.create_task(_check(service, readiness), name="readiness")
        readiness.running.add_done_callback(_mark_read)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await asyncio.shield(readiness.running)
    except TimeoutError:
        raise Unavailable("The database does not answer in time.") from None


def _mark_read(check: asyncio.Task[None]) -> None:
    # If every caller has gone, asyncio would log the exception as lost.
    if not check.cancelled():
        check.exception()


async def _check(service: Service, readiness: Readiness) -> None:
    try:
        await service.db.check_storage(service.config.min_free_mb * MEBIBYTE)
        await _require_current_schema(service)
        await _probe_if_needed(service, readiness)
    except Unavailable as error:
        cause = error.__cause__
        raise (Unavailable("The database is unavailable.") if cause else error) from cause
    except Exception as error:
        raise Unavailable("The database cannot be read or written.") from error


@private_read
async def _require_current_schema(unit: PrivateRead) -> None:
    if not await schema.is_current(unit):
        raise Unavailable("The database schema is not the one of this version. Run: commentsvc migrate")


async def _probe_if_needed(service: Service, readiness: Readiness) -> None:
    """Store a change if no newer one proves that it is possible. While writes fail, store as much as a comment."""
    writes = service.db.writes
    if not writes.failed and writes.seconds_since_stored() <= PROBE_SECONDS:
        return
    if writes.failed and writes.clock() - readiness.probed_at < RETRY_SECONDS:
        raise Unavailable("The last write to the database failed.")
    readiness.probed_at = writes.clock()
    await _store_probe(service, secrets.token_hex(PROBE_CHARACTERS // 2) if writes.failed else "")


@write
async def _store_probe(unit: Write, filler: str) -> None:
    await installation.write_probe(unit, filler, unit.now())
