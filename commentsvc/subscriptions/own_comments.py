"""Show people their own comments, by a link that is mailed to their address."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

import msgspec
from msgspec import Struct

from commentsvc.access import rate_limit
from commentsvc.audit.erasures import note_erasures
from commentsvc.comments import edit, erase, receipts, unpublished
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.errors import NotAuthor, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Comment, Contact, Site, Status, Thread, Visit
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import (
    address_contacts,
    addresses,
    comments,
    contacts,
    events,
    parcels,
    subscriptions,
    threads,
)
from commentsvc.storage.addresses import Address
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.subscriptions import mail_limits
from commentsvc.subscriptions.confirm import ConfirmedPage
from commentsvc.subscriptions.manage import create_page_token

REQUESTS: Final = "own comments "  # counted apart from comments
LINK_DAYS: Final = 1
PAGE: Final = 50
MAIL: Final = "own_comments"  # the kind of its parcel


class OwnComment(Struct, frozen=True, kw_only=True):
    """A comment as its commenter sees it. Spam looks like waiting."""

    comment: Comment
    site: Site
    thread: Thread
    state: Literal["waiting", "public", "not_published"]
    may_edit: bool

    @property
    def page(self) -> ConfirmedPage:
        """The page that it was sent from."""
        return ConfirmedPage(self.site, self.thread, self.comment.page_url)


class OwnComments(Struct, frozen=True, kw_only=True):
    """A page of the comments with an address, newest first."""

    email: Email
    comments: list[OwnComment]
    next_before: str | None  # id for the next page
    mail_token: str | None  # of the page of the address's mails; None if there are none

    def __repr__(self) -> str:
        return "OwnComments(hidden)"


@write
async def request_link(unit: Write, email: Email, language: str, visit: Visit) -> None:
    """Ask for a mail with a link to the comments with an address. Whether there are any, only the mail tells.

    Raises:
        RateLimited: the network has asked too often.
    """
    await rate_limit.check_rate_limit.within(unit, visit, REQUESTS)
    await events.add(unit, EventKind.OWN_COMMENTS_REQUESTED, site_id=None, detail={"language": language}, email=email)


async def mail_links(unit: Write, happened: Sequence[Event]) -> None:
    """Turn requests into mails, if there is anything to show and the address got few of them today."""
    for event in happened:
        if event.kind is EventKind.OWN_COMMENTS_REQUESTED and event.email_sealed:
            await _mail_link(unit, event, unit.keyring.unseal(event.email_sealed))


async def _mail_link(unit: Write, event: Event, email: Email) -> None:
    digests = unit.keyring.digests(email)
    known = await addresses.find(unit, digests)
    subscribed = known is not None and bool(await subscriptions.list_of_address(unit, known.id))
    if email == UNREADABLE or not (subscribed or await address_contacts.is_any(unit, digests)):
        return
    address = known or await addresses.find_or_add(unit, email)
    if address.suppressed_at or not await mail_limits.take_link(unit, address):
        return
    parcel = NewParcel(
        channel=Channel.MAIL,
        kind=MAIL,
        urgent=1,
        owner=address.id,
        email_sealed=event.email_sealed,
        email_digest=event.email_digest,
        detail=msgspec.json.encode(event.detail).decode(),
    )
    await parcels.add(unit, parcel)


def create_link_token(env: Environment, address_id: str, asked_at: str) -> tuple[str, str]:
    """Return the token of the link in a mail, and its end. They are the same in every attempt to deliver the mail."""
    until = parse_time(asked_at) + timedelta(days=LINK_DAYS)
    return env.keyring.token("own_comments", address_id, until), format_time(until)


@private_read
async def find_recipient(unit: PrivateRead, address_id: str) -> Address | None:
    """Return the address that a mail goes to; None if it must get none."""
    address = await addresses.get(unit, address_id)
    return None if address is None or address.suppressed_at else address


async def _owner(unit: PrivateRead, token: str) -> Address:
    address_id = unit.keyring.subject("own_comments", token, unit.clock())
    address = await addresses.get(unit, address_id) if address_id else None
    if address is None:
        raise NotFound
    return address


def _digests(env: Environment, address: Address) -> list[str]:
    return env.keyring.digests(env.keyring.unseal(address.email_sealed))


@private_read
async def find_owner(unit: PrivateRead, token: str) -> tuple[str, Email]:
    """Return the id and the email address of the address that a link was sent to.

    Raises:
        NotFound: the link is forged or too old, or the address was erased.
    """
    address = await _owner(unit, token)
    return address.id, unit.keyring.unseal(address.email_sealed)


@private_read
async def list_own(unit: PrivateRead, token: str, before: str | None = None) -> OwnComments:
    """Return the comments with the address of a link, on all sites; ``before``: those before a comment id.

    Raises:
        NotFound: see ``find_owner``.
    """
    address = await _owner(unit, token)
    found = await address_contacts.list_newest(unit, _digests(unit, address), before, PAGE + 1)
    subscribed = await subscriptions.list_of_address(unit, address.id)
    return OwnComments(
        email=unit.keyring.unseal(address.email_sealed),
        comments=await _describe(unit, found[:PAGE]),
        next_before=found[PAGE - 1].comment_id if len(found) > PAGE else None,
        mail_token=create_page_token(unit, address.id) if subscribed else None,
    )


@private_read
async def get_own(unit: PrivateRead, token: str, comment_id: str) -> OwnComment:
    """Return one comment with the address of a link.

    Raises:
        NotFound: see ``find_owner``; or the comment has another address.
    """
    address = await _owner(unit, token)
    contact = (await contacts.get_many(unit, [comment_id])).get(comment_id)
    if contact is None or contact.email_digest not in _digests(unit, address):
        raise NotFound
    return (await _describe(unit, [contact]))[0]


async def _describe(unit: PrivateRead, found: Sequence[Contact]) -> list[OwnComment]:
    by_id = await comments.get_many(unit, [contact.comment_id for contact in found])
    of_threads = await threads.get_many(unit, sorted({comment.thread_id for comment in by_id.values()}))
    refused = await unpublished.list_not_published(unit, list(by_id.values()))
    directory = await resolve.read_directory.within(unit)
    described = [(contact, by_id[contact.comment_id]) for contact in found]
    return [
        OwnComment(
            comment=comment,
            site=directory.by_id(comment.site_id),
            thread=of_threads[comment.thread_id],
            state="not_published" if comment.id in refused else _state(comment),
            may_edit=bool(contact.verified) and unit.now() < receipts.edit_deadline(unit, comment),
        )
        for contact, comment in described
    ]


def _state(comment: Comment) -> Literal["waiting", "public"]:
    return "public" if comment.status is Status.APPROVED else "waiting"


async def edit_own(service: Service, token: str, comment_id: str, change: CommentEdit, visit: Visit) -> None:
    """Change the text of a comment that was sent by a browser with this address confirmed.

    Raises:
        NotFound: see ``get_own``.
        NotAuthor: the address was not confirmed when the comment was posted, or the edit window is over.
        Refusal: see ``edit.edit_comment``.
    """
    own = await get_own(service, token, comment_id)
    if not own.may_edit:
        raise NotAuthor(translatable("This comment cannot be changed any more. You can delete it."))
    await edit.edit_comment(service, comment_id, service.keyring.token("edit", comment_id), change, visit)


async def erase_own(service: Service, token: str, comment_id: str) -> None:
    """Erase one comment with the address of a link.

    Raises:
        NotFound: see ``get_own``.
    """
    _, email = await find_owner(service, token)
    erased = await erase.withdraw_of_address(service, service.keyring.digests(email), [comment_id])
    if not erased:
        raise NotFound
    await note_erasures(service, "comment", erased)
