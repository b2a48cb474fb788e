"""Move many threads to new addresses, after the links or the domain of a blog have changed.

A move names an address and a new one. If both end with ``*``, it moves every thread whose address begins like that, and
keeps the rest of each address. All threads of one call can be moved back together: the call has an id for that.
"""

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from commentsvc.domain import urls
from commentsvc.domain.errors import Conflict, Invalid
from commentsvc.domain.models import Principal, ReadableThread, Site
from commentsvc.moderation.schemas import ThreadChange
from commentsvc.moderation.threads import change_thread
from commentsvc.service import Service, private_read
from commentsvc.sites import resolve
from commentsvc.storage import thread_list, threads
from commentsvc.storage.database import PrivateRead

ANYTHING: Final = "*"
PAGE: Final = 500  # threads in one read


class Move(Struct, frozen=True):
    """An address or key of a thread, and the address that it gets."""

    source: str
    target: str
    line: int | None = None  # in the file that names it


class Outcome(StrEnum):
    """The outcome of a move."""

    MOVED = "moved"
    UNCHANGED = "unchanged"  # the thread has this address already
    UNKNOWN = "unknown"  # no thread has the old address
    TAKEN = "taken"  # another thread has the new address
    INVALID = "invalid"  # one of the two is no address, or belongs to another site


class MovedThread(Struct, frozen=True, kw_only=True):
    """The outcome of a move for one thread."""

    line: int | None
    source: str
    target: str
    outcome: Outcome
    problem: str | None = None


class ThreadMoves(Struct, kw_only=True):
    """Numbers of threads by outcome, and everything that was not moved. ``id`` undoes all of it."""

    id: str | None = None
    moved: int = 0
    unchanged: int = 0
    unknown: int = 0
    taken: int = 0
    invalid: int = 0
    threads: list[MovedThread] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Return whether every thread that was named has its new address."""
        return bool(self.moved + self.unchanged) and not self.unknown + self.taken + self.invalid

    def count(self, found: MovedThread) -> None:
        """Count the outcome for one thread."""
        setattr(self, found.outcome, getattr(self, found.outcome) + 1)
        self.threads.append(found)


async def move_threads(
    service: Service, who: Principal, moves: Sequence[Move], site_name: str | None = None, *, is_dry_run: bool = False
) -> ThreadMoves:
    """Give threads new addresses; the earlier ones keep working. A dry run changes nothing and returns the same.

    ``site_name`` is needed for paths and keys if there are several sites. Each thread is changed by itself, so that a
    fault in one line stops no other line, and an interrupted call can be repeated.

    Raises:
        Invalid: for the field ``site``.
    """
    directory = await resolve.read_directory(service)
    site = resolve.require_site(directory, who, site_name) if site_name else None
    done = ThreadMoves(id=None if is_dry_run else service.new_id())
    for move in moves:
        if move.source.endswith(ANYTHING) and move.target.endswith(ANYTHING):
            async for one in _expand(service, who, move, site or _site_of(directory, move)):
                done.count(await _move(service, who, one, site, done.id))
        else:
            done.count(await _move(service, who, move, site, done.id))
    return done


def _site_of(directory: resolve.SiteDirectory, move: Move) -> Site:
    start = move.source.removesuffix(ANYTHING)
    return resolve.resolve_thread(directory, start if urls.is_address(start) else "/", None, None).site


async def _expand(service: Service, who: Principal, move: Move, site: Site) -> AsyncIterator[Move]:
    """Yield a move for each thread whose address begins as the source does."""
    start, target = move.source.removesuffix(ANYTHING), move.target.removesuffix(ANYTHING)
    before, found = None, 0
    while True:
        page = await read_page(service, who, site, before)
        for thread in page:
            address = _address_of(thread, start)
            if address.startswith(start):
                found += 1
                yield Move(thread.key, target + address.removeprefix(start), move.line)
        if len(page) < PAGE:
            break
        before = page[-1].id
    if not found:
        yield move


def _address_of(thread: ReadableThread, start: str) -> str:
    """Return a thread's path or key, or its whole address if the start is an address."""
    if not urls.is_address(start):
        return thread.key
    return thread.url or urls.origin_of(start) + thread.key


@private_read
async def read_page(unit: PrivateRead, who: Principal, site: Site, before: str | None) -> list[ReadableThread]:
    """Return up to ``PAGE`` threads of a site, newest first, before the one with the id ``before``."""
    rows = await thread_list.list_page(unit, (site.id,) if who.reaches(site.id) else (), before, PAGE)
    found = await threads.get_readable(unit, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows]


async def _move(service: Service, who: Principal, move: Move, site: Site | None, move_id: str | None) -> MovedThread:
    try:
        thread = await _find(service, who, move.source, site)
        outcome, problem = Outcome.UNKNOWN, None
        if thread is not None:
            outcome, target = await _preview(service, thread, move.target)
            if outcome is Outcome.MOVED and move_id:
                await change_thread(service, who, thread.id, ThreadChange(thread=target), part_of=move_id)
    except Invalid as error:
        taken = any(fault.code == "name_taken" for fault in error.faults)
        outcome, problem = Outcome.TAKEN if taken else Outcome.INVALID, str(error)
    except Conflict as error:
        outcome, problem = Outcome.TAKEN, str(error)
    return MovedThread(line=move.line, source=move.source, target=move.target, outcome=outcome, problem=problem)


@private_read
async def _find(unit: PrivateRead, who: Principal, name: str, site: Site | None) -> ReadableThread | None:
    directory = await resolve.read_directory.within(unit)
    place = resolve.resolve_thread(directory, name, site.name if site else None, None)
    thread = await threads.get_by_name(unit, place.site.id, place.ref.name)
    return thread if thread and not thread.merged_into and thread.key and who.reaches(thread.site_id) else None


@private_read
async def _preview(unit: PrivateRead, thread: ReadableThread, target: str) -> tuple[Outcome, str]:
    """Return what a move would do, and the new address: a path gets the host of the earlier address.

    Raises:
        Invalid: for the field ``thread``: the new address is not valid, or on another site.
    """
    directory = await resolve.read_directory.within(unit)
    if target.startswith("/") and thread.url:
        origin = urls.origin_of(thread.url)
        owner = directory.by_origin(origin)
        target = origin + target if owner and owner.id == thread.site_id else target
    place = resolve.resolve_thread(directory, target, directory.by_id(thread.site_id).name, None)
    other = await threads.get_by_name(unit, thread.site_id, place.ref.name)
    if other is not None and other.id != thread.id:
        return Outcome.TAKEN, target
    is_same = place.ref.name == thread.key and place.ref.url in {None, thread.url}
    return (Outcome.UNCHANGED if is_same else Outcome.MOVED), target
