"""The bodies of requests to webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from commentsvc.comments import shown
from commentsvc.delivery.webhook_schemas import WebhookEvent
from commentsvc.domain.deliveries import Event
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.models import Actor, Comment, ManagedSite, Status, Thread
from commentsvc.storage import comments as stored_comments
from commentsvc.storage import contacts, decisions, sites, threads
from commentsvc.storage.database import Environment, PrivateRead
from commentsvc.storage.webhooks import Webhook


class Facts(Struct, frozen=True, kw_only=True):
    """The facts for the bodies of some events, by id."""

    comments: Mapping[str, Comment]
    threads: Mapping[str, Thread]
    names: Mapping[str, Sequence[str]]  # of threads
    sites: Mapping[str, ManagedSite]
    deciders: Mapping[str, Actor]  # of the latest decision on each comment
    emails: Mapping[str, str]

    def __repr__(self) -> str:
        return "Facts(hidden)"


async def load_facts(unit: PrivateRead, events: Sequence[Event], *, with_emails: bool) -> Facts:
    """Return what is known now about these events: few statements, however many events there are."""
    comment_ids = sorted({event.comment_id for event in events if event.comment_id})
    found = await stored_comments.get_many(unit, comment_ids)
    told = {event.thread_id for event in events if event.thread_id}
    thread_ids = sorted(told | {comment.thread_id for comment in found.values()})  # a merge moves comments
    latest = await decisions.list_latest(unit, comment_ids)
    return Facts(
        comments=found,
        threads=await threads.get_many(unit, thread_ids),
        names=await threads.list_names(unit, thread_ids),
        sites=await sites.get_many(unit, sorted({event.site_id for event in events if event.site_id})),
        deciders={comment_id: decision.actor for comment_id, decision in latest.items()},
        emails=await _load_emails(unit, comment_ids) if with_emails else {},
    )


async def _load_emails(unit: PrivateRead, comment_ids: Sequence[str]) -> dict[str, str]:
    found = await contacts.get_many(unit, comment_ids)
    sealed = {comment_id: contact.email_sealed for comment_id, contact in found.items() if contact.email_sealed}
    opened = {comment_id: unit.keyring.unseal(text) for comment_id, text in sealed.items()}
    return {comment_id: email.reveal() for comment_id, email in opened.items() if email != UNREADABLE}


def build_payload(
    environment: Environment,
    kind: WebhookEvent,
    event: Event,
    detail: Mapping[str, Any],
    facts: Facts,
    webhook: Webhook,
) -> dict[str, Any]:
    """Return the body of a request, with null for everything that the webhook may not see."""
    comment = facts.comments.get(event.comment_id or "") if kind is not WebhookEvent.THREAD_CHANGED else None
    data = _describe_comment(environment, comment, detail, facts, webhook) if comment else {}
    if kind is WebhookEvent.THREAD_CHANGED:
        data["surrogate_keys"] = _surrogate_keys(environment, event, detail)
    thread = facts.threads.get(comment.thread_id if comment else event.thread_id or "")
    data |= _describe_place(environment, event, detail, thread, facts, webhook)
    return {"type": kind.value, "timestamp": event.created_at, "data": data}


def _describe_comment(
    environment: Environment, comment: Comment, detail: Mapping[str, Any], facts: Facts, webhook: Webhook
) -> dict[str, Any]:
    url = environment.config.own_url
    readable = comment.erased_at is None and (webhook.includes_unapproved or comment.status is Status.APPROVED)
    fields = shown.public_fields(comment)
    content = {
        name: getattr(comment, name) if readable else None for name in ("name", "hue", "website", "html", "text")
    }
    email = {"email": facts.emails.get(comment.id)} if webhook.includes_email else {}
    decider = facts.deciders.get(comment.id)
    return {
        "comment": fields
        | content
        | email
        | {"deleted": comment.erased_at is not None, "status": detail.get("status", comment.status.value)},
        "previous_status": detail.get("previous_status"),
        "decided_by": msgspec.structs.asdict(decider) if decider else None,
        "permalink": f"{url}/c/{comment.id}",
        "moderation_url": f"{url}/moderate/comments/{comment.id}",
    }


def _describe_place(
    environment: Environment,
    event: Event,
    detail: Mapping[str, Any],
    thread: Thread | None,
    facts: Facts,
    webhook: Webhook,
) -> dict[str, Any]:
    site = facts.sites.get(event.site_id or "")
    place: dict[str, Any] = {"thread": None, "site": {"id": site.id, "name": site.name} if site else None}
    if removed_site := _open(environment, detail.get("removed_site")):
        place["site"] = removed_site
    elif removed := _open(environment, detail.get("removed")):
        place["thread"] = {"id": event.thread_id, "url": None, "title": None, "removed": True} | removed
    elif thread:
        readable = webhook.includes_unapproved or thread.published_at is not None
        place["thread"] = {
            "id": thread.id,
            "key": thread.key,
            "names": list(facts.names.get(thread.id, ())),
            "url": thread.url if readable else None,
            "title": thread.title if readable else None,
            "removed": False,
        }
    return place


def _surrogate_keys(environment: Environment, event: Event, detail: Mapping[str, Any]) -> list[str]:
    """Return the keys of all answers that a change makes outdated: see COMMENTSVC_SURROGATE_KEYS."""
    if removed_site := _open(environment, detail.get("removed_site")):
        return [f"site-{removed_site['id']}"]
    return [f"thread-{event.thread_id}", f"latest-{event.site_id}", f"empty-{event.site_id}"]


def _open(environment: Environment, encrypted: str | None) -> dict[str, Any] | None:
    text = environment.keyring.decrypt_text(encrypted) if encrypted else None
    opened: dict[str, Any] | None = msgspec.json.decode(text) if text else None
    return opened
