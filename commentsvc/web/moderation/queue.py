"""The moderation queue and search, and the buttons that decide on comments."""

import hashlib
import ipaddress
import re
import unicodedata
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta, Struct

from commentsvc.audit.schemas import AuditQuery
from commentsvc.domain import fields, networks
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, InvalidValue, VersionConflict
from commentsvc.domain.fields import Cursor
from commentsvc.domain.models import ActionVerb, Scope, StatusFilter
from commentsvc.moderation import actions, audit, queue, undo
from commentsvc.moderation.schemas import Action, CommentPage, ModeratorComment, PrivateSearch, Totals
from commentsvc.storage.comment_filter import CommentFilter, conditions
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back
from commentsvc.web.server.responses import match_etag, respond
from commentsvc.web.server.routing import SERVICE, WHO

PAGE_SIZE: Final = 50
REPORTED: Final = "reported"
# Text that must not appear in a URL: an email address or part of one; an IP address, also with a port.
PRIVATE_TEXT: Final = re.compile(r"@|%40|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:]*:", re.IGNORECASE)
# A comment, and the version that the moderator saw.
SEEN: Final = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,8})")
# The values of the buttons: a verb, and what it applies to.
ONE: Final = re.compile(rf"(?P<verb>[a-z]+) {SEEN.pattern}")
SELECTED: Final = re.compile(r"(?P<verb>[a-z]+) selected")
SIMILAR: Final = re.compile(r"(?P<verb>[a-z]+) (?P<kind>network|text) (?P<id>[0-9a-f-]{36}) (?P<as_of>[0-9TZ:.-]{24})")


class QueuePageQuery(CommentFilter, frozen=True, kw_only=True):
    """Filters and page of the queue. A time may be a day. The status may also be ``reported``, a tab of its own."""

    status: Literal["pending", "reported", "approved", "spam", "trash", "any"] = "pending"  # type: ignore[assignment]
    done: Annotated[str, Meta(max_length=100)] | None = None
    also: Annotated[str, Meta(max_length=100)] | None = None
    skipped: Annotated[list[str], Meta(max_length=50)] = msgspec.field(default_factory=list)
    order: Literal["oldest", "newest"] | None = None
    cursor: Cursor | None = None
    sealed: Annotated[str, Meta(max_length=2500, description="An encrypted search that no URL may show.")] | None = None
    shown: Annotated[list[str], Meta(max_length=200)] = msgspec.field(default_factory=list)


class SearchForm(CommentFilter, frozen=True, kw_only=True):
    """The search field, or the filters."""

    text: Annotated[str, Meta(max_length=200)] | None = None
    status: Annotated[str, Meta(max_length=10)] | None = None  # type: ignore[assignment]
    order: Annotated[str, Meta(max_length=10)] | None = None


class ActionForm(Struct, frozen=True, kw_only=True):
    """The button that was pressed, and the selected comments."""

    act: Annotated[str, Meta(max_length=100)]
    selected: Annotated[list[str], Meta(max_length=500)] = msgspec.field(default_factory=list)
    back: Back | None = None


class UndoForm(Struct, frozen=True, kw_only=True):
    """The action to undo; without one, the last action of this session."""

    action: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


async def show_queue(request: web.Request, query: QueuePageQuery) -> web.Response:
    """Show comments with everything that a decision needs."""
    service, who = request.app[SERVICE], request[WHO]
    private = _unseal_search(request, query.sealed)
    found = await queue.search_comments(service, who, _build_search(query, private))
    newest_first = _is_newest_first(query)
    return await layout.render_page(
        request,
        "queue.html",
        result=query,
        tab=query.status,
        query=query,
        search_text=private.get("email") or private.get("network") or private.get("q") or query.q or "",
        cards=await _merge_changed(request, query, found),
        next_page=found.next_cursor and _with_query(query, cursor=found.next_cursor),
        first_page=_with_query(query),
        other_order=_with_query(query, order="oldest" if newest_first else "newest"),
        newest_first=newest_first,
        oldest=found.comments[0].created_at if found.comments and not (newest_first or query.cursor) else None,
        totals=await queue.count_by_status(service, who) if query.site else found.totals,
        tag=await _state_tag(request, found.totals),
    )


