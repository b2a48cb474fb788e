"""Regular maintenance: continue interrupted actions, delete what has expired."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from commentsvc.access import rate_limit
from commentsvc.access.moderators import SIGN_IN_LINK_HOURS
from commentsvc.access.sessions import IDLE_HOURS, MAX_AGE_DAYS
from commentsvc.archives import jobs
from commentsvc.audit import log, undoable_changes
from commentsvc.audit.erasures import ErasureSignal
from commentsvc.config.settings import OLDEST_SECONDS
from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import PARCEL_DAYS
from commentsvc.moderation import bulk
from commentsvc.operations import backup, clock_trust, erasures, imports, training_rounds
from commentsvc.privacy import retention
from commentsvc.service import Service, private_read, write
from commentsvc.spam import fill
from commentsvc.storage import (
    actions,
    addresses,
    api_keys,
    confirmations,
    contacts,
    decision_links,
    deliveries,
    events,
    moderators,
    parcels,
    rate_limits,
    reports,
    rules,
    search_cleanup,
    sessions,
    submissions,
    subscriptions,
    used_tokens,
    webhooks,
)
from commentsvc.storage.clock import DatabaseClock
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.subscriptions.requests import CONFIRM_DAYS

LOG: Final = logging.getLogger(__name__)
ROUND_SECONDS: Final = 60
MAX_GRACE_DAYS: Final = 30  # of a rotated key
BATCH_SIZE: Final = 100  # comments in one unit, so that other writers wait less
ROWS_AT_ONCE: Final = 500  # of short rows
LATEST_DUE_DAYS: Final = 8  # nothing is planned further ahead
UNCONFIRMED_DAYS: Final = CONFIRM_DAYS + 1  # longer than the link in the mail works
ROUNDS_PER_CLEANUP: Final = 60
LEAST_PAUSE: Final = 1  # seconds between two cleanups of the files
PAUSE_PER_SECOND: Final = 20  # of such a cleanup: erasing often must not keep the disk busy
MOST_PAUSE: Final = ROUND_SECONDS  # so that what was erased is gone within minutes, however slow the disk is
MOST_REWRITTEN: Final = 32 * 1024 * 1024  # bytes: half a second, and as much memory
INTERRUPTED_SECONDS: Final = 60  # an action that is not done by then has lost the request that was working on it

# Deletes up to this many rows from before a time; returns how many.
DeletePiece: TypeAlias = Callable[[Write, str, int], Coroutine[Any, Any, int]]


async def run_forever(service: Service, *, is_leading: bool = True, is_alone: bool = True) -> None:
    """Adjust the clock and continue interrupted actions every minute; delete expired data every hour.

    With several workers, only the leading one does more than adjust its clock. If it is not alone, another worker may
    be working on an action that was started before it.
    """
    async with asyncio.TaskGroup() as group:
        if is_leading:
            group.create_task(_clean_files_forever(service), name="cleanup of files")
            group.create_task(backup.back_up_daily(service), name="daily backup")
            group.create_task(imports.run_forever(service), name="imports")
            group.create_task(training_rounds.run_forever(service), name="learned filters")
            group.create_task(fill.fill_forever(service), name="memory of decisions")
        await _work_forever(service, is_leading=is_leading, is_alone=is_alone)


async def _clean_files_forever(service: Service) -> None:
    """Remove erased words from the files at once; those that another process erased, within a minute."""
    event = service.part(ErasureSignal).event
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUND_SECONDS):
                await event.wait()
        event.clear()
        started = time.monotonic()
        await _attempt("removing erased words from the files", finish_erasing(service))
        pause = PAUSE_PER_SECOND * (time.monotonic() - started)
        await asyncio.sleep(min(max(LEAST_PAUSE, pause), MOST_PAUSE))


async def _work_forever(service: Service, *, is_leading: bool, is_alone: bool) -> None:
    started_before, number = service.now() if is_alone else service.ago(seconds=INTERRUPTED_SECONDS), 0
    while True:
        await _attempt("reading the clock of the database", adjust_clock(service))
        if is_leading:
            await _attempt("continuing interrupted actions", bulk.resume(service, started_before))
            if number % ROUNDS_PER_CLEANUP == 0:
                await _attempt("cleanup", _clean_up(service))
                await _attempt("completing the journal of erasures", erasures.complete_journal(service))
                if number:  # before the first hour is over, what waited for the start may still wait
                    await _attempt("looking at what is sent", report_overdue(service))
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


async def report_overdue(service: Service) -> None:
    """Log that mails or requests to webhooks are not sent in time: perhaps no worker runs."""
    if due_at := await outbox.find_overdue(service):
        LOG.warning(
            "mails or requests to webhooks have waited since %s. With COMMENTSVC_DELIVERY=off, `commentsvc work` must "
            "run; otherwise the log or `commentsvc delivery list` has the reason.",
            due_at,
        )


async def _clean_up(service: Service) -> None:
    if await clock_trust.may_delete(service):
        await delete_expired(service)
    # Where logs are stored elsewhere, this line proves later what the audit log contained.
    LOG.info("audit log: %s entries, head %s", *await log.read_head(service))


async def delete_expired(service: Service) -> None:
    """Delete expired networks, old comments and addresses, reports, undo states, sessions, tokens and rate limits."""
    for task, delete in EXPIRING.items():
        await _attempt(f"deleting {task}", delete(service))


async def _delete_networks(service: Service) -> None:
    expired = await _list_expired_networks(service)
    for start in range(0, len(expired), BATCH_SIZE):
        await _erase_networks(service, expired[start : start + BATCH_SIZE])


@private_read
async def _list_expired_networks(unit: PrivateRead) -> list[str]:
    return await contacts.list_expired_networks(unit, unit.ago(days=unit.config.network_days))


@write
async def _erase_networks(unit: Write, comment_ids: Sequence[str]) -> None:
    await contacts.erase_networks(unit, comment_ids)


async def delete_mail_rows(service: Service) -> None:
    """Delete what mail leaves behind, in pieces: expired parcels, events and confirmations, and unused addresses.

    Subscriptions from a time when the clock was ahead are told about comments again.
    """
    ahead = await _list_subscriptions_ahead(service)
    for start in range(0, len(ahead), BATCH_SIZE):
        await _bring_back_subscriptions(service, ahead[start : start + BATCH_SIZE])
    asked_before, before = service.ago(days=UNCONFIRMED_DAYS), service.ago(days=PARCEL_DAYS)
    await _delete_in_pieces(service, parcels.delete_expired, before)
    await _delete_in_pieces(service, events.delete_expired, before)
    # In this order: a subscription is kept for its confirmation, an address for both.
    await _delete_in_pieces(service, confirmations.delete_expired, asked_before)
    await _delete_in_pieces(service, subscriptions.delete_unconfirmed, asked_before)
    await _delete_in_pieces(service, addresses.delete_unused, asked_before)


@private_read
async def _list_subscriptions_ahead(unit: PrivateRead) -> list[str]:
    return await subscriptions.list_ahead(unit, unit.ahead(days=1))


@write
async def _bring_back_subscriptions(unit: Write, subscription_ids: Sequence[str]) -> None:
    await subscriptions.bring_back(unit, subscription_ids, unit.ahead(days=1), unit.now())


async def _delete_in_pieces(service: Service, delete: DeletePiece, before: str) -> None:
    while await _delete_piece(service, delete, before) == ROWS_AT_ONCE:
        pass


@write
async def _delete_piece(unit: Write, delete: DeletePiece, before: str) -> int:
    return await delete(unit, before, ROWS_AT_ONCE)


async def finish_erasing(service: Service) -> None:
    """Remove the words of erased comments from the search index, in steps that let other writers in, and from the log.

    PostgreSQL removes them with VACUUM.
    """
    erased = await _count_unmerged(service)
    if erased is None:
        return
    begin = True
    while await _merge_index(service, begin=begin):
        begin = False
    await _note_merged(service, erased)
    service.db.empty_log()


async def rewrite_file(service: Service) -> None:
    """Rewrite a small SQLite database if something was erased since the last time: copies may be in its free space.

    Call it before anybody else uses the database.
    """
    path = service.config.sqlite_path
    erased = await _count_unrewritten(service)
    if path is None or erased is None or path.stat().st_size > MOST_REWRITTEN:
        return
    await finish_erasing(service)
    if await service.db.rewrite():
        await _note_rewritten(service, erased)


@private_read
async def _count_unrewritten(unit: PrivateRead) -> int | None:
    return await search_cleanup.count_unrewritten(unit)


@write
async def _note_rewritten(unit: Write, erased: int) -> None:
    await search_cleanup.note_rewritten(unit, erased)


@private_read
async def _count_unmerged(unit: PrivateRead) -> int | None:
    return await search_cleanup.count_unmerged(unit)


@write
async def _merge_index(unit: Write, *, begin: bool) -> bool:
    return await search_cleanup.merge_index(unit, begin=begin)


@write
async def _note_merged(unit: Write, erased: int) -> None:
    await search_cleanup.note_merged(unit, erased)


@write
async def _delete_rows(unit: Write) -> None:
    await reports.delete_expired(unit, unit.ago(days=unit.config.network_days))
    await rules.delete_removed(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    await actions.clear_states(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    begun, seen = unit.ago(days=MAX_AGE_DAYS), unit.ago(hours=IDLE_HOURS)
    await sessions.delete_expired(unit, begun_before=begun, seen_before=seen)
    # The clock was ahead when these were made. They must not wait, or be valid, until it is there again.
    await deliveries.bring_back(unit, unit.ahead(days=LATEST_DUE_DAYS), unit.now())
    await sessions.bring_back(unit, unit.ahead(days=1), unit.now())
    await api_keys.bring_back_rotated(unit, unit.ahead(days=MAX_GRACE_DAYS + 1), unit.ahead(days=1))
    await moderators.bring_back_invitations(
        unit, unit.ahead(hours=2 * SIGN_IN_LINK_HOURS), unit.ahead(hours=SIGN_IN_LINK_HOURS)
    )
    await moderators.delete_expired_invitations(unit, unit.ago(days=1))
    await webhooks.bring_back(unit, unit.ahead(days=1), unit.now(), unit.ahead(hours=webhooks.OLD_SECRET_HOURS + 1))
    await decision_links.bring_back(unit, unit.ahead(days=decision_links.LINK_DAYS + 1))
    await decision_links.delete_expired(unit, unit.now())
    await used_tokens.delete_expired(unit, unit.ago(seconds=OLDEST_SECONDS))
    # In the order in which posting a comment locks these rows, to avoid deadlocks.
    await submissions.delete_expired(unit, unit.ago(days=7))
    await rate_limits.delete_expired(unit, rate_limit.present(unit))


# What expires, with what deletes it. A failure stops no other.
EXPIRING: Final[Mapping[str, Callable[[Service], Coroutine[Any, Any, None]]]] = {
    "networks": _delete_networks,
    "old comments and addresses": retention.delete_old_data,
    "expired rows": _delete_rows,
    "expired rows of mail": delete_mail_rows,
    "imports": jobs.remove_expired,
}
