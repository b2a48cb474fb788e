"""Request and response bodies for subscriptions, addresses that get no mail, and confirmed addresses."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.fields import Address, Language, Limits, SiteName, ThreadName, Validator
from commentsvc.storage.addresses import SuppressedFor

MOST_POINTER: Final = 200  # characters


class NewSubscription(Struct, frozen=True, kw_only=True):
    """A request for mail about new comments on a page or on a whole site."""

    email: Address
    scope: Annotated[
        Literal["thread", "site"], Meta(description="About one page, or about every page of the site.")
    ] = "thread"
    thread: ThreadName | None = None
    site: SiteName | None = None
    language: Language | None = None


class SubscriptionReceipt(Struct, frozen=True):
    """The response to a request for mail, always the same: it does not tell whether the address is known."""

    requested: Literal[True] = True


class NewSuppression(Struct, frozen=True, kw_only=True):
    """An address that gets no mail from now on, and why."""

    email: Address
    reason: Annotated[
        SuppressedFor, Meta(description="It cannot be reached, it reported mail as spam, or its owner asked for it.")
    ]


class LiftedSuppression(Struct, frozen=True, kw_only=True):
    """An address that may get mail again."""

    email: Address


class SuppressionResult(Struct, frozen=True):
    """The state of an address, and whether the request has changed it."""

    suppressed: bool
    changed: bool


def _require_pointer(text: str, _limits: Limits) -> str:
    if not text.startswith("/") or len(text) > MOST_POINTER:
        raise InvalidValue("invalid", f"This must be a JSON pointer, at most {MOST_POINTER} long, such as /recipient.")
    return text


Pointer: TypeAlias = Annotated[str, Validator(_require_pointer), Meta(max_length=MOST_POINTER, pattern="^/")]


class FeedbackMapping(Struct, frozen=True, kw_only=True):
    """The places of address and event in the JSON of a mail provider. Paths are JSON pointers (RFC 6901)."""

    email: Annotated[Pointer, Meta(description="Path of the address: /recipient.")]
    event: Annotated[Pointer, Meta(description="Path of the kind of event: /event.")]
    bounce: Annotated[
        list[str] | None, Meta(description="Kinds of events that mean: the address cannot be reached.")
    ] = None
    complaint: Annotated[list[str] | None, Meta(description="Kinds of events that mean: reported as spam.")] = None


class FeedbackResult(Struct, frozen=True):
    """The number of events that stopped mail to an address, and of those with another kind or without an address."""

    suppressed: int
    ignored: int


class NewProof(Struct, frozen=True, kw_only=True):
    """The code with which a confirmed address is proven to a browser."""

    code: Annotated[str, Meta(max_length=200, description="From the fragment of the page: #confirmed=cp_….")]
    site: SiteName | None = None
    author_token: (
        Annotated[str, Meta(max_length=200, description="If this browser has one, it stays the same.")] | None
    ) = None


class Proof(Struct, frozen=True):
    """The author token of a browser whose user has confirmed an address."""

    author_token: Annotated[str, Meta(description="Send it with comments: with this address, they are verified.")]
