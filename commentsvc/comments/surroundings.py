"""Around a page of a thread, for people: how many comments come before and after, and who was answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from commentsvc.domain.models import ListedComment, ReadableThread, Status
from commentsvc.storage import thread_pages
from commentsvc.storage.comments import PATH_DIGITS
from commentsvc.storage.database import PublicRead
from commentsvc.storage.thread_pages import Listing, Position


@dataclass(frozen=True)
class Surroundings:
    """Numbers of approved comments; None means many, which are not counted.

    ``branches`` has the number of replies below each top-level comment whose replies are on several pages, by its id.
    ``names`` has the authors of answered comments, by id. One that is not public is missing.
    """

    earlier: int | None = 0
    later: int | None = 0
    branches: dict[str, int | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


async def read_surroundings(
    unit: PublicRead,
    listing: Listing,
    thread: ReadableThread,
    rows: Sequence[ListedComment],
    above: Sequence[ListedComment],
    *,
    has_earlier: bool,
    has_later: bool,
) -> Surroundings:
    """Return what is around a page with these rows. ``above`` are their ancestors on earlier pages.

    It reads a limited number of rows, however long the thread is.
    """
    if not rows:
        return Surroundings()
    earlier, later = await _count_around(unit, listing, thread, rows, has_earlier=has_earlier)
    answered = {comment.answered_id for comment in rows if comment.answered_id}
    return Surroundings(
        earlier=earlier if has_earlier else 0,
        later=later if has_later else 0,
        branches=await _count_branches(unit, listing, rows, above, has_later=has_later),
        names=await thread_pages.list_names(unit, sorted(answered)),
    )


async def _count_around(
    unit: PublicRead,
    listing: Listing,
    thread: ReadableThread,
    rows: Sequence[ListedComment],
    *,
    has_earlier: bool,
) -> tuple[int | None, int | None]:
    if listing.since:
        return None, None
    others = thread.approved - count_approved(rows)
    earlier = await _count(unit, listing, rows[0], before=True) if has_earlier else 0
    later = await _count(unit, listing, rows[-1], before=False) if earlier is None else others - earlier
    earlier = others - later if earlier is None and later is not None else earlier
    return earlier, later


async def _count(unit: PublicRead, listing: Listing, edge: ListedComment, *, before: bool) -> int | None:
    return await thread_pages.count_approved(unit, listing, Position(edge.path, edge.id), before=before)


def count_approved(rows: Sequence[ListedComment]) -> int:
    """Return the number of approved comments among these."""
    return sum(comment.status == Status.APPROVED for comment in rows)


async def _count_branches(
    unit: PublicRead,
    listing: Listing,
    rows: Sequence[ListedComment],
    above: Sequence[ListedComment],
    *,
    has_later: bool,
) -> dict[str, int | None]:
    if listing.view == "flat":
        return {}
    tops = {comment.path: comment.id for comment in (*above, *rows) if comment.depth == 0}
    edges = {rows[0].path[:PATH_DIGITS]} if rows[0].depth else set()
    edges |= {rows[-1].path[:PATH_DIGITS]} if has_later else set()
    return {tops[top]: await thread_pages.count_replies(unit, listing.thread_id, top) for top in edges if top in tops}
