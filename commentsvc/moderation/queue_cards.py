"""Build the data of comments as moderators see them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from commentsvc.comments import shown
from commentsvc.comments.schemas import PublicThread
from commentsvc.domain.hook_verdicts import HOOK, HookVerdict, describe_verdict
from commentsvc.domain.models import Actor, ActorKind, Comment, Contact, Effect, Principal, Scope, Status, Thread
from commentsvc.domain.reasons import Reason, reason_text
from commentsvc.moderation.schemas import AuthorRecord, ReasonRecord
from commentsvc.sites import closing, resolve
from commentsvc.spam.recall import Comparable, count_like_spam
from commentsvc.storage import comments, contacts, decisions, hook_verdicts, queue, reports, threads
from commentsvc.storage.database import Environment, PrivateRead
from commentsvc.storage.decisions import StoredDecision

EXCERPT: Final = 160
MAX_SIMILAR: Final = 1000  # no more are counted, so the cost of a page does not grow with the number of comments
MAX_REPORTS: Final = 3  # reasons of one comment
MAX_NAMESAKES: Final = 500  # latest approved comments under one name that are counted
KNOWN: Final = 3  # approved comments from which a name belongs to somebody
MAX_RECORD: Final = 100  # so many comments of a commenter are counted: nobody decides otherwise after more


async def build_cards(unit: PrivateRead, who: Principal, page: Sequence[Comment]) -> list[dict[str, Any]]:
    """Return the fields of a ``ModeratorComment`` for each comment, with few statements for all of them."""
    if not page:
        return []  # for no ids at all, the statements below find nothing
    ids = [comment.id for comment in page]
    contact_by_id = await _load_contacts(unit, who, ids)
    latest = await decisions.list_latest(unit, ids)
    waiting = [comment for comment in page if comment.status is Status.PENDING]
    by_rules = latest | await decisions.list_latest(unit, [comment.id for comment in waiting], by_rules=True)
    by_id = await threads.get_many(unit, sorted({comment.thread_id for comment in page}))
    checked = await hook_verdicts.get_many(unit, ids)
    parents = await comments.get_many(unit, sorted({comment.parent_id for comment in page if comment.parent_id}))
    records = await _records(unit, who, [one.email_digest for one in contact_by_id.values() if one.email_digest])
    namesakes = await _namesakes(unit, page, contact_by_id)
    reasons = await reports.list_reasons(unit, [comment.id for comment in page if comment.reports], MAX_REPORTS)
    scores = await contacts.get_spam_scores(unit, ids)
    in_network = await contacts.count_pending_by_network(unit, ids, who.sites, MAX_SIMILAR + 1)
    with_text = await queue.count_same_text(unit, ids, who.sites, MAX_SIMILAR + 1)
    like_spam = await count_like_spam(unit, list(map(_comparable, waiting)))
    sites = {site.id: site for site in (await resolve.read_directory.within(unit)).sites}
    return [
        _card(
            comment,
            email=_email(unit, who, contact_by_id.get(comment.id)),
            contact=contact_by_id.get(comment.id),
            reasons=_reasons(latest.get(comment.id), by_rules.get(comment.id), checked.get(comment.id)),
            records=records,
            waiting=(_from_network(contact_by_id.get(comment.id), in_network), with_text.get(comment.text_digest, 0)),
            parent=parents.get(comment.parent_id or ""),
            thread=closing.close_by_age(unit, sites[comment.site_id], by_id[comment.thread_id]),
        )
        | {
            "site": sites[comment.site_id].name,
            "report_reasons": reasons.get(comment.id, []),
            "namesake": namesakes.get(comment.id, 0),
            "spam_score": scores[comment.id] / 1000 if comment.id in scores else None,
            "like_spam": like_spam.get(comment.id, 0),
        }
        for comment in page
    ]


def _comparable(comment: Comment) -> Comparable:
    return Comparable(comment.id, comment.site_id, comment.html, comment.website)


async def _load_contacts(unit: PrivateRead, who: Principal, ids: Sequence[str]) -> dict[str, Contact]:
    found = await contacts.get_many(unit, ids)
    if who.may(Scope.MODERATE):
        return found
    return {id_: msgspec.structs.replace(contact, network=None) for id_, contact in found.items()}


def _from_network(contact: Contact | None, counted: Mapping[str, int]) -> int:
    return counted.get(contact.network or "", 0) if contact else 0


def _card(
    comment: Comment,
    *,
    email: str | None,
    contact: Contact | None,
    reasons: list[ReasonRecord],
    records: Mapping[str, AuthorRecord],
    waiting: tuple[int, int],
    parent: Comment | None,
    thread: Thread,
) -> dict[str, Any]:
    """Return the public fields, replaced by what moderators see with any status, and the moderators' own fields."""
    from_network, with_text = (_count_others(comment, number) for number in waiting)
    return shown.public_fields(comment) | {
        "name": comment.name,
        "hue": comment.hue,
        "website": comment.website,
        "html": comment.html,
        "edited_at": comment.edited_at,
        "deleted": comment.erased_at is not None,
        "status": comment.status,
        "comment": comment.text,
        "email": email,
        "verified": bool(contact and contact.verified),
        "network": contact.network if contact else None,
        "reasons": reasons,
        "author": records.get((contact and contact.email_digest) or "", AuthorRecord()),
        "parent_name": parent.name if parent else None,
        "parent_excerpt": _excerpt(parent),
        "similar": max(from_network, with_text),
        "similar_network": from_network,
        "similar_text": with_text,
        "thread": _thread_for_moderators(thread, comment),
        "thread_id": thread.id,
        "note": comment.note,
        "version": comment.version,
        "reports": comment.reports,
    }


