"""Tell subscribers about a comment that has become public, and commenters that theirs was approved."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.ids import with_time
from commentsvc.domain.models import Comment, Status
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.storage import comments, contacts, events, moderators, parcels, subscribers
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.subscribers import Reader

NEW_COMMENT: Final = "new_comment"
DAILY_DIGEST: Final = "daily_digest"
APPROVED: Final = "approved"
READERS_AT_ONCE: Final = 200  # in one unit, so that other writers wait less: 500 took 75 to 330 ms


async def notify_subscribers(unit: Write, happened: Sequence[Event]) -> None:
    """Put a mail into the outbox for each address that a comment concerns, once the comment is public.

    A comment is told once: when it is first public, never when it is restored, and never if it was imported. Those who
    are left after ``READERS_AT_ONCE`` get an event of their own.
    """
    telling = [one for one in happened if one.kind is EventKind.SUBSCRIBERS_LEFT or _makes_public(one)]
    ids = [one.comment_id for one in telling if one.comment_id]
    by_id, imported = await comments.get_many(unit, ids), await subscribers.list_imported(unit, ids)
    room = READERS_AT_ONCE
    for event in telling:
        comment = by_id.get(event.comment_id or "")
        if comment is None or comment.status is not Status.APPROVED or comment.id in imported:
            continue
        if event.kind is EventKind.COMMENT_DECIDED:
            await _tell_commenter(unit, comment, event)
        room -= await _tell_readers(unit, comment, after=event.detail.get("after", ""), most=room)


def _makes_public(event: Event) -> bool:
    if event.kind is EventKind.COMMENT_CREATED:
        return bool(event.detail["status"] == Status.APPROVED)
    return event.kind is EventKind.COMMENT_DECIDED and bool(event.detail.get("first"))


async def _tell_commenter(unit: Write, comment: Comment, event: Event) -> None:
    """Tell the commenter, if they had confirmed before, that their comment was approved."""
    found = await subscribers.list_of_own_comment(unit, comment.id, event.created_at)
    await parcels.add_many(unit, [_mail(APPROVED, comment, reader) for reader in found])


async def _tell_readers(unit: Write, comment: Comment, *, after: str, most: int) -> int:
    """Tell up to this many addresses after this one about a comment; return how many. The others get an event."""
    found = await subscribers.list_readers(unit, comment, after=after, most=most) if most else []
    if len(found) == most:
        await events.add_of_comment(
            unit, EventKind.SUBSCRIBERS_LEFT, comment, {"after": found[-1].address_id if found else after}
        )
    if found:
        own = await _list_digests(unit, comment)
        told = [one for one in found if not (one.is_suppressed or one.is_author or one.email_digest in own)]
        await parcels.add_many(unit, [_mail(NEW_COMMENT, comment, one) for one in told if not one.daily])
        await _add_to_digests(unit, comment, [one for one in told if one.daily])
    return len(found)


def _mail(kind: str, comment: Comment, reader: Reader) -> NewParcel:
    return NewParcel(
        channel=Channel.MAIL,
        kind=kind,
        site_id=comment.site_id,
        thread_id=comment.thread_id,
        comment_id=comment.id,
        owner=reader.subscription_id,
        email_sealed=reader.email_sealed,
        email_digest=reader.email_digest,
    )


async def _add_to_digests(unit: Write, comment: Comment, readers: Sequence[Reader]) -> None:
    """Add a comment to the next daily mail of each address. One that is being sent gets no more: it is for tomorrow."""
    by_address = {reader.address_id: reader for reader in readers}
    for days in (0, 1):
        due = {one.address_id: _next_daily(unit.now(), one.daily_at, days) for one in by_address.values()}
        ids = {with_time(address_id, parse_time(due_at)): address_id for address_id, due_at in due.items()}
        digests = [(id_, _digest(comment, by_address[address_id], due[address_id])) for id_, address_id in ids.items()]
        added = await parcels.add_to_digests(unit, digests)
        by_address = {ids[id_]: by_address[ids[id_]] for id_ in ids if id_ not in added}


def _digest(comment: Comment, reader: Reader, due_at: str) -> NewParcel:
    return NewParcel(
        channel=Channel.MAIL,
        kind=DAILY_DIGEST,
        owner=reader.address_id,
        email_sealed=reader.email_sealed,
        email_digest=reader.email_digest,
        detail=msgspec.json.encode([[comment.id, reader.subscription_id]]).decode(),
        due_at=due_at,
    )


def _next_daily(now: str, daily_at: str, days: int) -> str:
    """Return when the next daily mail is due, or one ``days`` later: always at the same time of day."""
    present, at = parse_time(now), parse_time(daily_at)
    today = present.replace(hour=at.hour, minute=at.minute, second=at.second, microsecond=at.microsecond)
    return format_time(today + timedelta(days=days + (today <= present)))


async def _list_digests(unit: PrivateRead, comment: Comment) -> set[str]:
    """Return the digests of the commenter's address by every secret key; of a moderator's, if a moderator wrote it."""
    contact = (await contacts.get_many(unit, [comment.id])).get(comment.id)
    found = [(contact.email_sealed, contact.email_digest)] if contact else []
    if comment.moderator_id:
        staff = await moderators.list_all(unit)
        found += [(one["email_sealed"], one["email_digest"]) for one in staff if one["id"] == comment.moderator_id]
    digests: set[str] = set()
    for sealed, digest in found:
        email = unit.keyring.unseal(sealed) if sealed else UNREADABLE
        digests.update([digest] if digest else [], [] if email == UNREADABLE else unit.keyring.digests(email))
    return digests
