"""A moderator looks: the queue, a search, all about one comment."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc import cursors, forms, places, reading
from commentsvc.errors import (
    Fault,
    Invalid,
    NotFound,
)
from commentsvc.model import Comment, Contact, Principal, Scope, Status, Thread
from commentsvc.service import Service
from commentsvc.shapes import (
    ActionRecord,
    DecisionRecord,
    ModeratorComment,
    ModeratorDetail,
    PublicThread,
    Queue,
    QueueQuery,
    Reason,
    Record,
    Revision,
    Standing,
    Totals,
    Where,
)
from commentsvc.store import Transaction, comments, contacts, history, queue, threads

EXCERPT: Final = 160


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
    totals = {row["status"]: row["number"] for row in await comments.totals(tx, wanted.sites)}
    cursor = cursors.encoded(page[-1].id) if len(found) > query.limit else None
    return Queue([ModeratorComment(**card) for card in shown], Totals(**totals), cursor)


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
    return queue.Search(
        status=None if query.status is Standing.ANY else Status(query.status),
        sites=reach,
        thread_id=thread_id,
        q=query.q,
        reason=query.reason,
        since=forms.moment("since", query.since),
        until=forms.moment("until", query.until),
        email_digests=tuple(service.keyring.digests(email)) if email else None,
        network=getattr(query, "network", None),
    )


async def _for_moderators(
    tx: Transaction, service: Service, who: Principal, page: Sequence[Comment]
) -> list[dict[str, Any]]:
    """The fields of a ``ModeratorComment`` for each, in a handful of statements for all of them."""
    ids = [comment.id for comment in page]
    private = await contacts.several(tx, ids)
    decided = await history.decisions(tx, ids)
    beside = await threads.several(tx, sorted({comment.thread_id for comment in page}))
    parents = await comments.several(tx, sorted({comment.parent_id for comment in page if comment.parent_id}))
    records = await _records(tx, who, [contact.email_digest for contact in private.values()])
    networks = sorted({contact.network for contact in private.values() if contact.network})
    from_network = await contacts.waiting(tx, networks, who.sites)
    with_text = await queue.same_text(tx, sorted({comment.text_digest for comment in page}), who.sites)
    names = {site.id: site.name for site in (await places.directory(tx, service)).sites}
    return [
        _card(
            comment,
            email=_email(service, who, private.get(comment.id)),
            contact=private.get(comment.id),
            reasons=_reasons(comment, decided),
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
        "similar": max(0, alike - (comment.status is Status.PENDING)),
        "thread": _thread_for_moderators(thread, comment),
        "note": comment.note,
        "version": comment.version,
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


def _reasons(comment: Comment, decided: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """Of the latest decision: why the comment stands where it stands."""
    mine = [row for row in decided if row["comment_id"] == comment.id]
    return [Reason(row["made_by"], row["reason"]) for row in mine[-1:]]


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
        decisions=[
            DecisionRecord(Status(row["status"]), row["reason"], row["made_by"], row["created_at"], row["action_id"])
            for row in await history.decisions(tx, [comment.id])
        ],
        revisions=[
            Revision(row["version"], row["name"], row["text"], row["edited_by"], row["created_at"])
            for row in await history.revisions(tx, comment.id)
        ],
        actions=[
            ActionRecord(row["id"], row["verb"], row["made_by"], row["note"], row["created_at"], row["undone_by"])
            for row in await history.actions_on(tx, comment.id)
        ],
    )


async def reachable(tx: Transaction, who: Principal, comment_id: str) -> Comment:
    """A comment on one of this principal's sites.

    Raises:
        NotFound: there is none.
    """
    comment = await comments.get(tx, comment_id)
    if comment is None or not who.reaches(comment.site_id):
        raise NotFound
    return comment
