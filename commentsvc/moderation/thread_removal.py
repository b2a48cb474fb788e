"""Delete threads permanently, with everything in them: one thread, or the pending threads of a flood.

A piece is a unit of work of about 100 comments, so that others can write in between. Threads go as a whole, except one
with more comments: it is closed and hidden first. To continue after an interruption, delete the thread again. With a
journal of erasures the next start continues by itself.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.audit import log
from commentsvc.audit.erasures import note_erasures
from commentsvc.domain.errors import ExpectationFailed, FieldError, Invalid, NotFound
from commentsvc.domain.messages import translatable_plural
from commentsvc.domain.models import Actor, Principal
from commentsvc.domain.validation import parse_time_field
from commentsvc.moderation.schemas import RemovedThreads, ThreadRemoval, ThreadsRemoval, UnpublishedThreads
from commentsvc.moderation.wording import describe_mismatch
from commentsvc.service import Service, private_read, search_read, write
from commentsvc.sites import resolve
from commentsvc.storage import thread_merge, thread_removal, threads
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.thread_removal import Unpublished

PIECE: Final = 100  # comments in one unit of work, so that other writers wait less
MAX_THREADS: Final = 5000


async def remove_thread(service: Service, who: Principal, thread_id: str, removal: ThreadRemoval) -> RemovedThreads:
    """Delete a thread permanently, with its comments, names, and the threads merged into it.

    Raises:
        NotFound: no thread has this id, or it is on another site.
        ExpectationFailed: it has another number of comments than ``removal.expect``.
    """
    ids, number = await _load_reachable(service, who, [thread_id])
    if not ids:
        raise NotFound
    if number != (removal.expect or 0):
        raise ExpectationFailed(
            translatable_plural(
                "Deleting this thread permanently erases %(num)s comment. Check it, then send the number as expect.",
                "Deleting this thread permanently erases %(num)s comments. Check them, then send the number as expect.",
                number,
            )
        )
    return await remove_all(service, who.actor, ids)


async def remove_threads(service: Service, who: Principal, removal: ThreadsRemoval) -> RemovedThreads:
    """Delete threads permanently, with everything in them. Unknown ids are ignored.

    If more than ``MAX_THREADS`` match, as expected, the oldest are deleted. A thread that matched ``where`` is kept if
    somebody approves a comment before its piece is reached.

    Raises:
        Invalid: neither or both of ``ids`` and ``where`` are given, or a condition is missing or not valid.
        ExpectationFailed: another number of threads matches.
    """
    ids = await match_threads(service, who, removal)
    if len(ids) != removal.expect:
        raise ExpectationFailed(describe_mismatch(len(ids), MAX_THREADS, removal.expect))
    ids = ids[:MAX_THREADS]
    total = RemovedThreads(0, 0)
    for start in range(0, len(ids), PIECE):
        piece = ids[start : start + PIECE]
        found, _ = await _load_reachable(service, who, piece, unpublished_only=removal.where is not None)
        removed = await remove_all(service, who.actor, found)
        total = RemovedThreads(total.threads + removed.threads, total.comments + removed.comments)
    return total


async def match_threads(service: Service, who: Principal, removal: ThreadsRemoval) -> list[str]:
    """Return the ids of the threads that would be deleted, up to ``MAX_THREADS`` + 1."""
    if (removal.ids is None) == (removal.where is None):
        raise Invalid(FieldError("ids", "required", "Send either ids, or where."))
    if removal.where is None:
        return list(dict.fromkeys(removal.ids or []))
    if removal.where == UnpublishedThreads(site=removal.where.site):
        raise Invalid(FieldError("where", "required", "Send at least one condition besides site."))
    return await _list_unpublished(service, who, removal.where)


@private_read
async def list_examples(unit: PrivateRead, who: Principal, ids: Sequence[str], number: int) -> list[str]:
    """Return the ids of the first comments of some of these threads: of one thread, its first comments."""
    found = [one.id for one in (await threads.get_many(unit, ids[:number])).values() if who.reaches(one.site_id)]
    return await thread_removal.list_first_comments(unit, sorted(found), number if len(ids) == 1 else 1)


@search_read
async def _list_unpublished(unit: PrivateRead, who: Principal, where: UnpublishedThreads) -> list[str]:
    sites = resolve.reachable_sites(await resolve.read_directory.within(unit), who, where.site)
    conditions = Unpublished(
        sites=None if sites is None else tuple(sites),
        since=parse_time_field("since", where.since),
        until=parse_time_field("until", where.until),
        network=where.network,
        q=where.q,
    )
    return await thread_removal.list_unpublished(unit, conditions, MAX_THREADS + 1)


async def count_comments(service: Service, who: Principal, thread_id: str) -> int:
    """Return the number of comments that go with a thread, without erased ones."""
    _, number = await _load_reachable(service, who, [thread_id])
    return number


@private_read
async def _load_reachable(
    unit: PrivateRead, who: Principal, ids: Sequence[str], *, unpublished_only: bool = False
) -> tuple[list[str], int]:
    """Return those of these threads that this principal reaches, with those merged into them; and their comments."""
    found = [one for one in (await threads.get_many(unit, ids)).values() if who.reaches(one.site_id)]
    own = [one.id for one in found if not (unpublished_only and one.published_at)]
    together = await thread_merge.list_merged(unit, own)
    return together, sum((await thread_removal.count_comments(unit, together, erased=False)).values())


async def remove_all(service: Service, actor: Actor, ids: Sequence[str]) -> RemovedThreads:
    """Delete these threads with everything in them, piece by piece."""
    left, comments = list(ids), 0
    # First, so that the next start continues a removal that was interrupted.
    await note_erasures(service, "thread", ids)
    while left:
        done, number = await _remove_piece(service, actor, left[:PIECE])
        left, comments = [one for one in left if one not in done], comments + number
    return RemovedThreads(len(ids), comments)


@write
async def _remove_piece(unit: Write, actor: Actor, ids: Sequence[str]) -> tuple[set[str], int]:
    """Delete some of these threads, or some comments of the first one; return what is done, and how many comments."""
    await threads.lock_many(unit, ids)
    counts = await thread_removal.count_comments(unit, ids, erased=True)
    chosen, number = list[str](), 0
    for one in ids:
        if number + counts.get(one, 0) <= PIECE:
            chosen.append(one)
            number += counts.get(one, 0)
    if not chosen:
        await thread_removal.hide(unit, ids[:1], unit.now())
    last = await thread_removal.list_last_comments(unit, chosen or ids[:1], PIECE)
    if last:
        await thread_removal.delete_comments(unit, last)
    if chosen:
        await _delete_threads(unit, actor, chosen, len(last))
    return set(chosen), len(last)


async def _delete_threads(unit: Write, actor: Actor, ids: Sequence[str], comments: int) -> None:
    found = await threads.get_many(unit, ids)
    await thread_removal.delete_threads(unit, ids)
    for site_id in sorted({one.site_id for one in found.values()}):
        of_site = sorted(one.id for one in found.values() if one.site_id == site_id)
        body = {"threads": of_site, "comments": comments}
        await log.add_entry(unit, actor=actor, verb="thread_remove", site_id=site_id, body=body)
