"""The contents of mails to moderators: one comment that waits, or all that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

import msgspec

from commentsvc.access import moderators, preferences
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Principal, Scope, Status
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.moderation import queue_cards
from commentsvc.moderation.schemas import ModeratorComment
from commentsvc.service import search_read, write
from commentsvc.sites import resolve
from commentsvc.storage import comments, decision_links, moderator_mail, thread_list, totals
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.decision_links import StoredLink

MOST_PAGES: Final = 10  # that a digest names


@dataclass(frozen=True)
class Recipient:
    """A moderator who gets mails."""

    who: Principal  # may read only: a mail has no network and no address of a commenter
    email: Email
    language: str  # "": none chosen
    minutes: int  # at least so many between two mails


@dataclass(frozen=True)
class HeldComment:
    """A comment that waits, for a mail with links."""

    recipient: Recipient
    link_id: str
    expires_at: str
    comment: ModeratorComment
    more: int  # other comments that wait on this moderator's sites


@dataclass(frozen=True)
class WaitingPage:
    """A page with comments that wait."""

    title: str
    url: str | None
    pending: int
    site: str


@dataclass(frozen=True)
class Waiting:
    """Everything that waits on a moderator's sites."""

    recipient: Recipient
    site: str | None  # the moderator's only site
    pending: int
    reported: int  # comments with reports, in any status
    pages: Sequence[WaitingPage]  # most first


@write
async def open_links(
    unit: Write, moderator_id: str, parcel_id: str, created_at: str, comment_ids: Sequence[str]
) -> HeldComment | None:
    """Create the links of a mail about the first of these comments that still waits; None if nothing waits.

    Another attempt at the same mail has the same links, unless it is about another comment: a worker may have died
    after the server accepted the mail, and then the links of the first comment were used. A day later, their addresses
    are new, and they work for longer.
    """
    recipient = await _find_recipient(unit, moderator_id)
    if recipient is None:
        return None
    found = await comments.get_many(unit, comment_ids)
    waiting = [found[id_] for id_ in comment_ids if id_ in found and found[id_].status is Status.PENDING]
    comment = next((one for one in waiting if recipient.who.reaches(one.site_id)), None)
    if comment is None:
        return None
    (card,) = await queue_cards.build_cards(unit, recipient.who, [comment])
    # The service may have been off for days since the mail was planned.
    written_at = created_at if created_at > unit.ago(days=1) else unit.now()
    expires_at = format_time(parse_time(written_at) + timedelta(days=decision_links.LINK_DAYS))
    link_id = str(uuid5(UUID(parcel_id), comment.id))
    link = StoredLink(
        id=link_id,
        moderator_id=moderator_id,
        comment_id=comment.id,
        version=comment.version,
        created_at=created_at,
        expires_at=expires_at,
        used_at=None,
        action_id=None,
    )
    await decision_links.add(unit, link)
    await moderator_mail.note_mail(unit, moderator_id, unit.now())
    counted = await totals.count_by_status(unit, recipient.who.sites)
    return HeldComment(recipient, link_id, expires_at, ModeratorComment(**card), max(0, counted["pending"] - 1))


@search_read
async def read_waiting(unit: PrivateRead, moderator_id: str) -> Waiting | None:
    """Return what waits on a moderator's sites; None if nothing waits."""
    recipient = await _find_recipient(unit, moderator_id)
    counted = await totals.count_by_status(unit, recipient.who.sites) if recipient else None
    if recipient is None or counted is None or not (counted["pending"] or counted["reported"]):
        return None
    sites = {
        site.id: site.name
        for site in (await resolve.read_directory.within(unit)).sites
        if recipient.who.reaches(site.id)
    }
    pages = [
        WaitingPage(row["title"] or row["key"], row["url"], row["pending"], sites.get(row["site_id"], ""))
        for row in await thread_list.list_waiting(unit, recipient.who.sites, MOST_PAGES)
    ]
    only = next(iter(sites.values())) if len(sites) == 1 else None
    return Waiting(recipient, only, counted["pending"], counted["reported"], pages)


async def _find_recipient(unit: PrivateRead, moderator_id: str) -> Recipient | None:
    """Return a moderator, with the present address; None if the moderator was removed, or gets no mail."""
    rows = await moderator_mail.list_recipients(unit)
    row = next((one for one in rows if one["id"] == moderator_id), None)
    who = await moderators.load_principal(unit, moderator_id)
    if row is None or who is None:
        return None
    chosen = await preferences.read_preferences(unit, who)
    return Recipient(
        who=msgspec.structs.replace(who, scopes=frozenset({Scope.READ})),
        email=unit.keyring.unseal(row["email_sealed"]),
        language=chosen.language,
        minutes=row["minutes"] or unit.config.mail_minutes,
    )
