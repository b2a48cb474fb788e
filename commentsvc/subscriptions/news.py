"""Load what mails to subscribers say: the comments that are public when a mail is sent."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from commentsvc.domain.deliveries import Parcel, SubscriptionScope
from commentsvc.domain.email_address import UNREADABLE, Email
from commentsvc.domain.models import Comment, ReadableThread, Status
from commentsvc.service import private_read
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.storage import comments, subscribers, threads
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.parcels import LONGEST_DIGEST
from commentsvc.storage.subscribers import Heard
from commentsvc.subscriptions.confirmation_mail import name_page


class Item(Struct, frozen=True, kw_only=True):
    """A public comment, its page, and the public comment that it answers."""

    id: str
    name: str
    by_moderator: bool
    html: str
    created_at: str
    site: str
    title: str | None  # of its page
    page: str  # host and path
    scope: SubscriptionScope  # of the subscription that it is told for
    answered_name: str | None = None
    answered_html: str | None = None


class News(Struct, frozen=True, kw_only=True):
    """Comments to tell an address about. ``subscriptions``: the ids of those that say so."""

    to: Email
    address_id: str
    language: str
    items: Sequence[Item]
    subscriptions: Sequence[str]
    is_cut: bool = False  # whether there may be more comments, for which the mail would be too long

    def __repr__(self) -> str:
        return "News(hidden)"


@private_read
async def load_news(unit: PrivateRead, parcel: Parcel) -> News | None:
    """Return what a parcel tells.

    None if there is nothing to tell any more: the comments are not public, or the subscriptions have ended.
    """
    pairs = _list_pairs(parcel)
    heard = await subscribers.list_heard(unit, sorted({subscription for _, subscription in pairs}))
    pairs = [(comment_id, subscription) for comment_id, subscription in pairs if subscription in heard]
    items = await _load_items(unit, {comment_id: heard[subscription] for comment_id, subscription in pairs})
    told = [subscription for comment_id, subscription in pairs if comment_id in items]
    to = unit.keyring.unseal(heard[told[0]].email_sealed) if told else UNREADABLE
    if to == UNREADABLE:
        return None
    return News(
        to=to,
        address_id=heard[told[0]].address_id,
        language=heard[told[0]].language,
        items=list(items.values()),
        subscriptions=list(dict.fromkeys(told)),
        is_cut=len(parcel.detail) >= LONGEST_DIGEST,
    )


def _list_pairs(parcel: Parcel) -> list[tuple[str, str]]:
    """Return the comments and subscriptions of a parcel."""
    if parcel.comment_id and parcel.owner:
        return [(parcel.comment_id, parcel.owner)]
    return msgspec.json.decode(parcel.detail, type=list[tuple[str, str]])


async def _load_items(unit: PrivateRead, heard: Mapping[str, Heard]) -> dict[str, Item]:
    """Return the public ones of these comments by id, in the given order."""
    found = await comments.get_many(unit, list(heard))
    public = {id_: found[id_] for id_ in heard if id_ in found and found[id_].status is Status.APPROVED}
    answered = await comments.get_many(unit, sorted(filter(None, map(_answered_id, public.values()))))
    pages = await threads.get_readable(unit, sorted({comment.thread_id for comment in public.values()}))
    directory = await resolve.read_directory.within(unit)
    return {
        id_: _item(
            comment,
            pages[comment.thread_id],
            directory,
            SubscriptionScope(heard[id_].scope),
            answered.get(_answered_id(comment) or ""),
        )
        for id_, comment in public.items()
    }


def _answered_id(comment: Comment) -> str | None:
    return comment.answered_id or comment.parent_id


def _item(
    comment: Comment,
    page: ReadableThread,
    directory: SiteDirectory,
    scope: SubscriptionScope,
    answered: Comment | None,
) -> Item:
    site = directory.by_id(comment.site_id)
    shown = answered if answered and answered.status is Status.APPROVED else None
    return Item(
        id=comment.id,
        name=comment.name,
        by_moderator=comment.moderator_id is not None,
        html=comment.html,
        created_at=comment.created_at,
        site=site.name,
        title=page.title,
        page=name_page(directory, site, page.key),
        scope=scope,
        answered_name=shown.name if shown else None,
        answered_html=shown.html if shown else None,
    )
