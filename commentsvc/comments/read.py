"""Read comments as a reader: approved comments, and the reader's own pending comment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from commentsvc.comments import receipts
from commentsvc.comments.schemas import (
    Counts,
    CountsQuery,
    LatestComment,
    LatestPage,
    LatestQuery,
    OwnComment,
    PreviewRequest,
    PreviewResult,
    PublicComment,
    ThreadListing,
    ThreadQuery,
    ThreadTree,
)
from commentsvc.comments.shown import public_fields, public_thread, require_public
from commentsvc.comments.surroundings import Surroundings
from commentsvc.comments.thread_pages import load_page
from commentsvc.comments.unpublished import is_not_published
from commentsvc.domain import comment_text, pagination
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import ReadableComment, ReadableThread, Status, Visit
from commentsvc.service import Service, late_read, private_read, public_read
from commentsvc.sites import closing, resolve
from commentsvc.sites.resolve import SiteDirectory, ThreadPlace
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PrivateRead, PublicRead
from commentsvc.storage.public_state import Basis, counts_check, latest_check, read_basis, thread_check

T = TypeVar("T")


@dataclass(frozen=True)
class Shared(Generic[T]):
    """Content that everybody may see, and its basis.

    ``origin`` is the only origin whose pages can show it. With several, or if the request's origin decides: None.
    """

    content: T
    basis: Basis
    origin: str | None


@dataclass(frozen=True)
class ThreadPage:
    """A page of a thread, and what it depends on."""

    listing: ThreadListing | ThreadTree
    basis: Basis | None  # None: it shows the reader's own pending comment, and nobody else may see it
    place: ThreadPlace
    within: str | None  # name of the site, if there are several: links to the thread may need it
    origin: str | None  # as in ``Shared``
    around: Surroundings


@late_read
async def list_thread(
    unit: PublicRead,
    query: ThreadQuery,
    visit: Visit,
    *,
    own: str | None = None,
    for_people: bool = False,
) -> ThreadPage:
    """Return a page of a thread. A thread that is unknown or has no approved comment is empty.

    ``own`` is the id of the reader's own comment, which is included while it is pending. Pages for people also have
    what is around them.

    Raises:
        Invalid: for the field ``thread``, ``site``, ``cursor``, ``since`` or ``at``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    place = resolve.resolve_thread(directory, query.thread, query.site, visit.origin)
    thread = await threads.find_readable(unit, place.site.id, place.ref.name)
    period = closing.find_period(unit, place.site, [thread] if thread else [])
    basis = await read_basis(unit, thread_check(place.site.id, place.ref.name), period, _keys(place, thread))
    thread = closing.close_by_age(unit, place.site, thread) if thread else None
    mine = await _find_own_pending(unit, own, thread)
    listing, around = await load_page(
        unit, query, place.ref.name, thread, mine.id if mine else None, for_people=for_people
    )
    return ThreadPage(
        listing=listing,
        basis=None if mine else basis,
        place=place,
        within=place.site.name if len(directory.sites) > 1 else None,
        origin=_only_origin(directory, query.site, [place]),
        around=around,
    )


def _keys(place: ThreadPlace, thread: ReadableThread | None) -> tuple[str, ...]:
    # An unknown thread has the same keys as one without public comments: they must look alike.
    name = f"thread-{thread.id}" if thread and thread.approved else f"empty-{place.site.id}"
    return f"site-{place.site.id}", name


async def _find_own_pending(unit: PublicRead, own: str | None, thread: ReadableThread | None) -> ReadableComment | None:
    """Return the reader's own comment, if it is in this thread and shown to them as pending."""
    mine = await comments.get_readable(unit, own) if own and thread else None
    if mine is None or thread is None or mine.thread_id != thread.id or mine.erased_at:
        return None
    is_pending = mine.status is not Status.APPROVED and (mine.published_at is None or mine.status is Status.PENDING)
    return mine if is_pending else None


