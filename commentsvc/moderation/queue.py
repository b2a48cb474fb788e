"""Read the moderation queue, search comments, and read one comment with its history."""

import re
from collections.abc import Sequence
from typing import Any, Final

from commentsvc.access.permissions import load_comment
from commentsvc.domain import pagination
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.errors import FieldError, Invalid, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Comment, Principal, Status, StatusFilter
from commentsvc.domain.validation import parse_time_field
from commentsvc.moderation import queue_cards
from commentsvc.moderation.schemas import (
    ActionRecord,
    CommentPage,
    DecisionRecord,
    ModeratorComment,
    ModeratorDetail,
    PrivateSearch,
    QueueQuery,
    ReportRecord,
    Revision,
    Totals,
    VerdictRecord,
)
from commentsvc.service import Service, private_read, search_read
from commentsvc.sites import resolve
from commentsvc.storage import (
    actions,
    comments,
    contacts,
    decisions,
    queue,
    reports,
    revisions,
    score_order,
    threads,
    totals,
)
from commentsvc.storage.actors import actor_of
from commentsvc.storage.comment_filter import CommentFilter, conditions
from commentsvc.storage.database import PrivateRead, PublicRead
from commentsvc.storage.queue_plan import Search

MAX_REPORTS: Final = 1000  # counted of the last hour
WAVE: Final = 20  # reports of the last hour that moderators are warned of: somebody may organise them
ONLY_PENDING: Final = translatable("Only pending comments can be sorted by score. Use status=pending.")
NO_WORDS: Final = translatable("A search for words cannot be sorted by score. Use order=oldest.")
SCORE: Final = re.compile("-1|[0-9]{1,4}")


async def search_comments(service: Service, who: Principal, query: QueueQuery | PrivateSearch) -> CommentPage:
    """Return a page of matching comments, each with the data that a decision needs.

    Raises:
        Invalid: for the field ``site``, ``thread``, ``same_text``, ``same_name``, ``order``, ``cursor`` or a time.
        Unavailable: the search took too long.
    """
    filtered = any(getattr(query, name, None) is not None for name, _ in conditions())
    return await (_search_page if filtered else _queue_page)(service, who, query)


async def _read_page(unit: PrivateRead, who: Principal, query: QueueQuery | PrivateSearch) -> CommentPage:
    search = await build_search(unit, who, query)
    rows = await _list_rows(unit, search, query)
    cards = [ModeratorComment(**card) for card in await queue_cards.build_cards(unit, who, rows[: query.limit])]
    return CommentPage(
        cards,
        await _count_by_status.within(unit, search.sites),
        cursor_after(cards[-1], query.order) if len(rows) > query.limit else None,
        await reports.count_since(unit, unit.ago(hours=1), search.sites, MAX_REPORTS),
    )


async def _list_rows(unit: PrivateRead, search: Search, query: QueueQuery | PrivateSearch) -> list[Comment]:
    """Return the comments of a page, and the first one of the next page."""
    limit = query.limit + 1
    if query.order != "score":
        after = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
        return await queue.list_page(unit, search, after=after, newest_first=query.order == "newest", limit=limit)
    if search.status is not Status.PENDING:
        raise Invalid(FieldError("order", "invalid", ONLY_PENDING))
    if search.terms is not None:
        raise Invalid(FieldError("order", "invalid", NO_WORDS))
    ids = await score_order.list_by_score(unit, search, after=_read_score_cursor(query.cursor), limit=limit)
    found = await comments.get_many(unit, ids)
    return [found[id_] for id_ in ids]


