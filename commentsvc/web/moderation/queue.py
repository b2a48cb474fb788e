"""What waits, and whatever else is looked for; and what is done to many of it at once."""

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
from commentsvc.domain.fields import Cursor, SiteName, ThreadName
from commentsvc.domain.models import ActionVerb, Scope
from commentsvc.moderation import actions, queue
from commentsvc.moderation import audit as moderation_audit
from commentsvc.moderation.schemas import Action, CommentPage, ModeratorComment, PrivateSearch, StatusFilter, Totals
from commentsvc.moderation.undo import undo_action, undo_last_action
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Day, Told
from commentsvc.web.server.responses import respond, tags_of
from commentsvc.web.server.routing import SERVICE, WHO

ON_A_PAGE: Final = 50
REPORTED: Final = "reported"
# What an address must not show: an email, or part of one; an IP address, also with a port.
PRIVATE: Final = re.compile(r"@|%40|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:]*:", re.IGNORECASE)
# A comment, and the version at which its moderator saw it.
SEEN: Final = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,8})")
# What a button says: a verb, and what it is done to.
ONE: Final = re.compile(rf"(?P<verb>[a-z]+) {SEEN.pattern}")
CHOSEN: Final = re.compile(r"(?P<verb>[a-z]+) selected")
ALIKE: Final = re.compile(r"(?P<verb>[a-z]+) (?P<kind>network|text) (?P<id>[0-9a-f-]{36}) (?P<as_of>[0-9TZ:.-]{24})")


class DeskQuery(Told, frozen=True, kw_only=True):
    """Which comments are looked at."""

    status: Literal["pending", "reported", "approved", "spam", "trash", "any"] = "pending"
    site: SiteName | None = None
    thread: ThreadName | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None
    since: Day | None = None
    until: Day | None = None
    order: Literal["oldest", "newest"] | None = None
    cursor: Cursor | None = None
    sought: Annotated[str, Meta(max_length=2500, description="What must not be read in an address.")] | None = None
    shown: Annotated[list[str], Meta(max_length=200)] = msgspec.field(default_factory=list)


class Sought(Struct, frozen=True, kw_only=True):
    """What somebody typed into the search field, or into those of the filters."""

    text: Annotated[str, Meta(max_length=200)] | None = None
    status: Annotated[str, Meta(max_length=10)] | None = None
    site: SiteName | None = None
    thread: ThreadName | None = None
    reason: Annotated[str, Meta(max_length=200)] | None = None
    since: Day | None = None
    until: Day | None = None
    order: Annotated[str, Meta(max_length=10)] | None = None


class Press(Struct, frozen=True, kw_only=True):
    """A button that was pressed, and where."""

    act: Annotated[str, Meta(max_length=100)]
    selected: Annotated[list[str], Meta(max_length=500)] = msgspec.field(default_factory=list)
    back: Back | None = None


class Undo(Struct, frozen=True, kw_only=True):
    """What is to be taken back; the last thing done here, unless it says."""

    action: Annotated[str, Meta(max_length=100)] | None = None
    back: Back | None = None


async def show(request: web.Request, query: DeskQuery) -> web.Response:
    """Comments, each with all that a decision needs."""
    service, who = request.app[SERVICE], request[WHO]
    veiled = _unveiled(request, query.sought)
    found = await queue.search_comments(service, who, _search(query, veiled))
    tag = await _tag(request, found.totals)
    return await layout.page(
        request,
        "queue.html",
        told=query,
        tab=query.status,
        query=query,
        typed=veiled.get("email") or veiled.get("network") or veiled.get("q") or query.q or "",
        cards=await _with_those_gone(request, query, found),
        following=found.next_cursor and _again(query, cursor=found.next_cursor),
        first=_again(query),
        turned=_again(query, order="oldest" if _newest(query) else "newest"),
        newest=_newest(query),
        oldest=found.comments[0].created_at if found.comments and not (_newest(query) or query.cursor) else None,
        totals=await queue.count_by_status(service, who) if query.site else found.totals,
        tag=tag,
    )