def _count_others(comment: Comment, waiting: int) -> int:
    return min(MAX_SIMILAR, max(0, waiting - (comment.status is Status.PENDING)))


async def _records(unit: PrivateRead, who: Principal, digests: Sequence[str]) -> dict[str, AuthorRecord]:
    counted: dict[str, dict[str, int]] = {}
    for row in await contacts.count_by_email(unit, sorted(set(digests)), who.sites, MAX_RECORD):
        counted.setdefault(row["email_digest"], {})[row["status"]] = row["number"]
    return {digest: AuthorRecord(**numbers) for digest, numbers in counted.items()}


async def _namesakes(
    unit: PrivateRead, page: Sequence[Comment], contact_by_id: Mapping[str, Contact]
) -> dict[str, int]:
    """Return by comment id how many approved comments another commenter has under the same name.

    Only of pending comments, and only if that commenter is known and the address of this comment is not.
    """
    waiting = {comment.id: contact_by_id.get(comment.id) for comment in page if comment.status is Status.PENDING}
    named = {id_: (one.site_id, one.name_key) for id_, one in waiting.items() if one and one.name_key}
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for row in await contacts.find_namesakes(unit, sorted(set(named.values())), MAX_NAMESAKES):
        counted.setdefault((row["site_id"], row["name_key"]), {})[row["email_digest"]] = row["number"]
    found = {}
    for id_, name in named.items():
        if name not in counted:
            continue
        own = set(_digests(unit, waiting[id_]))
        others = [number for digest, number in counted[name].items() if digest not in own]
        if sum(counted[name].get(digest, 0) for digest in own) < KNOWN <= max(others, default=0):
            found[id_] = max(others)
    return found


def _digests(env: Environment, contact: Contact | None) -> Sequence[str]:
    """Return the digests of a commenter's address, also by older secret keys."""
    if contact is None or contact.email_sealed is None:
        return ()
    return [contact.email_digest or "", *env.keyring.digests(env.keyring.unseal(contact.email_sealed))]


def _email(env: Environment, who: Principal, contact: Contact | None) -> str | None:
    if contact is None or contact.email_sealed is None:
        return None
    email = env.keyring.unseal(contact.email_sealed)
    return email.reveal() if who.may(Scope.MODERATE) else email.masked()


def reason_fields(actor: Actor, reason: Reason | None, note: str | None = None) -> dict[str, Any]:
    """Return the fields of a ``ReasonRecord``: a rule's reason in words, or a person's note."""
    return {
        "actor": actor,
        "code": reason.code if reason else None,
        "args": reason.args if reason else {},
        "text": note or (reason_text(reason) if reason else ""),
    }


def _reasons(
    latest: StoredDecision | None, by_rules: StoredDecision | None, checked: HookVerdict | None
) -> list[ReasonRecord]:
    """Return the reasons for a comment's status: the latest decision first, then the other rules that matched.

    For a comment that a person moved back to pending, the reasons of the rules that held it follow. The verdict of the
    external check is the last one, unless it is the latest decision.
    """
    deciding = {one.seq: one for one in (latest, by_rules) if one is not None}  # they may be the same decision
    found = [reason_fields(one.actor, one.reason, one.note) for one in deciding.values()]
    for one in by_rules.verdicts if by_rules else ():
        fields = reason_fields(one.actor, one.reason)
        found.append(fields | ({"effect": one.effect} if one.effect is Effect.NOTE else {}))
    if checked and not (latest and latest.actor.kind is ActorKind.HOOK):
        found.append(reason_fields(HOOK, describe_verdict(checked)))
    return [ReasonRecord(**fields) for fields in found]


def _excerpt(parent: Comment | None) -> str | None:
    if parent is None:
        return None
    text = " ".join(parent.text.split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT].rstrip()}…"


def _thread_for_moderators(thread: Thread, comment: Comment) -> PublicThread:
    """Return the thread. Before it is public, it has the address of this comment's page.

    Without a title it has that of this comment's page: approving the comment makes it public.
    """
    url = thread.url or (comment.page_url if thread.published_at is None else None)
    return PublicThread(
        thread.key, url, thread.title or comment.page_title, thread.closed_at is not None, thread.approved
    )