def _is_newest_first(query: QueuePageQuery) -> bool:
    """Return the order: waiting comments start with the oldest, decided comments with the newest."""
    return query.order == "newest" if query.order else query.status not in {"pending", REPORTED}


def _build_search(query: QueuePageQuery, private: dict[str, str]) -> PrivateSearch:
    filters: dict[str, Any] = {name: getattr(query, name) for name in CommentFilter.__struct_fields__}
    filters |= {name: layout.start_of_day(filters[name]) for name, sql in conditions() if sql.time}
    filters |= {name: private[name] for name in ("network", "q") if name in private}
    filters["cursor"] = query.cursor
    filters |= {"order": "newest" if _is_newest_first(query) else "oldest", "limit": PAGE_SIZE}
    if "email" in private:
        filters["email"] = fields.parse_email(private["email"], fields.Limits())
    if query.status == REPORTED:
        return PrivateSearch(**filters | {"status": None, "reported": True})
    return PrivateSearch(**filters | {"status": StatusFilter(query.status)})


def _with_query(query: QueuePageQuery, **changed: str) -> str:
    """Return the URL of the first page, with some parameters changed."""
    values = {**msgspec.structs.asdict(query), "cursor": None} | changed
    return layout.build_url(**{name: value for name, value in values.items() if name not in layout.RESULT_PARAMETERS})


async def _merge_changed(
    request: web.Request, query: QueuePageQuery, found: CommentPage
) -> list[tuple[ModeratorComment, bool]]:
    """Return the page's comments, and in their places those it showed before that someone else changed.

    Each comes with whether it was changed.
    """
    here = {card.id for card in found.comments}
    seen = {match[1]: int(match[2]) for text in query.shown if (match := SEEN.fullmatch(text)) and match[1] not in here}
    others = await queue.get_comments(request.app[SERVICE], request[WHO], list(seen))
    changed = [card for card in others if card.version != seen[card.id]]
    together = [(card, False) for card in found.comments] + [(card, True) for card in changed]
    return sorted(together, key=lambda one: one[0].id, reverse=_is_newest_first(query))


async def _state_tag(request: web.Request, totals: Totals) -> str:
    """Return a tag that changes with every count, and with every decision on this moderator's sites."""
    newest = (await audit.list_entries(request.app[SERVICE], request[WHO], AuditQuery(limit=1))).entries
    return hashlib.blake2b(repr((totals, newest)).encode(), digest_size=9).hexdigest()


async def get_counts(request: web.Request) -> web.Response:
    """Return the number of comments by status; 304 if nothing has changed."""
    totals = await queue.count_by_status(request.app[SERVICE], request[WHO])
    tag = await _state_tag(request, totals)
    if match_etag(request.headers.get(hdrs.IF_NONE_MATCH))(tag):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-store"})
    return respond(totals, headers={hdrs.ETAG: f'"{tag}"'})


async def search(request: web.Request, form: SearchForm) -> web.Response:
    """Search for text. An email address or a network is encrypted, so that no URL shows it."""
    text = unicodedata.normalize("NFKC", form.text or "").strip()
    query = msgspec.structs.asdict(form) | {"text": None, "status": form.status or ("any" if text else None)}
    network = _parse_network(text)
    if network is None and not PRIVATE_TEXT.search(text):
        return layout.redirect_back(layout.build_url(**query | {"q": text}))
    if not request[WHO].may(Scope.MODERATE):
        raise Forbidden("Searching by email or network needs a key with scope moderate.")
    private = {"network": network} if network else _email_or_text(text)
    sealed = request.app[SERVICE].keyring.encrypt_text(_encode(private | {"for": repr(request[WHO].actor)}))
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
        raise Invalid(FieldError("text", "too_wide", f"This network is too large. Search for one like {stored}."))
    return stored


def _email_or_text(text: str) -> dict[str, str]:
    try:
        return {"email": fields.parse_email(text, fields.Limits()).reveal()}
    except InvalidValue:
        return {"q": text}