def _newest(query: DeskQuery) -> bool:
    """What waits is worked off from its old end; of what was decided the new end is of interest."""
    return query.order == "newest" if query.order else query.status not in {"pending", REPORTED}


def _search(query: DeskQuery, veiled: dict[str, str]) -> PrivateSearch:
    named = {name: getattr(query, name) for name in ("site", "thread", "q", "reason", "cursor")}
    named |= {name: layout.moment(getattr(query, name)) for name in ("since", "until")}
    if "email" in veiled:
        named["email"] = fields.parse_email(veiled["email"], fields.Limits())
    named |= {name: veiled[name] for name in ("network", "q") if name in veiled}
    if query.status == REPORTED:
        return PrivateSearch(**named, reported=True, order="newest" if _newest(query) else "oldest", limit=ON_A_PAGE)
    standing = StatusFilter(query.status)
    return PrivateSearch(**named, status=standing, order="newest" if _newest(query) else "oldest", limit=ON_A_PAGE)


def _again(query: DeskQuery, **changed: str) -> str:
    """The same page, but for something."""
    kept = {**msgspec.structs.asdict(query), "cursor": None} | changed
    named = {name: value for name, value in kept.items() if value and name not in layout.SAID}
    return layout.address(**named)


async def _with_those_gone(
    request: web.Request, query: DeskQuery, found: CommentPage
) -> list[tuple[ModeratorComment, bool]]:
    """The page's comments, and in their places those it showed a moment ago that stand elsewhere by now."""
    here = {card.id for card in found.comments}
    seen = {match[1]: int(match[2]) for text in query.shown if (match := SEEN.fullmatch(text)) and match[1] not in here}
    others = await queue.get_comments(request.app[SERVICE], request[WHO], list(seen))
    gone = [card for card in others if card.version != seen[card.id]]
    together = [(card, False) for card in found.comments] + [(card, True) for card in gone]
    return sorted(together, key=lambda one: one[0].id, reverse=_newest(query))


async def _tag(request: web.Request, totals: Totals) -> str:
    """Names the state of everything that is counted, and of what was decided on the sites one reads."""
    newest = (await moderation_audit.list_entries(request.app[SERVICE], request[WHO], AuditQuery(limit=1))).entries
    return hashlib.blake2b(repr((totals, newest)).encode(), digest_size=9).hexdigest()


async def counts(request: web.Request) -> web.Response:
    """How many comments stand where; whoever has that already is told so."""
    totals = await queue.count_by_status(request.app[SERVICE], request[WHO])
    tag = await _tag(request, totals)
    if tags_of(request.headers.get(hdrs.IF_NONE_MATCH))(tag):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{tag}"', hdrs.CACHE_CONTROL: "no-store"})
    return respond(totals, headers={hdrs.ETAG: f'"{tag}"'})


async def search(request: web.Request, sought: Sought) -> web.Response:
    """Look for words; an email or a network among them is veiled: none stands in a URL."""
    text = unicodedata.normalize("NFKC", sought.text or "").strip()
    asked = msgspec.structs.asdict(sought) | {"text": None, "status": sought.status or ("any" if text else None)}
    network = _network(text)
    if network is None and not PRIVATE.search(text):
        return layout.led(layout.address(**asked | {"q": text}))
    if not request[WHO].may(Scope.MODERATE):
        raise Forbidden("Searching by email or network needs a key with scope moderate.")
    found = {"network": network} if network else _by_email(text)
    veiled = _encoded(found | {"for": request[WHO].name})
    return layout.led(layout.address(**asked | {"sought": request.app[SERVICE].keyring.encrypt_text(veiled)}))


def _network(text: str) -> str | None:
    """The network around an address, or around a smaller network, as cards show it; None where it is no such thing.

    Raises:
        Invalid: it is wider than any that is kept.
    """
    try:
        named = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    kept = networks.truncate_address(str(named.network_address))
    if named.prefixlen < ipaddress.ip_network(kept).prefixlen:
        raise Invalid(
            FieldError("text", "too_wide", f"This network is too wide to be searched for. One is kept as {kept}.")
        )
    return kept


