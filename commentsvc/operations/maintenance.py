"""Regular maintenance: continue interrupted actions, delete what has expired."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from commentsvc.access.sessions import IDLE_HOURS, MAX_AGE_DAYS
from commentsvc.audit import log, undoable_changes
from commentsvc.config.settings import OLDEST_SECONDS
from commentsvc.moderation import bulk
from commentsvc.service import Service, write
from commentsvc.storage import (
    actions,
    contacts,
    duplicates,
    rate_limits,
    reports,
    rules,
    sessions,
    submissions,
    used_tokens,
)
from commentsvc.storage.clock import DatabaseClock
from commentsvc.storage.database import Write

LOG: Final = logging.getLogger(__name__)
ROUND_SECONDS: Final = 60
ROUNDS_PER_CLEANUP: Final = 60
INTERRUPTED_SECONDS: Final = 60  # an action that is not done by then has lost the request that was working on it


async def run_forever(service: Service) -> None:
    """Adjust the clock and continue interrupted actions every minute; delete expired data every hour."""
    started_before, number = service.now(), 0
    while True:
        await _attempt("reading the clock of the database", adjust_clock(service))
        await _attempt("continuing interrupted actions", bulk.resume(service, started_before))
        if number % ROUNDS_PER_CLEANUP == 0:
            await _attempt("cleanup", _clean_up(service))
        await asyncio.sleep(ROUND_SECONDS)
        started_before, number = service.ago(seconds=INTERRUPTED_SECONDS), number + 1


async def adjust_clock(service: Service) -> None:
    """Correct the service's clock after the clock of its database."""
    if isinstance(service.clock, DatabaseClock):
        await service.clock.adjust()


async def _attempt(task: str, work: Coroutine[Any, Any, Any]) -> None:
    """Run one task. Its failure is logged and does not stop the others."""
    try:
        await work
    except Exception:
        LOG.exception("maintenance failed: %s; next attempt later", task)


async def _clean_up(service: Service) -> None:
    await delete_expired(service)
    # Where logs are stored elsewhere, this line proves later what the audit log contained.
    LOG.info("audit log: %s entries, head %s", *await log.read_head(service))


@write
async def delete_expired(unit: Write) -> None:
    """Delete expired networks, reports, undo states, sessions, tokens, submissions, rate limits and text digests."""
    await contacts.erase_networks(unit, unit.ago(days=unit.config.network_days))
    await reports.delete_expired(unit, unit.ago(days=unit.config.network_days))
    await rules.delete_removed(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    await actions.clear_states(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    begun, seen = unit.ago(days=MAX_AGE_DAYS), unit.ago(hours=IDLE_HOURS)
    await sessions.delete_expired(unit, begun_before=begun, seen_before=seen)
    await used_tokens.delete_expired(unit, unit.ago(seconds=OLDEST_SECONDS))
    # In the order in which posting a comment locks these rows, to avoid deadlocks.
    await submissions.delete_expired(unit, unit.ago(days=7))
    await rate_limits.delete_expired(unit, unit.now())
    await duplicates.delete_expired(unit, unit.ago(hours=24))
