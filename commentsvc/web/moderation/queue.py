"""The moderation queue, and the numbers that its script asks for."""

import hashlib
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from commentsvc.audit.schemas import AuditQuery
from commentsvc.delivery import mail_state
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Scope
from commentsvc.moderation import actions, audit, queue
from commentsvc.moderation.schemas import CommentPage, ModeratorComment, Order, Totals
from commentsvc.web.moderation import decisions, layout
from commentsvc.web.moderation.search import (
    QueuePageQuery,
    build_filter,
    build_search,
    choose_order,
    list_orders,
    unseal_search,
)
from commentsvc.web.server.responses import match_etag, respond
from commentsvc.web.server.routing import SERVICE, SESSION, WHO

PAGE_SIZE: Final = 50


async def show_queue(request: web.Request, query: QueuePageQuery) -> web.Response:
    """Show comments with everything that a decision needs."""
    service, who = request.app[SERVICE], request[WHO]
    as_of = service.now()  # before the search: what arrives later is not selected by "all that match"
    private = unseal_search(request, query.sealed)
    found = await queue.search_comments(service, who, build_search(query, private, PAGE_SIZE))
    totals = await queue.count_by_status(service, who) if query.site else found.totals
    order = choose_order(query, private)
    return await layout.render_page(
        request,
        "queue.html",
        result=query,
        tab=query.status,
        query=query,
        search_text=private.get("email") or private.get("network") or private.get("q") or query.q or "",
        cards=await _merge_changed(request, query, found, order),
        next_page=found.next_cursor and _with_query(query, cursor=found.next_cursor),
        first_page=_with_query(query),
        order=order,
        orders=list_orders(query, private),
        kept=[(name, value) for name, value in _kept_parameters(query).items() if name != "order"],
        oldest=found.comments[0].created_at if found.comments and order == "oldest" and not query.cursor else None,
        totals=totals,
        as_of=as_of,
        matching=await _count_matching(request, query, found, as_of) if who.may(Scope.MODERATE) else 0,
        most=actions.MAX_COMMENTS,
        next_step=await decisions.count_next(request, query),
        compared=await queue.get_comment_detail(service, who, query.same_name) if query.same_name else None,
        tag=await _state_tag(request, found.totals),
        recent_reports=found.recent_reports,
        wave=queue.WAVE,
        **await _load_mail_notices(request),
    )


async def _load_mail_notices(request: web.Request) -> dict[str, Any]:
    """Return what people who can change the settings are told about mail: that none is sent, or why it fails."""
    service, is_admin = request.app[SERVICE], request[WHO].may(Scope.ADMIN)
    is_missing = not service.config.smtp_url and not request[SESSION].preferences.knows_no_mail
    return {
        "no_mail": is_admin and is_missing,
        "mail_failure": await mail_state.read_mail_failure(service) if is_admin else None,
        "mail_document": layout.MAIL_DOCUMENT,
    }


async def _count_matching(request: web.Request, query: QueuePageQuery, found: CommentPage, as_of: str) -> int:
    """Return how many comments match, up to ``MAX_COMMENTS`` + 1; 0 if it takes too long to count them."""
    if not found.next_cursor and not query.cursor:
        return len(found.comments)
    try:
        return await actions.count_step(request.app[SERVICE], request[WHO], build_filter(request, query, as_of))
    except Unavailable:
        return 0


def _with_query(query: QueuePageQuery, **changed: str) -> str:
    """Return the URL of the first page, with some parameters changed."""
    return layout.build_url(**_kept_parameters(query) | changed)


def _kept_parameters(query: QueuePageQuery) -> dict[str, str]:
    """Return the filters and the order of a page of the queue."""
    values = msgspec.structs.asdict(query)
    return {name: values[name] for name in values if values[name] and name not in {"cursor", *layout.RESULT_PARAMETERS}}


async def _merge_changed(
    request: web.Request, query: QueuePageQuery, found: CommentPage, order: Order
) -> list[tuple[ModeratorComment, bool]]:
    """Return the page's comments, and in their places those it showed before that someone else changed.

    Each comes with whether it was changed.
    """
    here = {card.id for card in found.comments}
    shown = filter(None, map(decisions.SEEN.fullmatch, query.shown))
    seen = {match[1]: int(match[2]) for match in shown if match[1] not in here}
    others = await queue.get_comments(request.app[SERVICE], request[WHO], list(seen))
    changed = [card for card in others if card.version != seen[card.id]]
    together = [(card, False) for card in found.comments] + [(card, True) for card in changed]
    return sorted(together, key=lambda one: _place_in_order(one[0], order), reverse=order == "newest")


def _place_in_order(card: ModeratorComment, order: Order) -> tuple[float, str]:
    score = -1.0 if card.spam_score is None else card.spam_score
    return (score if order == "score" else 0.0, card.id)


async def _state_tag(request: web.Request, totals: Totals) -> str:
    """Return a tag that changes with every count, and with every decision on this moderator's sites."""
    newest = (await audit.list_entries(request.app[SERVICE], request[WHO], AuditQuery(limit=1))).entries
    return hashlib.blake2b(repr((totals, newest)).encode(), digest_size=9).hexdigest()


async def get_counts(request: web.Request) -> web.Response:
    """Return the number of comments by status; 304 if nothing has changed."""
    totals = await queue.count_by_status(request.app[SERVICE], request[WHO])
    tag = await _state_tag(request, totals)
    if match_etag(request.headers.get(hdrs.IF_NONE_MATCH))(tag):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-store"})
    return respond(totals, headers={hdrs.ETAG: f'"{tag}"'})