def _by_email(text: str) -> dict[str, str]:
    try:
        return {"email": fields.parse_email(text, fields.Limits()).reveal()}
    except InvalidValue:
        return {"q": text}


def _encoded(values: dict[str, str]) -> str:
    return msgspec.json.encode(values).decode()


def _unveiled(request: web.Request, sought: str | None) -> dict[str, str]:
    """What was veiled, for whoever veiled it alone."""
    if sought is None:
        return {}
    plain = request.app[SERVICE].keyring.decrypt_text(sought)
    found = msgspec.json.decode(plain, type=dict[str, str]) if plain else {}
    if found.pop("for", None) != request[WHO].name or not request[WHO].may(Scope.MODERATE):
        raise Invalid(
            FieldError("sought", "invalid", "This search was somebody else's, or is too old. Please type it again.")
        )
    return found


async def act(request: web.Request, press: Press) -> web.Response:
    """Decide on one comment, on those that were selected, or on all that are alike and wait."""
    if (one := ONE.fullmatch(press.act)) is not None:
        return await _decide(request, press, one["verb"], {one[2]: int(one[3])})
    if (alike := ALIKE.fullmatch(press.act)) is not None:
        return await _decide_alike(request, press, alike)
    if (chosen := CHOSEN.fullmatch(press.act)) is not None:
        matches = filter(None, map(SEEN.fullmatch, press.selected))
        return await _decide(request, press, chosen["verb"], {match[1]: int(match[2]) for match in matches})
    raise Invalid(FieldError("act", "invalid", "There is no such button."))


async def _decide(request: web.Request, press: Press, verb: str, seen: dict[str, int]) -> web.Response:
    if not seen:
        raise Invalid(FieldError("selected", "required", "Select a comment first."))
    action = Action(action=_verb(verb), ids=list(seen), seen=seen)
    result = await actions.apply_action(request.app[SERVICE], request[WHO], action)
    left = [item.comment for item in result.results if not item.ok]
    return layout.led(press.back, done=result.id if result.changed else None, left=left[:50])


async def _decide_alike(request: web.Request, press: Press, alike: re.Match[str]) -> web.Response:
    """Decide on all that were alike when the page was made: not on what came or was edited since."""
    service, who = request.app[SERVICE], request[WHO]
    where = await _alike(request, alike) | {"status": "pending", "as_of": alike["as_of"]}
    number = await actions.count_matching(service, who, where)
    if number > actions.MAX_COMMENTS:
        raise Conflict(
            f"More than {actions.MAX_COMMENTS:,} wait there, too many for one step. "
            "Decide on a part of them by the API, with where and until."
        )
    result = await actions.apply_action(service, who, Action(action=_verb(alike["verb"]), where=where, expect=number))
    return layout.led(press.back, done=result.id if result.changed else None)


async def _alike(request: web.Request, alike: re.Match[str]) -> dict[str, Any]:
    """What comments have in common with one: their text, or their network."""
    comment = await queue.get_comment_detail(request.app[SERVICE], request[WHO], alike["id"])
    if alike["kind"] == "network":
        if comment.network is None:
            raise Invalid(FieldError("act", "network_forgotten", "Its network is not known any more."))
        return {"network": comment.network}
    if (comment.edited_at or "") > alike["as_of"]:
        raise VersionConflict("Its writer has edited this comment. Read it again, then decide.")
    return {"same_text": comment.id}


def _verb(name: str) -> ActionVerb:
    try:
        return ActionVerb(name)
    except ValueError:
        raise Invalid(FieldError("act", "invalid", "There is no such button.")) from None


async def undo(request: web.Request, wanted: Undo) -> web.Response:
    """Take an action back, or the last one that still stands."""
    service, who = request.app[SERVICE], request[WHO]
    if wanted.action:
        result = await undo_action(service, who, wanted.action)
    else:
        _, result = await undo_last_action(service, who)
    left = [item.comment for item in result.results if not item.ok]
    return layout.led(wanted.back, done=result.id, left=left[:50])
