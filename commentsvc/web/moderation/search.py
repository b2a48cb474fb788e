"""Filters of the queue, the search field, and searches that no URL may show."""

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from commentsvc.domain import fields, networks
from commentsvc.domain.errors import FieldError, Forbidden, Invalid, InvalidValue
from commentsvc.domain.fields import Cursor
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import Scope, StatusFilter
from commentsvc.moderation.schemas import Order, PrivateSearch
from commentsvc.storage.comment_filter import CommentFilter, PrivateCommentFilter, conditions
from commentsvc.web.moderation import layout
from commentsvc.web.server.routing import SERVICE, SESSION, WHO

REPORTED: Final = "reported"
SEALED_MINUTES: Final = 60  # that an encrypted search can be opened
# Text that must not appear in a URL: an email address or part of one; an IP address, also with a port.
PRIVATE_TEXT: Final = re.compile(r"@|%40|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:]*:", re.IGNORECASE)


class QueuePageQuery(CommentFilter, frozen=True, kw_only=True):
    """Filters and page of the queue. A time may be a day. The status may also be ``reported``, a tab of its own."""

    status: Literal["pending", "reported", "approved", "spam", "trash", "any"] = "pending"  # type: ignore[assignment]
    done: Annotated[str, Meta(max_length=100)] | None = None
    skipped: Annotated[list[str], Meta(max_length=50)] = msgspec.field(default_factory=list)
    more: Annotated[str, Meta(max_length=200)] | None = None  # the next step of an action on many comments
    order: Order | None = None
    cursor: Cursor | None = None
    sealed: Annotated[str, Meta(max_length=2500, description="An encrypted search that no URL may show.")] | None = None
    shown: Annotated[list[str], Meta(max_length=200)] = msgspec.field(default_factory=list)


class SearchForm(CommentFilter, frozen=True, kw_only=True):
    """The search field, or the filters."""

    text: Annotated[str, Meta(max_length=200)] | None = None
    status: Annotated[str, Meta(max_length=10)] | None = None  # type: ignore[assignment]
    order: Annotated[str, Meta(max_length=10)] | None = None


def list_orders(query: QueuePageQuery, private: Mapping[str, str]) -> Sequence[Order]:
    """Return the orders that a page of the queue can have. Only waiting comments, not found by words, have scores."""
    by_score = query.status == "pending" and not (query.q or "q" in private)
    return ("oldest", "newest", "score") if by_score else ("oldest", "newest")


def choose_order(query: QueuePageQuery, private: Mapping[str, str]) -> Order:
    """Return the order of a page of the queue: by default the oldest first if they wait, else the newest."""
    if query.order and query.order in list_orders(query, private):
        return query.order
    return "oldest" if query.status in {"pending", REPORTED} else "newest"


def build_search(query: QueuePageQuery, private: dict[str, str], limit: int = 1) -> PrivateSearch:
    """Return the search of a page of the queue, with the private part of it."""
    filters: dict[str, Any] = {name: getattr(query, name) for name in CommentFilter.__struct_fields__}
    filters |= {name: layout.start_of_day(filters[name]) for name, sql in conditions() if sql.time}
    filters |= {name: private[name] for name in ("network", "q") if name in private}
    filters["cursor"] = query.cursor
    filters |= {"order": choose_order(query, private), "limit": limit}
    if "email" in private:
        filters["email"] = fields.parse_email(private["email"], fields.Limits())
    if query.status == REPORTED:
        return PrivateSearch(**filters | {"status": None, "reported": True})
    return PrivateSearch(**filters | {"status": StatusFilter(query.status)})


def build_filter(request: web.Request, query: QueuePageQuery, as_of: str) -> PrivateCommentFilter:
    """Return the filter of a page of the queue: all that match it now, on every page."""
    search = build_search(query, unseal_search(request, query.sealed))
    named = {name: getattr(search, name) for name in PrivateCommentFilter.__struct_fields__}
    return PrivateCommentFilter(**named | {"as_of": min(as_of, query.as_of or as_of)})


async def search(request: web.Request, form: SearchForm) -> web.Response:
    """Search for text. An email address or a network is encrypted, so that no URL shows it."""
    text = unicodedata.normalize("NFKC", form.text or "").strip()
    query = msgspec.structs.asdict(form) | {"text": None, "status": form.status or ("any" if text else None)}
    network = _parse_network(text)
    if network is None and not PRIVATE_TEXT.search(text):
        return layout.redirect_back(layout.build_url(**query | {"q": text}))
    if not request[WHO].may(Scope.MODERATE):
        raise Forbidden(translatable("Searching by email or network needs a key with scope moderate."))
    private = {"network": network} if network else _email_or_text(text)
    service = request.app[SERVICE]
    owned = private | {"session": request[SESSION].id, "until": service.ahead(minutes=SEALED_MINUTES)}
    sealed = service.keyring.encrypt_text(msgspec.json.encode(owned).decode())
    return layout.redirect_back(layout.build_url(**query | {"sealed": sealed}))


def _parse_network(text: str) -> str | None:
    """Return the network of an IP address or of a smaller network, as cards show it; None for any other text.

    Raises:
        Invalid: the network is larger than those that are stored.
    """
    try:
        named = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    stored = networks.truncate_address(str(named.network_address))
    if named.prefixlen < ipaddress.ip_network(stored).prefixlen:
        raise Invalid(
            FieldError(
                "text",
                "too_wide",
                translatable_format("This network is too large. Search for one like %(network)s.", network=stored),
            )
        )
    return stored


def _email_or_text(text: str) -> dict[str, str]:
    try:
        return {"email": fields.parse_email(text, fields.Limits()).reveal()}
    except InvalidValue:
        return {"q": text}


def unseal_search(request: web.Request, sealed: str | None) -> dict[str, str]:
    """Return an encrypted search, for an hour and in the session that made it.

    Raises:
        Invalid: for the field ``sealed``.
    """
    if sealed is None:
        return {}
    service = request.app[SERVICE]
    plain = service.keyring.decrypt_text(sealed)
    found = msgspec.json.decode(plain, type=dict[str, str]) if plain else {}
    own = found.pop("session", None) == request[SESSION].id and found.pop("until", "") > service.now()
    if not own or not request[WHO].may(Scope.MODERATE):
        raise Invalid(
            FieldError(
                "sealed", "invalid", translatable("This search is too old, or belongs to someone else. Search again.")
            )
        )
    return found
