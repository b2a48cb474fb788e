"""Plan the mails to moderators about waiting comments.

The first comment that waits is mailed at once; then comes a digest, at most every so many minutes. A digest says what
waits when it is delivered, so one that is planned is enough, whatever comes until then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from commentsvc.domain.deliveries import Channel, Event, EventKind, MailMode, NewParcel, Parcel
from commentsvc.domain.models import ActorKind, Comment, Status
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import write
from commentsvc.storage import comments, decisions, moderator_mail, moderators, parcels
from commentsvc.storage.database import Environment, PrivateRead, Row, Write

HELD: Final = "held"
HELD_DIGEST: Final = "held_digest"
KINDS: Final = (HELD, HELD_DIGEST)


@dataclass(frozen=True)
class News:
    """A comment that a moderator should look at."""

    comment: Comment
    held_by: str | None  # id of the moderator who moved it back to pending
    is_public: bool  # a reader reported it


async def mail_moderators(unit: Write, events: Sequence[Event]) -> None:
    """Plan the mails about comments that now wait, and about public ones that a reader reported.

    A report leads to a digest only: a moderator should read the reports first, in the queue. Spam,
    the trash and imports are never mailed, and a moderator's own decision is not mailed to that moderator.
    """
    news = await _list_news(unit, events) if unit.config.smtp_url else []
    if not news:
        return
    sites = await moderators.list_all_sites(unit)
    for recipient in await moderator_mail.list_recipients(unit):
        own = sites.get(recipient["id"])
        theirs = [one for one in news if one.held_by != recipient["id"] and (own is None or one.comment.site_id in own)]
        if theirs:
            await _plan(unit, recipient, theirs)


async def _list_news(unit: PrivateRead, events: Sequence[Event]) -> list[News]:
    held = {event.comment_id for event in events if _holds(event)}
    reported = {event.comment_id for event in events if event.kind is EventKind.REPORT_CREATED}
    ids = sorted({id_ for id_ in held | reported if id_})
    if not ids:
        return []
    latest = await decisions.list_latest(unit, ids)
    news = []
    for id_, comment in sorted((await comments.get_many(unit, ids)).items()):
        actor = latest[id_].actor if id_ in latest else None
        held_by = actor.id if actor is not None and actor.kind is ActorKind.PERSON else None
        if id_ in held and comment.status is Status.PENDING:
            news.append(News(comment, held_by, is_public=False))
        elif id_ in reported and comment.status is Status.APPROVED and comment.reports:
            news.append(News(comment, None, is_public=True))
    return news


def _holds(event: Event) -> bool:
    match event.kind:
        case EventKind.COMMENT_CREATED:
            return event.detail.get("status") == Status.PENDING
        case EventKind.COMMENT_DECIDED:
            return event.detail.get("to") == Status.PENDING
    return False


async def _plan(unit: Write, recipient: Row, news: Sequence[News]) -> None:
    """Plan the next mail to a moderator, unless a digest is planned already."""
    last = await moderator_mail.lock(unit, recipient["id"])
    if await parcels.is_planned(unit, HELD_DIGEST, recipient["id"]):
        return
    minutes = recipient["minutes"] or unit.config.mail_minutes
    waiting = [one.comment for one in news if not one.is_public]
    at_once = recipient["mode"] == MailMode.NOW
    due_at = _due_at(unit, last, minutes, at_once=at_once)
    is_first = at_once and due_at <= unit.now() and not await parcels.list_waiting(unit, KINDS, recipient["id"])
    parcel = _of_comments(waiting) if is_first and waiting else _digest()
    sealed = {"email_sealed": recipient["email_sealed"], "email_digest": recipient["email_digest"]}
    await parcels.add(unit, msgspec.structs.replace(parcel, owner=recipient["id"], due_at=due_at, **sealed))
    await moderator_mail.note_mail(unit, recipient["id"], due_at)


def _due_at(env: Environment, last: str | None, minutes: int, *, at_once: bool) -> str:
    """Return when the next mail is due. A time after ``last`` that is too far ahead comes from a wrong clock."""
    earliest, latest = env.now(), env.ahead(minutes=minutes)
    if last is None:
        return earliest if at_once else latest
    due_at = min(format_time(parse_time(last) + timedelta(minutes=minutes)), latest)
    return max(due_at, earliest) if at_once or due_at > earliest else latest


def _of_comments(waiting: Sequence[Comment]) -> NewParcel:
    """Return the mail about the first of these comments that still waits when it is delivered.

    It belongs to a comment, a thread or a site only if all of them do: else it would go when one of them is erased,
    and nobody would hear of the others.
    """
    return NewParcel(
        channel=Channel.MAIL,
        kind=HELD,
        urgent=1,
        site_id=_only(comment.site_id for comment in waiting),
        thread_id=_only(comment.thread_id for comment in waiting),
        comment_id=_only(comment.id for comment in waiting),
        detail=msgspec.json.encode({"comments": [comment.id for comment in waiting]}).decode(),
    )


def _only(ids: Iterable[str]) -> str | None:
    """Return the id that all of these are; None if they differ."""
    found = set(ids)
    return found.pop() if len(found) == 1 else None


def _digest() -> NewParcel:
    return NewParcel(channel=Channel.MAIL, kind=HELD_DIGEST, urgent=1)


def list_comments(parcel: Parcel) -> list[str]:
    """Return the ids of the comments that a mail is about, the first one first."""
    found: list[str] = msgspec.json.decode(parcel.detail).get("comments", [])
    return found


@write
async def begin_digest(unit: Write, parcel: Parcel) -> bool:
    """Note that a digest is written now. Return False if an earlier one says the same.

    Its last attempt began after this one was planned. This happens after a long outage of the mail server.
    """
    planned = await parcels.list_waiting(unit, [HELD_DIGEST], parcel.owner or "")
    if any(one.id < parcel.id and (one.tried_at or "") > parcel.created_at for one in planned):
        return False
    await moderator_mail.note_mail(unit, parcel.owner or "", unit.now())
    return True
