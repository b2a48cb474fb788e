"""Erase what the settings say is kept for too long. The maintenance calls this every hour."""

from collections.abc import Mapping, Sequence
from typing import Final

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.audit.undoable_changes import UNDO_DAYS
from commentsvc.domain.models import Actor, ActorKind, Decision, Status
from commentsvc.domain.reasons import Reason
from commentsvc.privacy.erase import COMMENTS, erase_comments
from commentsvc.service import Service, private_read, write
from commentsvc.spam.kept_features import pack_comments
from commentsvc.spam.memory import forget_comments, keep_memory
from commentsvc.storage import contacts, memory, retention, threads
from commentsvc.storage.database import Environment, PrivateRead, Write

RETENTION: Final = Actor(ActorKind.SYSTEM, None, "retention")
PIECE: Final = 100  # rows in one unit of work, so that other writers wait less


async def delete_old_data(service: Service) -> None:
    """Erase old spam and trash, old email addresses, and what is remembered of comments that are long erased."""
    for status, days in ((Status.SPAM, service.config.spam_days), (Status.TRASH, service.config.trash_days)):
        if days:
            await erase_old_comments(service, status, days)
    if service.config.contact_days:
        await _erase_old_emails(service)
    while await _forget_outdated(service) == PIECE:
        pass


async def erase_old_comments(
    service: Service, status: Status, days: int, sites: Sequence[str] | None = None, actor: Actor = RETENTION
) -> int:
    """Erase comments with a status that was decided so many days ago, in pieces; return how many.

    If a person decided, the days in which this can be undone are over too. No ``sites``: those of every site.
    """
    after, number = "", 0
    while ids := await _list_old(service, status, days, after, sites):
        erased = await _erase_piece(service, ids, status, days, actor, await pack_comments(service, ids))
        await note_erasures(service, "comment", erased)
        after, number = ids[-1], number + len(erased)
    return number


async def count_old_comments(service: Service, status: Status, days: int, sites: Sequence[str] | None = None) -> int:
    """Return how many comments ``erase_old_comments`` would erase."""
    after, number = "", 0
    while ids := await _list_old(service, status, days, after, sites):
        after, number = ids[-1], number + len(ids)
    return number


def _times(env: Environment, days: int) -> dict[str, str]:
    return {"before": env.ago(days=days), "undoable": env.ago(days=UNDO_DAYS)}


@private_read
async def _list_old(unit: PrivateRead, status: Status, days: int, after: str, sites: Sequence[str] | None) -> list[str]:
    return await retention.list_old(unit, status, **_times(unit, days), after=after, limit=COMMENTS, sites=sites)


@write
async def _erase_piece(
    unit: Write, ids: Sequence[str], status: Status, days: int, actor: Actor, features: Mapping[str, str]
) -> list[str]:
    await threads.lock_of_comments(unit, ids)
    old = await retention.keep_old(unit, ids, status, **_times(unit, days))
    await keep_memory(unit, old, features)
    await erase_comments(unit, old, Decision(Status.TRASH, actor, Reason("erased")), is_kept=True)
    return old


async def _erase_old_emails(service: Service) -> None:
    number = erased = await _erase_some_emails(service)
    while erased == PIECE:
        erased = await _erase_some_emails(service)
        number += erased
    if number:
        await _log_emails(service, number)


@write
async def _erase_some_emails(unit: Write) -> int:
    return await contacts.erase_some_emails(unit, unit.ago(days=unit.config.contact_days), PIECE)


@write
async def _log_emails(unit: Write, number: int) -> None:
    await log.add_entry(unit, actor=RETENTION, verb="contacts_erase", site_id=None, body={"comments": number})


@write
async def _forget_outdated(unit: Write) -> int:
    outdated = await memory.list_outdated(unit, unit.ago(days=unit.config.memory_days), PIECE)
    await forget_comments(unit, outdated)
    return len(outdated)
