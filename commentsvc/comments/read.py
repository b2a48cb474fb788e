"""Read comments as a reader: approved comments, and the reader's own pending comment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    PublicThread,
    Stub,
    ThreadListing,
    ThreadQuery,
    ThreadTree,
    TreeComment,
)
from commentsvc.domain import markdown, pagination, validation
from commentsvc.domain.errors import Gone, NotFound
from commentsvc.domain.models import Comment, ListedComment, Status, Thread, Visit
from commentsvc.service import Service, public_read
from commentsvc.sites import resolve
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PublicRead


@dataclass(frozen=True)
class ThreadPage:
    """A page of a thread with its entity tag. ``listing`` is None if the reader has this state already."""

    tag: str
    listing: ThreadListing | ThreadTree | None
    private: bool  # shows the reader's own pending comment
    within: str | None = None  # name of the site, if there are several: links to the thread may need it
    email_required: bool = True  # in the form of the page


@public_read
async def list_thread(
    unit: PublicRead,
    query: ThreadQuery,
    visit: Visit,
    *,
    own: str | None = None,
    seen: Callable[[str, str | None], bool] = lambda _tag, _within: False,
) -> ThreadPage:
    """Return a page of a thread. A thread that is unknown or has no approved comment is empty.

    ``own`` is the id of the reader's own comment, which is included while it is pending. ``seen`` returns whether the
    reader has the state of an entity tag and ``ThreadPage.within`` already; then the listing is not loaded.

    Raises:
        Invalid: for the field ``thread``, ``site``, ``cursor`` or ``since``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    place = resolve.resolve_thread(directory, query.thread, query.site, visit.origin)
    within = place.site.name if len(directory.sites) > 1 else None
    after, since = _after(query), validation.parse_time_field("since", query.since)
    thread = await threads.get_by_name(unit, place.site.id, place.ref.name)
    thread = resolve.close_by_age(unit, place.site, thread) if thread else None
    mine = await _find_own_pending(unit, own, thread)
    tag = f"{_entity_tag(thread)}{'' if place.site.email_required else 'e'}"  # pages of comments have a form
    unloaded = ThreadPage(tag, None, private=False, within=within, email_required=place.site.email_required)
    if mine is None and seen(tag, within):
        return unloaded
    public = public_thread(thread, place.ref.name)
    if thread is None or (thread.published_at is None and mine is None):
        empty = ThreadTree(public, [], None) if query.view == "tree" else ThreadListing(public, [], None)
        return replace(unloaded, listing=empty)
    listing = await _load_page(unit, query, thread, public, after, since, mine.id if mine else None)
    return replace(unloaded, listing=listing, private=mine is not None)


async def _load_page(
    unit: PublicRead,
    query: ThreadQuery,
    thread: Thread,
    public: PublicThread,
    after: tuple[str, str] | None,
    since: str | None,
    own: str | None,
) -> ThreadListing | ThreadTree:
    rows = await comments.list_page(
        unit,
        thread.id,
        view=query.view,
        order=query.order,
        limit=query.limit + 1,
        after=after,
        since=since,
        own=own,
    )
    page = rows[: query.limit]
    cursor = _cursor(query, page[-1]) if len(rows) > query.limit else None
    if query.view == "flat":
        return ThreadListing(public, [PublicComment(**public_fields(comment, own)) for comment in page], cursor)
    return ThreadTree(public, _nest(page, await _missing_ancestors(unit, thread, page), own), cursor)


async def _find_own_pending(unit: PublicRead, own: str | None, thread: Thread | None) -> Comment | None:
    """Return the reader's own comment, if it is in this thread and shown to them as pending."""
    mine = await comments.get(unit, own) if own and thread else None
    if mine is None or thread is None or mine.thread_id != thread.id or mine.erased_at:
        return None
    is_pending = mine.status is not Status.APPROVED and (mine.published_at is None or mine.status is Status.PENDING)
    return mine if is_pending else None


def _entity_tag(thread: Thread | None) -> str:
    """Return the tag of a thread's state. An unknown thread and one without public comments have the same."""
    if thread is None or thread.published_at is None:
        return "0c" if thread and thread.closed_at else "0"
    return f"{thread.id[-12:]}.{thread.version}{'c' if thread.closed_at else ''}"


def public_thread(thread: Thread | None, name: str) -> PublicThread:
    """Return the public data of a thread. Before the first approval it is only the name from the request."""
    if thread is None or thread.published_at is None:
        return PublicThread(name, None, None, thread is not None and thread.closed_at is not None, 0)
    return PublicThread(thread.key, thread.url, thread.title, thread.closed_at is not None, thread.approved)


def public_fields(comment: ListedComment, own: str | None = None) -> dict[str, Any]:
    """Return the public fields of a comment. One that is not approved appears as deleted.

    The comment with the id ``own`` appears with its content, as pending.
    """
    is_public = comment.status == Status.APPROVED
    is_own_pending = not is_public and comment.id == own
    visible = is_public or is_own_pending
    fields: dict[str, Any] = {
        "id": comment.id,
        "parent": comment.parent_id,
        "depth": comment.depth,
        "name": comment.name if visible else None,
        "website": comment.website if visible else None,
        "html": comment.html if visible else None,
        "created_at": comment.created_at,
        "edited_at": comment.edited_at if visible else None,
        "by_moderator": comment.moderator_id is not None,
        "deleted": not visible,
    }
    return fields | {"status": Status.PENDING} if is_own_pending else fields


