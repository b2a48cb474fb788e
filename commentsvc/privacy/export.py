"""Return everything that is stored about an email address."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from commentsvc.audit import log
from commentsvc.comments.schemas import PublicThread
from commentsvc.comments.unpublished import is_not_published
from commentsvc.domain import pagination
from commentsvc.domain.email_address import Email
from commentsvc.domain.hook_verdicts import describe_verdict
from commentsvc.domain.models import Actor, Comment, Status, Thread
from commentsvc.domain.reasons import reason_text
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import ReportRecord
from commentsvc.privacy.schemas import (
    PersonAddress,
    PersonBan,
    PersonBrowser,
    PersonComment,
    PersonConfirmation,
    PersonDelivery,
    PersonExport,
    PersonModerator,
    PersonRevision,
    PersonSubscription,
    PersonVerdict,
)
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.storage import comments, contacts, hook_verdicts, moderators, person_data, reports, revisions, threads
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.hook_verdicts import StoredHookVerdict

PIECE: Final = 50  # comments in one unit of work, so that it is short
PAGE: Final = 1000  # comments in one export: some megabytes


async def export_person(
    service: Service,
    email: Email,
    *,
    for_themselves: bool = False,
    cursor: str | None = None,
    actor: Actor = log.OPERATOR,
) -> PersonExport:
    """Return everything that is stored about an email address: 1,000 comments, and on the first page everything else.

    ``for_themselves``: the owner of the address asks. It leaves out network, browser, notes, decisions, reports, bans
    and deliveries, and shows each status as commenters see it. Otherwise the audit log names ``actor``, but not the
    address. The next page is at ``next_cursor``.

    Raises:
        Invalid: the cursor is not valid.
    """
    after = pagination.decode_cursor(cursor, 1)[0] if cursor else ""
    found: list[PersonComment] = []
    more = True
    while more and len(found) < PAGE:
        piece = await _read_comments(service, email, after, own=for_themselves)
        found += piece
        more = len(piece) == PIECE
        after = piece[-1].id if piece else after
    rest = {} if cursor else await _read_rest(service, email, own=for_themselves)
    total = await count_comments(service, email)
    if not for_themselves and not cursor:
        await _log_export(service, actor, total)
    return PersonExport(
        email=email.reveal(),
        exported_at=service.now(),
        total=total,
        comments=found,
        next_cursor=pagination.encode_cursor(after) if more else None,
        **rest,
    )


@write
async def _log_export(unit: Write, actor: Actor, number: int) -> None:
    await log.add_entry(unit, actor=actor, verb="person_export", site_id=None, body={"comments": number})


@private_read
async def count_comments(unit: PrivateRead, email: Email) -> int:
    """Return the number of comments with an address."""
    return await contacts.count_of_digests(unit, unit.keyring.digests(email))


@private_read
async def _read_comments(unit: PrivateRead, email: Email, after: str, *, own: bool) -> list[PersonComment]:
    rows = await contacts.list_of_digests(unit, unit.keyring.digests(email), after, PIECE)
    ids = [row["comment_id"] for row in rows]
    by_id = await comments.get_many(unit, ids)
    on = await threads.get_many(unit, sorted({comment.thread_id for comment in by_id.values()}))
    directory = await resolve.read_directory.within(unit)
    delivered = defaultdict(list)
    for row in [] if own else await person_data.list_deliveries(unit, ids):
        delivered[row["comment_id"]].append(_delivery(row))
    read = []
    for row in rows:
        comment = by_id[row["comment_id"]]
        fields = await _fields(unit, comment, on[comment.thread_id], directory, own=own)
        if not own:
            fields |= await _fields_of_operators(unit, comment, row) | {"deliveries": delivered[comment.id]}
        read.append(PersonComment(verified=bool(row["verified"]), **fields))
    return read


async def _fields(
    unit: PrivateRead, comment: Comment, thread: Thread, directory: SiteDirectory, *, own: bool
) -> dict[str, Any]:
    earlier = await revisions.list_of_comment(unit, comment.id) if comment.version > 1 else []
    return {
        "id": comment.id,
        "site": directory.by_id(comment.site_id).name,
        "thread": _thread(thread, comment),
        "parent": comment.parent_id,
        "name": comment.name,
        "website": comment.website,
        "comment": comment.text,
        "status": await _status_for_author(unit, comment) if own else comment.status.value,
        "created_at": comment.created_at,
        "edited_at": comment.edited_at,
        "published_at": comment.published_at,
        "revisions": [PersonRevision(row["name"], row["text"], row["created_at"]) for row in earlier],
    }


async def _fields_of_operators(unit: PrivateRead, comment: Comment, contact: Row) -> dict[str, Any]:
    return {
        "email": unit.keyring.unseal(contact["email_sealed"]).reveal(),
        "network": contact["network"],
        "agent": contact["agent"],
        "note": comment.note,
        "decisions": await queue.list_decisions(unit, comment.id),
        "external_check": _verdict(await hook_verdicts.get(unit, comment.id)),
        "reports": [
            ReportRecord(row["reason"], row["created_at"], row["settled_at"])
            for row in await reports.list_of_comment(unit, comment.id)
        ],
    }


def _verdict(stored: StoredHookVerdict | None) -> PersonVerdict | UnsetType:
    return PersonVerdict(reason_text(describe_verdict(stored)), stored.asked_at) if stored else UNSET


async def _status_for_author(unit: PrivateRead, comment: Comment) -> str:
    if comment.status is Status.APPROVED:
        return comment.status.value
    return "not_published" if await is_not_published(unit, comment) else Status.PENDING.value


def _thread(thread: Thread, comment: Comment | None = None) -> PublicThread:
    """Return a thread; before it is public, with address and title as the comment's page had them."""
    url, title = thread.url, thread.title
    if thread.published_at is None and comment is not None:
        url, title = url or comment.page_url, title or comment.page_title
    count = thread.approved if thread.published_at else 0
    return PublicThread(thread.key, url, title, thread.closed_at is not None, count)


