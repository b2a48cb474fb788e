"""Turns events into parcels for webhooks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from commentsvc.delivery import webhook_payloads
from commentsvc.delivery.webhook_payloads import Facts, load_facts
from commentsvc.delivery.webhook_schemas import WebhookEvent
from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel
from commentsvc.domain.models import Status
from commentsvc.storage import parcels, webhooks
from commentsvc.storage.database import Write
from commentsvc.storage.webhooks import Webhook

OF_STATUS: Final = {
    Status.PENDING: WebhookEvent.HELD,
    Status.APPROVED: WebhookEvent.APPROVED,
    Status.SPAM: WebhookEvent.SPAM,
    Status.TRASH: WebhookEvent.TRASHED,
}


@dataclass(frozen=True)
class Told:
    """One thing to tell: its type, and the event that it comes from."""

    type: WebhookEvent
    event: Event
    detail: dict[str, Any]


async def tell_webhooks(unit: Write, events: Sequence[Event]) -> None:
    """Add a parcel for each of these events and each active webhook that wants it."""
    active = await webhooks.list_active(unit)
    if not active:
        return
    facts = await load_facts(unit, events, with_emails=any(webhook.includes_email for webhook in active))
    new: list[NewParcel] = []
    for told in (*_derive_types(events, facts), *_list_changed_threads(events, facts)):
        new += _tell(unit, told, [one for one in active if one.wants(told.type, told.event.site_id)], facts)
    await parcels.add_many(unit, new)


def _derive_types(events: Sequence[Event], facts: Facts) -> Iterator[Told]:
    """Yield what events of comments mean. One about a comment that is gone by now means nothing."""
    for event in events:
        if event.comment_id not in facts.comments:
            continue
        if event.kind is EventKind.COMMENT_CREATED:
            yield Told(WebhookEvent(event.kind.value), event, event.detail)
            yield Told(OF_STATUS[Status(event.detail["status"])], event, event.detail)
        elif event.kind is EventKind.COMMENT_DECIDED:
            status = Status(event.detail["to"])
            yield Told(OF_STATUS[status], event, {"status": status.value, "previous_status": event.detail["from"]})
        elif event.kind in {EventKind.COMMENT_EDITED, EventKind.COMMENT_DELETED, EventKind.REPORT_CREATED}:
            yield Told(WebhookEvent(event.kind.value), event, {})


def _list_changed_threads(events: Sequence[Event], facts: Facts) -> list[Told]:
    """Return one change for each thread of which readers see something else now, and for each removed site."""
    changed = dict[str, Told]()
    for event in events:
        removed = event.detail.get("removed") or event.detail.get("removed_site")
        if not _is_public_change(event, facts) or not (removed or event.thread_id in facts.threads):
            continue
        key = event.thread_id or str(event.seq)
        if key not in changed or removed:
            changed[key] = Told(WebhookEvent.THREAD_CHANGED, event, event.detail if removed else {})
    return list(changed.values())


def _is_public_change(event: Event, facts: Facts) -> bool:
    approved = Status.APPROVED.value
    match event.kind:
        case EventKind.THREAD_CHANGED:
            return True
        case EventKind.COMMENT_CREATED:
            return bool(event.detail["status"] == approved)
        case EventKind.COMMENT_DECIDED:
            return approved in {event.detail["from"], event.detail["to"]}
        case EventKind.COMMENT_DELETED:
            return bool(event.detail["from"] == approved)
        case EventKind.COMMENT_EDITED:
            comment = facts.comments.get(event.comment_id or "")
            return comment is not None and comment.status is Status.APPROVED
    return False


def _tell(unit: Write, told: Told, wanting: Sequence[Webhook], facts: Facts) -> Iterator[NewParcel]:
    """Yield a parcel for each of these webhooks. Those that may see the same have the same body."""
    bodies = dict[tuple[bool, bool], str]()
    event = told.event
    for webhook in wanting:
        options = webhook.includes_unapproved, webhook.includes_email
        if options not in bodies:
            payload = webhook_payloads.build_payload(unit, told.type, event, told.detail, facts, webhook)
            bodies[options] = unit.keyring.encrypt_text(msgspec.json.encode(payload).decode())
        yield NewParcel(
            channel=Channel.WEBHOOK,
            kind=told.type.value,
            site_id=event.site_id,
            thread_id=event.thread_id,
            comment_id=None if told.type is WebhookEvent.THREAD_CHANGED else event.comment_id,
            owner=webhook.id,
            detail=bodies[options],
        )
