"""Apply the journal of erasures: erase again what a restored backup brought back, and add what the journal lacks."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.comments.erase import erase_comment
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.models import Actor, ActorKind, Decision, Status
from commentsvc.domain.reasons import Reason
from commentsvc.moderation import thread_removal
from commentsvc.service import Service, private_read, search_read, write
from commentsvc.storage import comments, erasures, person_data, search, threads
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.erasure_journal import KINDS, ErasureJournal, Kind, find_journal

LOG: Final = logging.getLogger(__name__)
RESTORE: Final = Actor(ActorKind.SYSTEM, None, "restore")
PIECE: Final = 100  # ids in one unit of work


class Reapplied(msgspec.Struct, frozen=True):
    """The numbers of comments, threads and addresses (also of bans) that a restored backup had brought back."""

    comments: int
    threads: int
    addresses: int = 0


async def apply_journal(service: Service, journal: ErasureJournal | None = None) -> Reapplied:
    """Erase everything again that the journal lists and the database has.

    Sites are not removed again, but what they contain is erased.

    Raises:
        ConfigurationError: the journal cannot be read.
    """
    journal = journal or find_journal(service.config)
    if journal is None:
        return Reapplied(0, 0)
    try:
        listed = await asyncio.to_thread(journal.read)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read the journal of erasures {journal.path}: {error.strerror}. "
            "Correct its permissions, or set COMMENTSVC_ERASURE_JOURNAL."
        ) from None
    again = await _remove_threads(service, listed["site"], listed["thread"])
    ids = listed["comment"]
    number = 0
    for start in range(0, len(ids), PIECE):
        found = await _list_present(service, ids[start : start + PIECE])
        number += await _erase_again(service, found) if found else 0
    addresses = await _forget_addresses(service, listed["address"], listed["ban"])
    done = Reapplied(again.comments + number, again.threads, addresses)
    if done != Reapplied(0, 0):
        LOG.warning(
            "erased again after a restore: %s comments, %s threads, %s addresses",
            done.comments,
            done.threads,
            done.addresses,
        )
    return done


async def _forget_addresses(service: Service, addresses: Sequence[str], bans: Sequence[str]) -> int:
    number = 0
    for start in range(0, max(len(addresses), len(bans)), PIECE):
        piece = slice(start, start + PIECE)
        found = await _list_addresses(service, addresses[piece], bans[piece])
        if any(found):
            await _erase_addresses_again(service, *found)
        number += len(found[0]) + len(found[1])
    return number


@private_read
async def _list_addresses(
    unit: PrivateRead, addresses: Sequence[str], bans: Sequence[str]
) -> tuple[list[str], list[str]]:
    return await erasures.list_addresses(unit, addresses), await erasures.list_bans(unit, bans)


@write
async def _erase_addresses_again(unit: Write, addresses: list[str], bans: list[str]) -> None:
    await person_data.delete_addresses(unit, addresses)
    await person_data.forget_banned(unit, bans)
    await search.note_erasure(unit)
    body = {"comments": 0, "addresses": addresses, "bans": bans}
    await log.add_entry(unit, actor=RESTORE, verb="person_erase", site_id=None, body=body)


async def _remove_threads(service: Service, sites: Sequence[str], ids: Sequence[str]) -> Reapplied:
    total = Reapplied(0, 0)
    for start in range(0, max(len(ids), len(sites)), PIECE):
        found = await _list_threads(service, sites[start : start + PIECE], ids[start : start + PIECE])
        removed = await thread_removal.remove_all(service, RESTORE, found) if found else None
        if removed:
            total = Reapplied(total.comments + removed.comments, total.threads + removed.threads)
    return total


@private_read
async def _list_threads(unit: PrivateRead, sites: Sequence[str], ids: Sequence[str]) -> list[str]:
    return await erasures.list_threads(unit, sites, ids)


@private_read
async def _list_present(unit: PrivateRead, ids: Sequence[str]) -> list[str]:
    return await erasures.list_present(unit, ids)


@write
async def _erase_again(unit: Write, ids: Sequence[str]) -> int:
    await threads.lock_of_comments(unit, ids)
    found = [one for one in (await comments.get_many(unit, ids)).values() if not one.erased_at]
    for comment in found:
        await erase_comment(unit, comment, Decision(Status.TRASH, RESTORE, Reason("erased")), verb="erase_again")
    await person_data.delete_of_comments(unit, ids)
    return len(found)


async def complete_journal(service: Service) -> None:
    """Add erasures that the journal lacks: the server stopped between commit and journal, or its disk was full."""
    journal = find_journal(service.config)
    if journal is None:
        return
    listed = await asyncio.to_thread(journal.read)
    stored = await _list_erased(service)
    for kind in KINDS:
        known = set(listed[kind])
        await note_erasures(service, kind, [one for one in stored[kind] if one not in known])


@search_read
async def _list_erased(unit: PrivateRead) -> dict[Kind, list[str]]:
    return await erasures.list_erased(unit)
