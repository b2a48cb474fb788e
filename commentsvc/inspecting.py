"""A moderator looks: the queue, a search, all about one comment."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc import cursors, forms, places, reading
from commentsvc.errors import (
    Fault,
    Invalid,
    NotFound,
)
from commentsvc.model import Comment, Contact, Effect, Principal, Scope, Status, Thread
from commentsvc.service import Service
from commentsvc.shapes import (
    ActionRecord,
    DecisionRecord,
    ModeratorComment,
    ModeratorDetail,
    Opinion,
    PublicThread,
    Queue,
    QueueQuery,
    Reason,
    Record,
    ReportRecord,
    Revision,
    Standing,
    Totals,
    Where,
)
from commentsvc.store import Row, Transaction, comments, contacts, history, queue, reports, revisions, threads

EXCERPT: Final = 160
MOST_ALIKE: Final = 1000  # so many are counted; a page then costs the same however long the queue is


async def search(service: Service, who: Principal, query: QueueQuery) -> Queue:
    """Comments that match, each with all that a decision needs.

    Raises:
        Invalid: naming the site, thread, cursor or time.
    """
    return await service.db.read_private(_search, service, who, query)


async def _search(tx: Transaction, service: Service, who: Principal, query: QueueQuery) -> Queue:
    wanted = await conditions(tx, service, who, query)
    after = cursors.decoded(query.cursor, 1)[0] if query.cursor else None
    found = await queue.page(tx, wanted, after=after, newest_first=query.order == "newest", limit=query.limit + 1)
    page = found[: query.limit]
    shown = await _for_moderators(tx, service, who, page)
    counted = await threads.totals(tx, wanted.sites)
    totals = Totals(**{name: counted[name] for name in Totals.__struct_fields__})
    cursor = cursors.encoded(page[-1].id) if len(found) > query.limit else None
    return Queue([ModeratorComment(**card) for card in shown], totals, cursor)


async def conditions(tx: Transaction, service: Service, who: Principal, query: QueueQuery | Where) -> queue.Search:
    """What a query looks for, within this principal's sites.

    Raises:
        Invalid: naming the site, the thread or a time.
    """
    everything = await places.directory(tx, service)
    reach, thread_id = who.sites, None
    if query.site:
        site = everything.by_name(query.site)
        if site is None or not who.reaches(site.id):
            raise Invalid(Fault("site", "unknown_site", "There is no site of this name."))
        reach = (site.id,)
    if query.thread:
        only = everything.by_id(who.sites[0]).name if who.sites and len(who.sites) == 1 else None
        place = places.find(everything, query.thread, query.site or only, None)
        thread = await threads.named(tx, place.site.id, place.ref.name) if who.reaches(place.site.id) else None
        thread_id = thread.id if thread else "none"
    email = getattr(query, "email", None)
    status = query.status or (Standing.ANY if query.reported else Standing.PENDING)
    return queue.Search(
        status=None if status is Standing.ANY else Status(status),
        sites=reach,
        thread_id=thread_id,
        q=query.q,
        reason=query.reason,
        since=forms.moment("since", query.since),
        until=forms.moment("until", query.until),
        email_digests=tuple(service.keyring.digests(email)) if email else None,
        network=getattr(query, "network", None),
        reported=query.reported,
    )


async def _for_moderators(
    tx: Transaction, service: Service, who: Principal, page: Sequence[Comment]
) -> list[dict[str, Any]]:
    """The fields of a ``ModeratorComment`` for each, in a handful of statements for all of them."""
    ids = [comment.id for comment in page]
    private = await contacts.several(tx, ids)
    decided = await history.latest_decisions(tx, ids)
    verdicts = await _verdicts(tx, list(decided.values()))
    beside = await threads.several(tx, sorted({comment.thread_id for comment in page}))
    parents = await comments.several(tx, sorted({comment.parent_id for comment in page if comment.parent_id}))
    records = await _records(tx, who, [contact.email_digest for contact in private.values()])
    from_network = await contacts.waiting(tx, ids, who.sites, MOST_ALIKE + 1)
    with_text = await queue.same_text(tx, ids, who.sites, MOST_ALIKE + 1)
    names = {site.id: site.name for site in (await places.directory(tx, service)).sites}
    return [
        _card(
            comment,
            email=_email(service, who, private.get(comment.id)),
            contact=private.get(comment.id),
            reasons=_reasons(decided.get(comment.id), verdicts),
            records=records,
            alike=max(_from(private.get(comment.id), from_network), with_text.get(comment.text_digest, 0)),
            parent=parents.get(comment.parent_id or ""),
            thread=beside[comment.thread_id],
        )
        | {"site": names[comment.site_id]}
        for comment in page
    ]


def _from(contact: Contact | None, counted: Mapping[str, int]) -> int:
    return counted.get(contact.network or "", 0) if contact else 0


def _card(
    comment: Comment,
    *,
    email: str | None,
    contact: Contact | None,
    reasons: list[Reason],
    records: Mapping[str, Record],
    alike: int,
    parent: Comment | None,
    thread: Thread,
) -> dict[str, Any]:
    """What readers may see, and over it what moderators see whatever the status."""
    return reading.public_fields(comment) | {
        "name": comment.name,
        "website": comment.website,
        "html": comment.html,
        "edited_at": comment.edited_at,
        "deleted": comment.erased_at is not None,
        "status": comment.status,
        "comment": comment.text,
        "email": email,
        "network": contact.network if contact else None,
        "reasons": reasons,
        "author": records.get(contact.email_digest, Record()) if contact else Record(),
        "parent_excerpt": _excerpt(parent),
        "similar": min(MOST_ALIKE, max(0, alike - (comment.status is Status.PENDING))),
        "thread": _thread_for_moderators(thread, comment),
        "note": comment.note,
        "version": comment.version,
        "reports": comment.reports,
    }


async def _records(tx: Transaction, who: Principal, digests: Sequence[str]) -> dict[str, Record]:
    counted: dict[str, dict[str, int]] = {}
    for row in await contacts.records(tx, sorted(set(digests)), who.sites):
        counted.setdefault(row["email_digest"], {})[row["status"]] = row["number"]
    return {digest: Record(**numbers) for digest, numbers in counted.items()}


def _email(service: Service, who: Principal, contact: Contact | None) -> str | None:
    if contact is None:
        return None
    email = service.keyring.unseal(contact.email_sealed)
    return email.reveal() if who.may(Scope.MODERATE) else email.masked()


async def _verdicts(tx: Transaction, decisions: Sequence[Row]) -> dict[str, list[Row]]:
    """What other rules thought beside decisions that rules made, by the decision's id."""
    by_rules = [row["id"] for row in decisions if row["made_by"].startswith("rule:")]
    found: dict[str, list[Row]] = {}
    for row in await history.verdicts(tx, by_rules) if by_rules else ():
        found.setdefault(row["decision_id"], []).append(row)
    return found


