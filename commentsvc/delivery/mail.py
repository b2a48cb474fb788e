"""A mail before it becomes a message."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from commentsvc.domain.deliveries import Parcel
from commentsvc.domain.email_address import Email
from commentsvc.service import Service


class Mail(Struct, frozen=True, kw_only=True):
    """One mail to one recipient.

    ``subject`` and ``sender_name`` contain no text of a commenter: only our own words, and the name of a site.
    """

    to: Email
    subject: str
    text: str
    html: str
    language: str
    sender_name: str | None = None  # None: that of COMMENTSVC_MAIL_FROM
    unsubscribe_url: str | None = None  # for List-Unsubscribe
    one_click: bool = False  # whether a POST to it ends the subscription (RFC 8058)

    def __repr__(self) -> str:
        return "Mail(hidden)"


# Returns the mail of a parcel, from what is in the database now; None if there is nothing to say any more.
Renderer: TypeAlias = Callable[[Service, Parcel], Awaitable[Mail | None]]