def _encode(values: dict[str, str]) -> str:
    return msgspec.json.encode(values).decode()


def _unseal_search(request: web.Request, sealed: str | None) -> dict[str, str]:
    """Return an encrypted search, to the moderator who made it and nobody else."""
    if sealed is None:
        return {}
    plain = request.app[SERVICE].keyring.decrypt_text(sealed)
    found = msgspec.json.decode(plain, type=dict[str, str]) if plain else {}
    if found.pop("for", None) != repr(request[WHO].actor) or not request[WHO].may(Scope.MODERATE):
        raise Invalid(
            FieldError("sealed", "invalid", "This search is too old, or belongs to someone else. Search again.")
        )
    return found


async def apply_action(request: web.Request, form: ActionForm) -> web.Response:
    """Decide on one comment, on the selected comments, or on all similar comments that are waiting."""
    if (one := ONE.fullmatch(form.act)) is not None:
        return await _decide(request, form, one["verb"], {one[2]: int(one[3])})
    if (similar := SIMILAR.fullmatch(form.act)) is not None:
        return await _decide_similar(request, form, similar)
    if (selected := SELECTED.fullmatch(form.act)) is not None:
        matches = filter(None, map(SEEN.fullmatch, form.selected))
        return await _decide(request, form, selected["verb"], {match[1]: int(match[2]) for match in matches})
    raise Invalid(FieldError("act", "invalid", "Unknown button."))


async def _decide(request: web.Request, form: ActionForm, verb: str, seen: dict[str, int]) -> web.Response:
    if not seen:
        raise Invalid(FieldError("selected", "required", "Select a comment first."))
    action = Action(action=_parse_verb(verb), ids=list(seen), seen=seen)
    result = await actions.apply_action(request.app[SERVICE], request[WHO], action)
    skipped = [item.comment for item in result.results if not item.ok]
    return layout.redirect_back(form.back, done=result.id if result.changed else None, skipped=skipped[:50])


async def _decide_similar(request: web.Request, form: ActionForm, similar: re.Match[str]) -> web.Response:
    """Decide on all comments that were similar when the page was loaded, and unchanged since."""
    service, who = request.app[SERVICE], request[WHO]
    where = await _similar_filter(request, similar) | {"status": "pending", "as_of": similar["as_of"]}
    number = await actions.count_matching(service, who, where)
    if number > actions.MAX_COMMENTS:
        raise Conflict(
            f"More than {actions.MAX_COMMENTS:,} comments match, too many for one action. "
            "Use the API with where and until to change a part of them."
        )
    action = Action(action=_parse_verb(similar["verb"]), where=where, expect=number)
    result = await actions.apply_action(service, who, action)
    return layout.redirect_back(form.back, done=result.id if result.changed else None)


async def _similar_filter(request: web.Request, similar: re.Match[str]) -> dict[str, Any]:
    """Return the filter for comments with the same text, or from the same network, as one comment."""
    comment = await queue.get_comment_detail(request.app[SERVICE], request[WHO], similar["id"])
    if similar["kind"] == "network":
        if comment.network is None:
            raise Invalid(FieldError("act", "network_forgotten", "The network of this comment is no longer stored."))
        return {"network": comment.network}
    if (comment.edited_at or "") > similar["as_of"]:
        raise VersionConflict("The commenter has edited this comment. Read it again, then decide.")
    return {"same_text": comment.id}


def _parse_verb(name: str) -> ActionVerb:
    try:
        return ActionVerb(name)
    except ValueError:
        raise Invalid(FieldError("act", "invalid", "Unknown button.")) from None


async def undo_action(request: web.Request, form: UndoForm) -> web.Response:
    """Undo an action, or the last action of this session."""
    service, who = request.app[SERVICE], request[WHO]
    if form.action:
        result = await undo.undo_action(service, who, form.action)
    else:
        _, result = await undo.undo_last_action(service, who)
    skipped = [item.comment for item in result.results if not item.ok]
    return layout.redirect_back(form.back, done=result.id, skipped=skipped[:50])