def _read_score_cursor(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    score, id_ = pagination.decode_cursor(cursor, 2)
    if not SCORE.fullmatch(score):
        raise pagination.invalid_cursor()
    return int(score), id_


def cursor_after(card: ModeratorComment, order: str) -> str:
    """Return the cursor of the page that begins after a comment."""
    if order != "score":
        return pagination.encode_cursor(card.id)
    return pagination.encode_cursor(str(-1 if card.spam_score is None else round(1000 * card.spam_score)), card.id)


_queue_page, _search_page = private_read(_read_page), search_read(_read_page)


async def count_by_status(service: Service, who: Principal) -> Totals:
    """Return the number of comments by status on this principal's sites."""
    return await _count_by_status(service, who.sites)


@private_read
async def _count_by_status(unit: PublicRead, sites: Sequence[str] | None) -> Totals:
    counted = await totals.count_by_status(unit, sites)
    return Totals(**{name: counted[name] for name in Totals.__struct_fields__})


@private_read
async def get_comments(unit: PrivateRead, who: Principal, ids: Sequence[str]) -> list[ModeratorComment]:
    """Return comments by id, without those on other sites than this principal's, oldest first."""
    by_id = await comments.get_many(unit, ids)
    own = [by_id[one] for one in sorted(by_id) if who.reaches(by_id[one].site_id)]
    return [ModeratorComment(**card) for card in await queue_cards.build_cards(unit, who, own)]


async def build_search(unit: PrivateRead, who: Principal, query: CommentFilter) -> Search:
    """Resolve the names in a filter, within this principal's sites.

    Raises:
        Invalid: for the field ``site``, ``thread``, ``same_text``, ``same_name`` or a time.
    """
    directory = await resolve.read_directory.within(unit)
    site_ids = resolve.reachable_sites(directory, who, query.site)
    if query.same_name:
        named = await _load_named(unit, who, "same_name", query.same_name)
        site_ids = (named.site_id,) if site_ids is None or named.site_id in site_ids else ()
    status = query.status or (StatusFilter.ANY if query.reported else StatusFilter.PENDING)
    return Search(
        status=None if status is StatusFilter.ANY else Status(status),
        sites=site_ids,
        thread_id=await _thread_id(unit, directory, who, query) if query.thread else None,
        values=await _values(unit, who, query),
    )


async def _thread_id(unit: PrivateRead, directory: resolve.SiteDirectory, who: Principal, query: CommentFilter) -> str:
    """Return the id of the thread, or an id that no thread has."""
    only_site = directory.by_id(who.sites[0]).name if who.sites and len(who.sites) == 1 else None
    place = resolve.resolve_thread(directory, query.thread or "", query.site or only_site, None)
    thread = await threads.get_by_name(unit, place.site.id, place.ref.name) if who.reaches(place.site.id) else None
    return thread.id if thread else "none"


async def _values(unit: PrivateRead, who: Principal, query: CommentFilter) -> dict[str, Any]:
    """Return the value of each filter that is set, as its SQL condition needs it."""
    values: dict[str, Any] = {}
    for name, sql in conditions():
        value = getattr(query, name, None)
        if value is not None:
            values[name] = parse_time_field(name, value) if sql.time else value
    if query.same_text:
        values["same_text"] = (await _load_named(unit, who, "same_text", query.same_text)).text_digest
    if query.same_name:
        values["same_name"] = skeleton((await _load_named(unit, who, "same_name", query.same_name)).name)
    if "email" in values:
        values["email"] = tuple(unit.keyring.digests(values["email"]))
    return values


async def _load_named(unit: PrivateRead, who: Principal, field: str, comment_id: str) -> Comment:
    """Return the comment that a filter names."""
    try:
        return await load_comment(unit, who, comment_id)
    except NotFound:
        raise Invalid(FieldError(field, "unknown_comment", translatable("There is no comment with this id."))) from None


@private_read
async def get_comment_detail(unit: PrivateRead, who: Principal, comment_id: str) -> ModeratorDetail:
    """Return a comment with its revisions, decisions, actions and reports.

    Raises:
        NotFound: no comment has this id, or it is on another site.
    """
    comment = await load_comment(unit, who, comment_id)
    (card,) = await queue_cards.build_cards(unit, who, [comment])
    contact = (await contacts.get_many(unit, [comment.id])).get(comment.id)
    return ModeratorDetail(
        **card,
        agent=contact.agent if contact else None,
        decisions=await list_decisions(unit, comment.id),
        revisions=[
            Revision(row["version"], row["name"], row["text"], actor_of(row), row["created_at"])
            for row in await revisions.list_of_comment(unit, comment.id)
        ],
        actions=[
            ActionRecord(row["id"], row["verb"], actor_of(row), row["note"], row["created_at"], row["undone_by"])
            for row in await actions.list_of_comment(unit, comment.id)
        ],
        reported=[
            ReportRecord(row["reason"], row["created_at"], row["settled_at"])
            for row in await reports.list_of_comment(unit, comment.id)
        ],
    )


async def list_decisions(unit: PrivateRead, comment_id: str) -> list[DecisionRecord]:
    """Return the decisions on a comment, oldest first."""
    return [
        DecisionRecord(
            **queue_cards.reason_fields(one.actor, one.reason, one.note),
            status=one.status,
            created_at=one.created_at,
            action=one.action_id,
            verdicts=[
                VerdictRecord(**queue_cards.reason_fields(verdict.actor, verdict.reason), effect=verdict.effect)
                for verdict in one.verdicts
            ],
        )
        for one in await decisions.list_of_comment(unit, comment_id)
    ]