async def get_comment(service: Service, comment_id: str, token: str | None) -> PublicComment:
    """Return an approved comment, or, for the holder of its edit token, a pending one.

    Raises:
        NotFound: the comment does not exist, or was never public.
        Gone: the comment was public, but is not any more.
    """
    if token and service.keyring.subject("edit", token, service.clock()) == comment_id:
        return await _get_own_comment(service, comment_id)
    return await _get_comment(service, comment_id)


@public_read
async def _get_comment(unit: PublicRead, comment_id: str) -> PublicComment:
    return PublicComment(**public_fields(require_public(await comments.get_readable(unit, comment_id))))


@private_read
async def _get_own_comment(unit: PrivateRead, comment_id: str) -> OwnComment:
    comment = await comments.get(unit, comment_id)
    if comment is None or (comment.published_at is None and comment.erased_at):
        raise NotFound
    if comment.published_at and comment.status not in {Status.APPROVED, Status.PENDING}:
        raise Gone
    fields = public_fields(comment) | {
        "name": comment.name,
        "hue": comment.hue,
        "website": comment.website,
        "html": comment.html,
        "edited_at": comment.edited_at,
        "deleted": False,
    }
    if comment.status is not Status.APPROVED:
        fields["status"] = Status.PENDING.value
    if await is_not_published(unit, comment):
        fields["status"] = "not_published"
    return OwnComment(**fields, comment=comment.text, edit_until=receipts.edit_deadline(unit, comment))


@late_read
async def count_comments(unit: PublicRead, query: CountsQuery, visit: Visit) -> Shared[Counts]:
    """Return the number of approved comments of each thread, by the name in the request.

    Raises:
        Invalid: for the field ``thread`` or ``site``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    places = {name: resolve.resolve_thread(directory, name, query.site, visit.origin) for name in query.thread}
    asked = {(place.site.id, place.ref.name) for place in places.values()}
    basis = await read_basis(unit, counts_check(asked))
    numbers = {(site_id, name): number for site_id, name, number in basis.state}
    counts = {name: numbers.get((place.site.id, place.ref.name), 0) for name, place in places.items()}
    return Shared(Counts(counts), basis, _only_origin(directory, query.site, places.values()))


def _only_origin(directory: SiteDirectory, site_name: str | None, places: Iterable[ThreadPlace]) -> str | None:
    """Return the only origin of the only site of these places, if the request names it, not its origin."""
    by_request = site_name is None and len(directory.sites) > 1
    if by_request and not all(place.ref.host for place in places):
        return None
    owners = {place.site.id: place.site for place in places}
    return directory.only_origin(*owners.values()) if len(owners) == 1 else None


@late_read
async def list_latest(unit: PublicRead, query: LatestQuery, visit: Visit) -> Shared[LatestPage]:
    """Return a site's approved comments with their threads, newest first.

    Raises:
        Invalid: for the field ``site`` or ``cursor``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    site = resolve.resolve_site(directory, query.site, visit.origin)
    resolve.require_origin(directory, site, visit.origin)
    before = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    check = latest_check(site.id, before, query.limit + 1)
    rows = await comments.list_latest(unit, site.id, before, query.limit + 1)
    page = rows[: query.limit]
    by_id = await threads.get_readable(unit, sorted({comment.thread_id for comment in page}))
    keys = f"site-{site.id}", f"latest-{site.id}"
    basis = await read_basis(unit, check, closing.find_period(unit, site, by_id.values()), keys)
    latest = [
        LatestComment(
            **public_fields(comment),
            thread=public_thread(
                closing.close_by_age(unit, site, by_id[comment.thread_id]), by_id[comment.thread_id].key
            ),
        )
        for comment in page
    ]
    listing = LatestPage(latest, pagination.encode_cursor(page[-1].id) if len(rows) > query.limit else None)
    named = query.site or len(directory.sites) == 1
    return Shared(listing, basis, directory.only_origin(site) if named else None)


async def render_preview(service: Service, request: PreviewRequest, visit: Visit) -> PreviewResult:
    """Render Markdown as HTML.

    Raises:
        OriginNotAllowed: a page that belongs to no site sends the request.
    """
    await resolve.require_known_origin(service, visit.origin)
    return PreviewResult(await comment_text.render_html(request.comment))
