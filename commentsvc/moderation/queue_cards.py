"""The service puts together what a moderator is shown of a comment."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from commentsvc.comments import read
from commentsvc.comments.schemas import PublicThread
from commentsvc.domain.models import Comment, Contact, Principal, Scope, Status, Thread
from commentsvc.moderation.schemas import AuthorRecord, Reason
from commentsvc.sites import resolve
from commentsvc.storage import comments, contacts, queue, threads
from commentsvc.storage import decisions as storage_decisions
from commentsvc.storage.database import Environment, PrivateRead, Row

EXCERPT: Final = 160
MAX_SIMILAR: Final = 1000  # so many are counted; a page then costs the same however long the queue is


async def build_cards(unit: PrivateRead, who: Principal, page: Sequence[Comment]) -> list[dict[str, Any]]:
    """The fields of a ``ModeratorComment`` for each, in a handful of statements for all of them."""
    ids = [comment.id for comment in page]
    private = await contacts.get_many(unit, ids)
    decided = await storage_decisions.list_latest(unit, ids)
    waiting = [comment.id for comment in page if comment.status is Status.PENDING]
    judged = decided | await storage_decisions.list_latest(unit, waiting, by="rule:%")
    heard = await load_verdicts(unit, list(judged.values()))
    beside = await threads.get_many(unit, sorted({comment.thread_id for comment in page}))
    parents = await comments.get_many(unit, sorted({comment.parent_id for comment in page if comment.parent_id}))
    records = await _records(unit, who, [contact.email_digest for contact in private.values()])
    from_network = await contacts.count_pending_by_network(unit, ids, who.sites, MAX_SIMILAR + 1)
    with_text = await queue.count_same_text(unit, ids, who.sites, MAX_SIMILAR + 1)
    names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    return [
        _card(
            comment,
            email=_email(unit, who, private.get(comment.id)),
            contact=private.get(comment.id),
            reasons=_reasons(decided.get(comment.id), judged.get(comment.id), heard),
            records=records,
            waiting=(_from(private.get(comment.id), from_network), with_text.get(comment.text_digest, 0)),
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
    records: Mapping[str, AuthorRecord],
    waiting: tuple[int, int],
    parent: Comment | None,
    thread: Thread,
) -> dict[str, Any]:
    """What readers may see, and over it what moderators see whatever the status."""
    network, text = (_count_others(comment, number) for number in waiting)
    return read.public_fields(comment) | {
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
        "author": records.get(contact.email_digest, AuthorRecord()) if contact else AuthorRecord(),
        "parent_name": parent.name if parent else None,
        "parent_excerpt": _excerpt(parent),
        "similar": max(network, text),
        "similar_network": network,
        "similar_text": text,
        "thread": _thread_for_moderators(thread, comment),
        "note": comment.note,
        "version": comment.version,
        "reports": comment.reports,
    }


def _count_others(comment: Comment, waiting: int) -> int:
    return min(MAX_SIMILAR, max(0, waiting - (comment.status is Status.PENDING)))


async def _records(unit: PrivateRead, who: Principal, digests: Sequence[str]) -> dict[str, AuthorRecord]:
    counted: dict[str, dict[str, int]] = {}
    for row in await contacts.count_by_email(unit, sorted(set(digests)), who.sites):
        counted.setdefault(row["email_digest"], {})[row["status"]] = row["number"]
    return {digest: AuthorRecord(**numbers) for digest, numbers in counted.items()}


def _email(env: Environment, who: Principal, contact: Contact | None) -> str | None:
    if contact is None:
        return None
    email = env.keyring.unseal(contact.email_sealed)
    return email.reveal() if who.may(Scope.MODERATE) else email.masked()


async def load_verdicts(unit: PrivateRead, decisions: Sequence[Row]) -> dict[str, list[Row]]:
    """What other rules thought beside decisions that rules made, by the decision's id."""
    by_rules = [row["id"] for row in decisions if row["made_by"].startswith("rule:")]
    found: dict[str, list[Row]] = {}
    for row in await storage_decisions.list_verdicts(unit, by_rules) if by_rules else ():
        found.setdefault(row["decision_id"], []).append(row)
    return found


def _reasons(decided: Row | None, judged: Row | None, heard: Mapping[str, Sequence[Row]]) -> list[Reason]:
    """Why a comment stands where it stands: who decided last, then what other rules thought.

    Of one that a person put back among those that wait, also what rules held it for.
    """
    latest = {row["id"]: row for row in (decided, judged) if row is not None}
    others = heard.get(judged["id"], ()) if judged else ()
    return [Reason(row["made_by"], row["reason"], row["rule_id"]) for row in latest.values()] + [
        Reason(row["rule"], row["reason"], row["rule_id"]) for row in others
    ]


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