@private_read
async def _read_rest(unit: PrivateRead, email: Email, *, own: bool) -> dict[str, Any]:
    digests, directory = unit.keyring.digests(email), await resolve.read_directory.within(unit)
    names = {site.id: site.name for site in directory.sites}
    addresses = await person_data.list_addresses(unit, digests)
    ids = [row["id"] for row in addresses]
    rest: dict[str, Any] = {
        "address": _address(addresses[0]) if addresses else None,
        "subscriptions": await _subscriptions(unit, ids, names),
        "confirmations": [
            PersonConfirmation(names[row["site_id"]], row["created_at"], row["expires_at"], row["used_at"])
            for row in await person_data.list_confirmations(unit, ids)
        ],
        "browsers": [
            PersonBrowser(names[row["site_id"]], row["created_at"])
            for row in await person_data.list_browsers(unit, ids)
        ],
        "mails": [_delivery(row) for row in await person_data.list_mails(unit, digests)],
    }
    if not own:
        rest["bans"] = [
            msgspec.convert(dict(row) | {"site": names.get(row["site_id"])}, PersonBan)
            for row in await person_data.list_bans(unit, digests)
        ]
        rest["moderators"] = await find_moderators(unit, email)
    return rest


async def find_moderators(unit: PrivateRead, email: Email) -> list[PersonModerator]:
    """Return the moderators with an address."""
    digests, sites = unit.keyring.digests(email), await moderators.list_all_sites(unit)
    names = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    return [
        PersonModerator(row["id"], row["name"], [names[one] for one in sites.get(row["id"], ())], row["created_at"])
        for row in await moderators.list_all(unit)
        if row["email_digest"] in digests
    ]


def _address(row: Row) -> PersonAddress:
    return PersonAddress(row["created_at"], row["confirmed_at"], row["suppressed_at"], row["suppressed_for"])


async def _subscriptions(
    unit: PrivateRead, address_ids: Sequence[str], names: Mapping[str, str]
) -> list[PersonSubscription]:
    rows = await person_data.list_subscriptions(unit, address_ids)
    on = await threads.get_many(unit, sorted({row["thread_id"] for row in rows if row["thread_id"]}))
    return [
        PersonSubscription(
            id=row["id"],
            site=names[row["site_id"]],
            scope=row["scope"],
            thread=_thread(on[row["thread_id"]]) if row["thread_id"] in on else None,
            comment=row["comment_id"],
            daily=bool(row["daily"]),
            language=row["language"],
            created_at=row["created_at"],
            confirmed_at=row["confirmed_at"],
        )
        for row in rows
    ]


def _delivery(row: Row) -> PersonDelivery:
    return msgspec.convert({name: row[name] for name in PersonDelivery.__struct_fields__}, PersonDelivery)
