"""Pages of a thread: which comments they show, and the cursors of the pages around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET, UnsetType

from commentsvc.comments import surroundings
from commentsvc.comments.schemas import PublicComment, PublicThread, Sought, ThreadListing, ThreadQuery, ThreadTree
from commentsvc.comments.shown import nest, public_fields, public_thread
from commentsvc.comments.surroundings import Surroundings
from commentsvc.domain import pagination, validation
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.models import ListedComment, ReadableThread
from commentsvc.storage import comments, thread_pages
from commentsvc.storage.database import PublicRead
from commentsvc.storage.thread_pages import Listing, Position

BACKWARDS: Final = "-"  # in a cursor, after its view


@dataclass(frozen=True)
class _Start:
    """The start of a page, after a position or at the first comment; or the position before which it ends."""

    after: Position | None = None
    before: Position | None = None
    at: Sought | UnsetType = UNSET


@dataclass(frozen=True)
class _Page:
    rows: Sequence[ListedComment]
    previous_cursor: str | None
    next_cursor: str | None


async def load_page(
    unit: PublicRead,
    query: ThreadQuery,
    name: str,
    thread: ReadableThread | None,
    own: str | None,
    *,
    for_people: bool,
) -> tuple[ThreadListing | ThreadTree, Surroundings]:
    """Return a page of a thread and, if it is for people, what is around it.

    ``own`` is the reader's own pending comment, which the page may show. A question for one comment costs as much as
    the two pages around it.

    Raises:
        Invalid: for the field ``cursor``, ``since`` or ``at``.
    """
    if query.at and (query.cursor or query.since):
        raise Invalid(FieldError("at", "invalid", "Leave out cursor and since: at chooses the page."))
    since = validation.parse_time_field("since", query.since)
    listing = Listing(thread.id if thread else "", query.view, query.order, since, own)
    start = await _find_start(unit, query, listing)
    public = public_thread(thread, name)
    if thread is None or (thread.published_at is None and own is None):
        kind = ThreadTree if query.view == "tree" else ThreadListing
        return kind(public, [], None, None, start.at), Surroundings()
    page = await _read_page(unit, query, listing, start)
    above = await thread_pages.list_by_path(unit, thread.id, _missing_ancestors(page.rows, query.view))
    around = await _read_surroundings(unit, listing, thread, page, above) if for_people else Surroundings()
    if start.at == "shown" and around.earlier:  # the page shows these ancestors
        around = replace(around, earlier=around.earlier - surroundings.count_approved(above))
    return _present(query, public, page, above, start.at, own), around


def _present(
    query: ThreadQuery,
    public: PublicThread,
    page: _Page,
    above: Sequence[ListedComment],
    at: Sought | UnsetType,
    own: str | None,
) -> ThreadListing | ThreadTree:
    cursors = page.previous_cursor, page.next_cursor
    if query.view == "flat":
        flat = [PublicComment(**public_fields(comment, own)) for comment in page.rows]
        return ThreadListing(public, flat, *cursors, at)
    if at == "shown":
        return ThreadTree(public, nest([*above, *page.rows], {}, own), *cursors, at)
    stubs = {comment.path: comment.id for comment in above}
    return ThreadTree(public, nest(page.rows, stubs, own), *cursors, at)


async def _read_surroundings(
    unit: PublicRead, listing: Listing, thread: ReadableThread, page: _Page, above: Sequence[ListedComment]
) -> Surroundings:
    return await surroundings.read_surroundings(
        unit,
        listing,
        thread,
        page.rows,
        above,
        has_earlier=page.previous_cursor is not None,
        has_later=page.next_cursor is not None,
    )


async def _find_start(unit: PublicRead, query: ThreadQuery, listing: Listing) -> _Start:
    if query.at:
        return await _find_comment(unit, query, listing)
    if query.cursor is None:
        return _Start()
    view, order, id_ = pagination.decode_cursor(query.cursor, 3)
    if (view.removesuffix(BACKWARDS), order) != (query.view[0], query.order[0]):
        raise pagination.invalid_cursor()
    position = await _find_position(unit, listing, id_)
    return _Start(before=position) if view.endswith(BACKWARDS) else _Start(after=position)


async def _find_position(unit: PublicRead, listing: Listing, id_: str) -> Position:
    if listing.view == "flat":
        return Position("", id_)
    last = await comments.get_readable(unit, id_)
    if last is None or (last.published_at is None and id_ != listing.own):
        raise pagination.invalid_cursor()
    return Position(last.path, id_)


async def _find_comment(unit: PublicRead, query: ThreadQuery, listing: Listing) -> _Start:
    """Return the start of the page that shows a comment: the first page if it is there.

    Otherwise the page begins with its top-level comment. If that is too far away, it begins with the comment itself.
    A flat page shows it in the middle.
    """
    sought = await thread_pages.find_comment(unit, listing.thread_id, query.at or "")
    if sought is None or not (sought.was_public or query.at == listing.own):
        return _Start(at="unknown")
    if not (sought.is_listed or query.at == listing.own):
        return _Start(at="removed")
    before = await thread_pages.list_positions_before(unit, listing, sought.position, query.limit)
    if len(before) < query.limit:
        return _Start(at="shown")
    if query.view == "flat":
        return _Start(after=before[query.limit // 2], at="shown")
    top = sought.position.path[: comments.PATH_DIGITS]
    outside = (position for position in before if not position.path.startswith(top))
    return _Start(after=next(outside, before[0]), at="shown")


async def _read_page(unit: PublicRead, query: ThreadQuery, listing: Listing, start: _Start) -> _Page:
    if start.before:
        found = await thread_pages.list_before(unit, listing, start.before, query.limit + 1)
        rows = found[: query.limit][::-1]
        has_previous = len(found) > query.limit
        has_next = await _has_more(unit, listing, rows[-1:], before=False)
    else:
        found = await thread_pages.list_after(unit, listing, start.after, query.limit + 1)
        rows = found[: query.limit]
        has_previous = start.after is not None and await _has_more(unit, listing, rows[:1], before=True)
        has_next = len(found) > query.limit
    return _Page(
        rows,
        _cursor(query, rows[0], BACKWARDS) if has_previous else None,
        _cursor(query, rows[-1]) if has_next else None,
    )


async def _has_more(unit: PublicRead, listing: Listing, edge: Sequence[ListedComment], *, before: bool) -> bool:
    return bool(edge) and await thread_pages.has_more(unit, listing, Position(edge[0].path, edge[0].id), before=before)


def _cursor(query: ThreadQuery, edge: ListedComment, direction: str = "") -> str:
    # Not with its path: that has the number of the comment, which counts hidden comments too.
    return pagination.encode_cursor(query.view[0] + direction, query.order[0], edge.id)


def _missing_ancestors(page: Sequence[ListedComment], view: str) -> list[str]:
    """Return the paths of ancestors that are not on this page; a flat page has none."""
    if view == "flat":
        return []
    on_page = {comment.path for comment in page}
    digits = comments.PATH_DIGITS
    above = {comment.path[:length] for comment in page for length in range(digits, len(comment.path), digits)}
    return sorted(above - on_page)
