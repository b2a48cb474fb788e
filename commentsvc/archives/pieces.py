"""Write the comments of an archive, in pieces: a Write unit for each, so that no other writer waits for long."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from commentsvc.archives.incoming import (
    Incoming,
    Key,
    Periods,
    Place,
    Target,
    build_comment,
    build_contact,
    find_note,
    format_milliseconds,
)
from commentsvc.archives.staged import Page
from commentsvc.domain.fields import Limits, clean_title
from commentsvc.domain.ids import id_at
from commentsvc.domain.models import Actor, Comment, Decision, Status, Thread
from commentsvc.service import private_read, write
from commentsvc.storage import comment_import, comments, imported, search, threads
from commentsvc.storage.comment_import import ImportedComment
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.database import PrivateRead, Write


class Written(Struct):
    """The result of a piece: which comments it wrote, and threads whose order must be checked."""

    imported: list[Incoming]
    unordered: set[str]


@private_read
async def list_new(unit: PrivateRead, piece: Sequence[Incoming]) -> list[Incoming]:
    """Return the comments of a piece that were never imported."""
    known = await _find_known(unit, piece)
    return [one for one in piece if one.key not in known]


async def _find_known(unit: PrivateRead, piece: Sequence[Incoming]) -> dict[Key, str]:
    """Return the ids of the comments that were imported before, and of those that they answer.

    A comment is also known by its own id, if it came by an export without the ids of archives.
    """
    wanted: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for one in piece:
        for site_id, source, source_id in filter(None, (one.key, one.answered)):
            wanted[site_id, source][source_id] = None
    known: dict[Key, str] = {}
    for (site_id, source), ids in wanted.items():
        found = await imported.find(unit, site_id, source, list(ids))
        known |= {(site_id, source, source_id): comment_id for source_id, comment_id in found.items()}
    others = {one.comment_id: one.key for one in piece if one.key not in known}
    for row in await comment_import.list_answered(unit, list(others)) if others else ():
        known[others[row["id"]]] = row["id"]
    return known


@write
async def import_piece(unit: Write, piece: Sequence[Incoming], actor: Actor) -> Written:
    """Write those comments of a piece that were never imported."""
    known = await _find_known(unit, piece)
    new = [one for one in piece if one.key not in known]
    if not new:
        return Written([], await _list_threads(unit, piece, known))
    found = {}
    for target in {one.target.page.number: one.target for one in new}.values():
        found[target.page.number] = await _open_thread(unit, target, _of_page(new, target))
    if not unit.never_waits:  # another import may have ended while this one waited for the lock
        known = await _find_known(unit, piece)
        new = [one for one in piece if one.key not in known]
    writer = _Writer(unit, {number: thread for number, (thread, _) in found.items()}, known)
    await writer.load_answered(new)
    unordered = await _list_threads(unit, piece, known)
    for number, (thread, was_empty) in found.items():
        mine = [one for one in new if one.target.page.number == number]
        if await writer.place(mine, thread) or not was_empty:
            unordered.add(thread.id)
    await writer.save(actor)
    return Written(new, unordered)


async def _list_threads(unit: PrivateRead, piece: Sequence[Incoming], known: Mapping[Key, str]) -> set[str]:
    """Return the threads of the comments that were imported before: perhaps a killed import did not sort them."""
    ids = [known[one.key] for one in piece if one.key in known]
    return {row["thread_id"] for row in await comment_import.list_answered(unit, ids)} if ids else set()


def _of_page(new: Sequence[Incoming], target: Target) -> int:
    return min(one.arranged.created_at for one in new if one.target.page.number == target.page.number)


async def _open_thread(unit: Write, target: Target, since: int) -> tuple[Thread, bool]:
    """Return the thread of a page, locked, and whether it had no comments. It is created if it does not exist."""
    page = target.page
    while True:
        thread = await _find_thread(unit, target)
        if thread is None:
            created = _new_thread(page, since)
            thread = created if await threads.add(unit, created) else await _find_thread(unit, target)
        first = await comment_import.take_numbers(unit, thread.id, 0) if thread else None
        if thread is not None and first is not None:
            break
    for name, _ in target.names:
        await threads.add_name(unit, page.site_id, name, thread.id)
    await _complete(unit, thread, page, is_new=first == 1)
    return thread, first == 1


async def _find_thread(unit: PrivateRead, target: Target) -> Thread | None:
    for name in (target.page.name, *(name for name, is_link in target.names if is_link)):
        thread = await threads.get_by_name(unit, target.page.site_id, name)
        if thread is not None:
            return thread
    return None


def _new_thread(page: Page, since: int) -> Thread:
    title = clean_title(page.title, Limits()) if page.title else None
    return Thread(
        id=id_at(since, 0),
        site_id=page.site_id,
        key=page.name,
        url=page.url,
        title=title,
        approved=0,
        version=0,
        created_at=format_milliseconds(since),
        published_at=None,
        closed_at=None,
        open_until=None,
    )


async def _complete(unit: Write, thread: Thread, page: Page, *, is_new: bool) -> None:
    title = clean_title(page.title, Limits()) if page.title else None
    closes = page.is_closed and is_new
    if closes or (page.url and not thread.url) or (title and not thread.title):
        closed_at = unit.now() if closes else None
        completed = await comment_import.complete_thread(unit, thread.id, page.url, title, closed_at)
        await search.set_thread(unit, thread.id, **dict(completed))


class _Writer:
    """Places the comments of one piece in their threads, and saves them."""

    def __init__(self, unit: Write, opened: Mapping[int, Thread], known: Mapping[Key, str]) -> None:
        self._unit = unit
        self._threads = opened
        self._ids = dict(known)
        self._places: dict[str, Place] = {}
        self._built: list[tuple[Incoming, Comment]] = []

    async def load_answered(self, new: Sequence[Incoming]) -> None:
        """Load the places of comments that were written earlier, and have replies in this piece."""
        wanted = {self._ids[one.answered] for one in new if one.answered in self._ids}
        for row in await comment_import.list_answered(self._unit, sorted(wanted)):
            self._places[row["id"]] = Place(row["thread_id"], row["parent_id"], row["path"], row["depth"])

    async def place(self, new: Sequence[Incoming], thread: Thread) -> bool:
        """Place the comments of a thread; return whether they may be out of order."""
        first = await comment_import.take_numbers(self._unit, thread.id, len(new))
        if first is None:
            raise LookupError("a thread that was just locked was merged")
        by_time = sorted(new, key=lambda one: one.arranged.order)
        numbers = {one.key: first + rank for rank, one in enumerate(by_time)}
        for one in new:
            answered = self._ids.get(one.answered) if one.answered else None
            place, answered_id = await self._find_place(thread, answered, numbers[one.key])
            self._ids |= dict.fromkeys(one.keys, one.comment_id)
            self._places[one.comment_id] = place
            self._built.append((one, build_comment(one, thread, place, answered_id)))
        return list(new) != by_time

    async def _find_place(self, thread: Thread, answered_id: str | None, number: int) -> tuple[Place, str | None]:
        """Return the place of a new comment, and the comment that it answers if it is not its parent."""
        answered = self._places.get(answered_id) if answered_id else None
        step, nesting = path_step(number), self._unit.config.nesting
        if answered is None or answered_id is None or answered.thread_id != thread.id:
            return Place(thread.id, None, step, 0), None
        if answered.depth < nesting:
            return Place(thread.id, answered_id, answered.path + step, answered.depth + 1), None
        above = answered.path[: nesting * PATH_DIGITS]
        parent_id = answered.parent_id
        if answered.depth > nesting:  # the setting was lower when that comment was written
            parent = await comments.get_by_path(self._unit, thread.id, above)
            parent_id = parent.id if parent else None
        return Place(thread.id, parent_id, above + step, nesting), answered_id

    async def save(self, actor: Actor) -> None:
        """Insert the comments, and count them."""
        replies, built = _count_replies([comment for _, comment in self._built])
        periods = Periods.of(self._unit)
        added = [
            ImportedComment(
                comment, build_contact(self._unit, one, comment, periods), one.prepared.words, find_note(one)
            )
            for (one, _), comment in zip(self._built, built, strict=True)
        ]
        await comment_import.add(self._unit, added, Decision(Status.PENDING, actor))
        await comments.count_replies(self._unit, replies, self._unit.now())
        for thread in self._threads.values():
            await self._count([comment for comment in built if comment.thread_id == thread.id], thread.id)
        rows = [
            {"site_id": site_id, "source": source, "source_id": source_id, "comment_id": comment.id}
            for one, comment in self._built
            for site_id, source, source_id in one.keys
        ]
        await imported.add(self._unit, rows)

    async def _count(self, mine: Sequence[Comment], thread_id: str) -> None:
        numbers = Counter(comment.status.value for comment in mine)
        since = min((comment.published_at for comment in mine if comment.published_at), default=None)
        await comment_import.count(self._unit, thread_id, numbers, since)


def _count_replies(built: Sequence[Comment]) -> tuple[dict[str, int], list[Comment]]:
    """Return the number of listed replies of comments that are not here, and the comments with theirs.

    A comment comes after the one that it answers, so the last one has all its replies behind it.
    """
    here = {comment.id for comment in built}
    replies: Counter[str] = Counter()
    counted: list[Comment] = []
    for comment in reversed(built):
        number = replies.pop(comment.id, 0)
        is_listed = comment.status is Status.APPROVED or number > 0
        if is_listed and comment.parent_id:
            replies[comment.parent_id] += 1
        counted.append(_listed(comment, number) if number else comment)
    return {parent: number for parent, number in replies.items() if parent not in here}, counted[::-1]


def _listed(comment: Comment, replies: int) -> Comment:
    return structs.replace(comment, listed_replies=replies, listed_at=comment.listed_at or comment.created_at)
