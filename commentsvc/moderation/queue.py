"""A moderator looks: the queue, a search, all about one comment."""

from collections.abc import Sequence

from commentsvc.access.permissions import reachable
from commentsvc.domain import pagination, validation
from commentsvc.domain.errors import Fault, Invalid, NotFound
from commentsvc.domain.models import Comment, Effect, Principal, Status
from commentsvc.moderation import queue_cards
from commentsvc.moderation.schemas import (
    ActionRecord,
    DecisionRecord,
    ModeratorComment,
    ModeratorDetail,
    Opinion,
    Queue,
    QueueQuery,
    ReportRecord,
    Revision,
    Standing,
    Totals,
    Where,
)
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import actions, comments, contacts, queue, reports, revisions, threads
from commentsvc.storage import decisions as storage_decisions
from commentsvc.storage.database import Transaction


async def search(service: Service, who: Principal, query: QueueQuery) -> Queue:
    """Comments that match, each with all that a decision needs.

    Raises:
        Invalid: naming the site, thread, cursor or time.
    """
    return await service.db.read_private(_search, service, who, query)


async def _search(tx: Transaction, service: Service, who: Principal, query: QueueQuery) -> Queue:
    wanted = await conditions(tx, service, who, query)
    after = pagination.decoded(query.cursor, 1)[0] if query.cursor else None
    found = await queue.page(tx, wanted, after=after, newest_first=query.order == "newest", limit=query.limit + 1)
    page = found[: query.limit]
    shown = await queue_cards.for_moderators(tx, service, who, page)
    cursor = pagination.encoded(page[-1].id) if len(found) > query.limit else None
    return Queue([ModeratorComment(**card) for card in shown], await _totals(tx, wanted.sites), cursor)


async def totals(service: Service, who: Principal) -> Totals:
    """How many comments stand where, on this principal's sites."""
    return await service.db.read_private(_totals, who.sites)


async def _totals(tx: Transaction, sites: Sequence[str] | None) -> Totals:
    counted = await threads.totals(tx, sites)
    return Totals(**{name: counted[name] for name in Totals.__struct_fields__})


async def several(service: Service, who: Principal, ids: Sequence[str]) -> list[ModeratorComment]:
    """Those of these comments that the principal reaches, oldest first."""
    return await service.db.read_private(_several, service, who, ids)


async def _several(tx: Transaction, service: Service, who: Principal, ids: Sequence[str]) -> list[ModeratorComment]:
    found = await comments.several(tx, ids)
    reached = [found[one] for one in sorted(found) if who.reaches(found[one].site_id)]
    return [ModeratorComment(**card) for card in await queue_cards.for_moderators(tx, service, who, reached)]


async def conditions(tx: Transaction, service: Service, who: Principal, query: QueueQuery | Where) -> queue.Search:
    """What a query looks for, within this principal's sites.

    Raises:
        Invalid: naming the site, the thread or a time.
    """
    everything = await resolve.directory(tx, service)
    reach, thread_id = who.sites, None
    if query.site:
        site = everything.by_name(query.site)
        if site is None or not who.reaches(site.id):
            raise Invalid(Fault("site", "unknown_site", "There is no site of this name."))
        reach = (site.id,)
    if query.thread:
        only = everything.by_id(who.sites[0]).name if who.sites and len(who.sites) == 1 else None
        place = resolve.find(everything, query.thread, query.site or only, None)
        thread = await threads.named(tx, place.site.id, place.ref.name) if who.reaches(place.site.id) else None
        thread_id = thread.id if thread else "none"
    email = getattr(query, "email", None)
    like = await _like(tx, who, query.same_text) if query.same_text else None
    status = query.status or (Standing.ANY if query.reported else Standing.PENDING)
    return queue.Search(
        status=None if status is Standing.ANY else Status(status),
        sites=reach,
        thread_id=thread_id,
        q=query.q,
        reason=query.reason,
        since=validation.moment("since", query.since),
        until=validation.moment("until", query.until),
        email_digests=tuple(service.keyring.digests(email)) if email else None,
        network=getattr(query, "network", None),
        reported=query.reported,
        text_digest=like.text_digest if like else None,
        as_of=validation.moment("as_of", query.as_of),
    )


async def _like(tx: Transaction, who: Principal, comment_id: str) -> Comment:
    try:
        return await reachable(tx, who, comment_id)
    except NotFound:
        raise Invalid(Fault("same_text", "unknown_comment", "There is no comment with this id.")) from None


async def detail(service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    """All about one comment: its words at every version, every decision and action.

    Raises:
        NotFound: there is none, or it is on another site.
    """
    return await service.db.read_private(_detail, service, who, comment_id)


async def _detail(tx: Transaction, service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    comment = await reachable(tx, who, comment_id)
    (card,) = await queue_cards.for_moderators(tx, service, who, [comment])
    contact = (await contacts.several(tx, [comment.id])).get(comment.id)
    return ModeratorDetail(
        **card,
        agent=contact.agent if contact else None,
        decisions=await _decisions(tx, comment.id),
        revisions=[
            Revision(row["version"], row["name"], row["text"], row["edited_by"], row["created_at"])
            for row in await revisions.of(tx, comment.id)
        ],
        actions=[
            ActionRecord(row["id"], row["verb"], row["made_by"], row["note"], row["created_at"], row["undone_by"])
            for row in await actions.actions_on(tx, comment.id)
        ],
        reported=[
            ReportRecord(row["reason"], row["created_at"], row["settled_at"])
            for row in await reports.of(tx, comment.id)
        ],
    )


async def _decisions(tx: Transaction, comment_id: str) -> list[DecisionRecord]:
    decisions = await storage_decisions.decisions(tx, [comment_id])
    verdicts = await queue_cards.opinions(tx, decisions)
    return [
        DecisionRecord(
            Status(row["status"]),
            row["reason"],
            row["made_by"],
            row["created_at"],
            row["action_id"],
            row["rule_id"],
            [
                Opinion(one["rule"], Effect(one["effect"]), one["reason"], one["rule_id"])
                for one in verdicts.get(row["id"], ())
            ],
        )
        for row in decisions
    ]