def _reasons(decision: Row | None, verdicts: Mapping[str, Sequence[Row]]) -> list[Reason]:
    """Why a comment stands where it stands: who decided last, then what other rules thought."""
    if decision is None:
        return []
    others = [Reason(row["rule"], row["reason"], row["rule_id"]) for row in verdicts.get(decision["id"], ())]
    return [Reason(decision["made_by"], decision["reason"], decision["rule_id"]), *others]


def _excerpt(parent: Comment | None) -> str | None:
    if parent is None:
        return None
    text = " ".join(parent.text.split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT].rstrip()}…"


def _thread_for_moderators(thread: Thread, comment: Comment) -> PublicThread:
    """Before a thread is public, its address and title are what this comment's page said."""
    url, title = thread.url, thread.title
    if thread.published_at is None:
        url, title = url or comment.page_url, title or comment.page_title
    return PublicThread(thread.key, url, title, thread.closed_at is not None, thread.approved)


async def detail(service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    """All about one comment: its words at every version, every decision and action.

    Raises:
        NotFound: there is none, or it is on another site.
    """
    return await service.db.read_private(_detail, service, who, comment_id)


async def _detail(tx: Transaction, service: Service, who: Principal, comment_id: str) -> ModeratorDetail:
    comment = await reachable(tx, who, comment_id)
    (card,) = await _for_moderators(tx, service, who, [comment])
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
            for row in await history.actions_on(tx, comment.id)
        ],
        reported=[
            ReportRecord(row["reason"], row["created_at"], row["settled_at"])
            for row in await reports.of(tx, comment.id)
        ],
    )


async def _decisions(tx: Transaction, comment_id: str) -> list[DecisionRecord]:
    decisions = await history.decisions(tx, [comment_id])
    verdicts = await _verdicts(tx, decisions)
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


async def reachable(tx: Transaction, who: Principal, comment_id: str) -> Comment:
    """A comment on one of this principal's sites.

    Raises:
        NotFound: there is none.
    """
    comment = await comments.get(tx, comment_id)
    if comment is None or not who.reaches(comment.site_id):
        raise NotFound
    return comment
