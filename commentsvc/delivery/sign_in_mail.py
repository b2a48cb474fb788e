"""Mails with a sign-in link, for moderators who asked for one on the sign-in page.

The request stores the same row for every address. Only here, in the worker, it is compared with those of moderators.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from commentsvc.access import rate_limit
from commentsvc.domain import crypto
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import Channel, Event, EventKind, NewParcel, Parcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.timestamps import parse_time
from commentsvc.service import private_read
from commentsvc.storage import moderators, parcels, preferences
from commentsvc.storage.database import PrivateRead, Row, Write

KIND: Final = "sign_in"
LINK_MINUTES: Final = 30
MAILS: Final = (3, 3600)  # to one moderator; the second number is seconds


class SignInDetail(Struct, frozen=True, kw_only=True):
    """The detail of a parcel: until when its link works, and the language of the page that asked for it."""

    until: str
    language: str


class SignInMail(Struct, frozen=True, kw_only=True):
    """The contents of a mail."""

    to: Email
    name: str  # of the moderator
    url: str
    until: str
    language: str

    def __repr__(self) -> str:
        return "SignInMail(hidden)"


async def plan_mails(unit: Write, events: Sequence[Event]) -> None:
    """Put a mail into the outbox for each moderator who has an address that asked for a link, each with their own link.

    A request that is older than its link would be is dropped.
    """
    oldest = unit.ago(minutes=LINK_MINUTES)
    for event in events:
        if event.kind is not EventKind.SIGN_IN_REQUESTED or not event.email_sealed or event.created_at < oldest:
            continue
        digests = unit.keyring.digests(unit.keyring.unseal(event.email_sealed))
        for moderator in await moderators.list_by_email(unit, digests):
            await _plan_mail(unit, moderator, event.detail.get("language", ""))


async def _plan_mail(unit: Write, moderator: Row, language: str) -> None:
    if not await rate_limit.take(unit, f"sign-in mail of {moderator['id']}", MAILS):
        return
    now, until = unit.now(), unit.ahead(minutes=LINK_MINUTES)
    new = NewParcel(
        channel=Channel.MAIL,
        kind=KIND,
        urgent=1,
        owner=moderator["id"],
        email_sealed=moderator["email_sealed"],
        email_digest=moderator["email_digest"],
        detail=msgspec.json.encode(SignInDetail(until=until, language=language)).decode(),
    )
    token = _derive_token(unit.keyring, await parcels.add(unit, new), until)
    # Other unused links stay valid: a stranger who asks for links must not end one that is in a mail already.
    await moderators.add_invitation(unit, crypto.hash_token(token), moderator["id"], now, until)


def _derive_token(keyring: Keyring, parcel_id: str, until: str) -> str:
    """Return the token of a mail's link. It is derived, so that every attempt to send the mail has the same link."""
    return keyring.token("sign_in", parcel_id, parse_time(until))


@private_read
async def read_sign_in_mail(unit: PrivateRead, parcel: Parcel) -> SignInMail | None:
    """Return what the mail of a parcel says.

    None if its link would not work: used, too old, made with another secret key, or of a moderator who was removed or
    has another address now.
    """
    detail = msgspec.json.decode(parcel.detail, type=SignInDetail)
    token = _derive_token(unit.keyring, parcel.id, detail.until)
    invited = await moderators.find_invited(unit, crypto.hash_token(token), unit.now())
    found = await moderators.get_address(unit, invited["id"]) if invited else None
    if invited is None or found is None or found["email_sealed"] is None:
        return None
    chosen = await preferences.get(unit, invited["id"])
    return SignInMail(
        to=unit.keyring.unseal(found["email_sealed"]),
        name=invited["name"],
        url=f"{unit.config.own_url}/sign-in/{token}",
        until=detail.until,
        language=(chosen["language"] if chosen else "") or detail.language,
    )