def _nest(page: Sequence[ListedComment], ancestors: dict[str, str], own: str | None) -> list[TreeComment | Stub]:
    """Return the tree of a page: replies inside their parents. Ancestors on earlier pages become stubs."""
    roots: list[TreeComment | Stub] = []
    by_path: dict[str, TreeComment | Stub] = {}
    for comment in page:
        node = TreeComment(**public_fields(comment, own))
        by_path[comment.path] = node
        _attach(node, comment.path, by_path, roots, ancestors)
    return roots


def _attach(
    node: TreeComment | Stub,
    path: str,
    by_path: dict[str, TreeComment | Stub],
    roots: list[TreeComment | Stub],
    ancestors: dict[str, str],
) -> None:
    above = path[: -comments.PATH_DIGITS]
    if not above:
        roots.append(node)
        return
    if above not in by_path:
        by_path[above] = Stub(id=ancestors[above])
        _attach(by_path[above], above, by_path, roots, ancestors)
    by_path[above].replies.append(node)


async def _missing_ancestors(unit: PublicRead, thread: Thread, page: Sequence[ListedComment]) -> dict[str, str]:
    """Return the ids, by path, of ancestors that are not on this page."""
    on_page = {comment.path for comment in page}
    digits = comments.PATH_DIGITS
    above = {comment.path[:length] for comment in page for length in range(digits, len(comment.path), digits)} - on_page
    return await comments.list_ids_by_path(unit, thread.id, sorted(above)) if above else {}


def _cursor(query: ThreadQuery, last: ListedComment) -> str:
    return pagination.encode_cursor(query.view[0], query.order[0], last.path, last.id)


def _after(query: ThreadQuery) -> tuple[str, str] | None:
    if query.cursor is None:
        return None
    view, order, path, id_ = pagination.decode_cursor(query.cursor, 4)
    if (view, order) != (query.view[0], query.order[0]):
        raise pagination.invalid_cursor()
    return path, id_


async def get_comment(service: Service, comment_id: str, token: str | None) -> PublicComment:
    """Return an approved comment, or, for the holder of its edit token, a pending one.

    Raises:
        NotFound: the comment does not exist, or was never public.
        Gone: the comment was public, but is not any more.
    """
    own = bool(token) and service.keyring.subject("edit", token or "", service.clock()) == comment_id
    return await _get_comment(service, comment_id, own)


@public_read
async def _get_comment(unit: PublicRead, comment_id: str, own: bool) -> PublicComment:  # noqa: FBT001
    comment = await comments.get(unit, comment_id)
    if comment is None or (comment.published_at is None and (not own or comment.erased_at)):
        raise NotFound
    if (
        comment.published_at
        and comment.status is not Status.APPROVED
        and (not own or comment.status is not Status.PENDING)
    ):
        raise Gone
    if not own:
        return PublicComment(**public_fields(comment))
    fields = public_fields(comment) | {
        "name": comment.name,
        "website": comment.website,
        "html": comment.html,
        "edited_at": comment.edited_at,
        "deleted": False,
    }
    if comment.status is not Status.APPROVED:
        fields["status"] = Status.PENDING
    return OwnComment(**fields, comment=comment.text, edit_until=receipts.edit_deadline(unit, comment))


@public_read
async def count_comments(unit: PublicRead, query: CountsQuery, visit: Visit) -> Counts:
    """Return the number of approved comments of each thread, by the name in the request.

    Raises:
        Invalid: for the field ``thread`` or ``site``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    places = {name: resolve.resolve_thread(directory, name, query.site, visit.origin) for name in query.thread}
    numbers: dict[tuple[str, str], int] = {}
    for site_id in {place.site.id for place in places.values()}:
        names = sorted({place.ref.name for place in places.values() if place.site.id == site_id})
        for name, number in (await threads.count_approved(unit, site_id, names)).items():
            numbers[site_id, name] = number
    return Counts({name: numbers.get((place.site.id, place.ref.name), 0) for name, place in places.items()})


@public_read
async def list_latest(unit: PublicRead, query: LatestQuery, visit: Visit) -> LatestPage:
    """Return a site's approved comments with their threads, newest first.

    Raises:
        Invalid: for the field ``site`` or ``cursor``.
        OriginNotAllowed: a page of another site sends the request.
    """
    directory = await resolve.read_directory.within(unit)
    site = resolve.resolve_site(directory, query.site, visit.origin)
    resolve.require_origin(directory, site, visit.origin)
    before = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    rows = await comments.list_latest(unit, site.id, before, query.limit + 1)
    page = rows[: query.limit]
    by_id = await threads.get_many(unit, sorted({comment.thread_id for comment in page}))
    latest = [
        LatestComment(
            **public_fields(comment),
            thread=public_thread(
                resolve.close_by_age(unit, site, by_id[comment.thread_id]), by_id[comment.thread_id].key
            ),
        )
        for comment in page
    ]
    return LatestPage(latest, pagination.encode_cursor(page[-1].id) if len(rows) > query.limit else None)


def render_preview(request: PreviewRequest) -> PreviewResult:
    """Render Markdown as HTML."""
    return PreviewResult(markdown.render(request.comment))
