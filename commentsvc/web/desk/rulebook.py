"""The rules: kept, changed, taken away, and tried on the past before they stand; also from a comment, as a ban."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc import inspecting, moderating, ruling, trying
from commentsvc.errors import Fault, Invalid, Refused
from commentsvc.model import Effect, Principal, RuleKind, Verb
from commentsvc.rules.kinds import KINDS
from commentsvc.shapes import (
    Action,
    Cursor,
    ModeratorDetail,
    NewRule,
    RuleChange,
    RulesQuery,
    RuleText,
    RuleTrial,
    SiteName,
    TrialResult,
)
from commentsvc.web import problems, wire
from commentsvc.web.desk import frame
from commentsvc.web.desk.frame import Back, Done
from commentsvc.web.endpoint import SERVICE, SESSION, WHO

LAST: Final = 500  # decided comments that a rule is tried on
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Rules(Struct, frozen=True, kw_only=True):
    """Which rules are looked at."""

    cursor: Cursor | None = None
    done: Done | None = None


class Written(Struct, frozen=True, kw_only=True):
    """A rule as somebody wrote it, to be tried or to be kept."""

    kind: RuleKind
    match: Annotated[str, Meta(max_length=2_000_000)] = ""
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Annotated[str, Meta(max_length=40)] | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    do: Literal["try", "keep"] = "try"


class Rewritten(Struct, frozen=True, kw_only=True):
    """What becomes of a rule."""

    match: Annotated[str, Meta(max_length=2_000_000)] | None = None
    effect: Effect | None = None
    expires: Annotated[str, Meta(max_length=40)] | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    do: Literal["change", "remove"] = "change"


class Banned(Struct, frozen=True, kw_only=True):
    """What of a comment's writer is banned, and what becomes of what waits from there."""

    kind: RuleKind
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Annotated[str, Meta(max_length=40)] | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    waiting: Annotated[str, Meta(max_length=10)] | None = None
    do: Literal["try", "keep"] = "try"
    back: Back | None = None


class From(Struct, frozen=True, kw_only=True):
    """From where somebody comes."""

    back: Back | None = None


# --------------------------------------------------------------------------------- the rules


async def show(request: web.Request, asked: Rules) -> web.Response:
    """The rules, and a form for one more."""
    return await _page(request, asked)


async def _page(
    request: web.Request,
    asked: Rules,
    *,
    status: int = 200,
    filled: dict[str, Any] | None = None,
    trial: TrialResult | None = None,
    error: Refused | None = None,
) -> web.Response:
    query = RulesQuery(cursor=asked.cursor)
    found = await ruling.list_rules(request.app[SERVICE], request[WHO], query)
    return await frame.page(
        request,
        "rules.html",
        status=status,
        done=asked.done,
        title="Rules",
        tab="rules",
        rules=found.rules,
        following=found.next_cursor and frame.address("/moderate/rules", cursor=found.next_cursor),
        kinds=KINDS,
        filled=_filled(filled),
        trial=trial,
        error=error,
    )


async def write(request: web.Request, written: Written) -> web.Response:
    """Try a rule on the past; or keep it."""
    service, who = request.app[SERVICE], request[WHO]
    text = RuleText(kind=written.kind, match=written.match, effect=written.effect, site=written.site)
    if written.do == "try":
        trial = await trying.try_rule(service, who, _trial(text))
        return await _page(request, Rules(), filled=_strings(written), trial=trial)
    kept = await ruling.add_rule(service, who, _new(text, written))
    return frame.led("/moderate/rules", done=kept.action)


def _trial(text: RuleText) -> RuleTrial:
    return RuleTrial(**msgspec.structs.asdict(text), last=LAST)


def _new(text: RuleText, written: Written | Banned) -> NewRule:
    return NewRule(**msgspec.structs.asdict(text), expires_at=_end(written.expires), note=written.note)


def _strings(written: Written | Banned) -> dict[str, Any]:
    return {name: getattr(written, name) or "" for name in written.__struct_fields__}


def _filled(sent: dict[str, Any] | None) -> dict[str, Any]:
    """What stands in a form: what was sent, and nothing elsewhere."""
    names = ("kind", "match", "effect", "site", "expires", "note", "waiting")
    return {"sent": sent is not None} | {name: (sent or {}).get(name) or "" for name in names}


def _end(day: str | None) -> str | None:
    """The first moment of a day, as times travel; what is no day is for the rule to refuse."""
    return f"{day}T00:00:00Z" if day and DAY.fullmatch(day) else day


async def again(request: web.Request, error: Refused, body: bytes) -> web.Response:
    """The rules once more: what is wrong, and the form as it was filled in."""
    if SESSION not in request or not isinstance(error, Invalid):
        return await frame.refused(request, error, body)
    return await _page(
        request, Rules(), status=problems.STATUS[Invalid], filled=wire.filled_in(Written, body), error=error
    )


async def look(request: web.Request, _from: From) -> web.Response:
    """One rule, whole, and a form to change it."""
    return await _look(request)


async def _look(
    request: web.Request, *, status: int = 200, error: Refused | None = None, filled: dict[str, Any] | None = None
) -> web.Response:
    rule = await ruling.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {"rule": rule, "kind": KINDS[rule.kind], "error": error, "filled": _filled(filled)}
    return await frame.page(request, "rule.html", status=status, title=f"Rule: {rule.kind}", tab="rules", **shown)


async def rewrite(request: web.Request, rewritten: Rewritten) -> web.Response:
    """Change a rule, or take it away."""
    service, who, rule_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    if rewritten.do == "remove":
        return frame.led("/moderate/rules", done=(await ruling.remove_rule(service, who, rule_id)).action)
    rule = await ruling.get_rule(service, who, rule_id)
    change = RuleChange(
        match=None if rule.kind in {RuleKind.EMAIL, RuleKind.AUTHOR} else rewritten.match,
        effect=rewritten.effect,
        expires_at=_end(rewritten.expires) if KINDS[rule.kind].expires else UNSET,
        note=rewritten.note,
    )
    return frame.led("/moderate/rules", done=(await ruling.change_rule(service, who, rule_id, change)).action)


async def look_again(request: web.Request, error: Refused, body: bytes) -> web.Response:
    """The rule once more: what is wrong, and the form as it was filled in."""
    if SESSION not in request or not isinstance(error, Invalid):
        return await frame.refused(request, error, body)
    return await _look(request, status=problems.STATUS[Invalid], error=error, filled=wire.filled_in(Rewritten, body))


# --------------------------------------------------------------------------------- bans


@dataclass(frozen=True)
class Ban:
    """One way to ban whoever wrote a comment."""

    kind: RuleKind
    match: str
    text: str


def _ways(card: ModeratorDetail) -> Iterator[Ban]:
    if card.network:
        yield Ban(RuleKind.NETWORK, card.network, f"Its network, {card.network}")
    if not card.by_moderator:
        yield Ban(RuleKind.AUTHOR, card.id, "Whoever holds its author token: the same browser")
    if card.email and "…" not in card.email:
        yield Ban(RuleKind.EMAIL, card.email, f"Its email, {card.email}")
        domain = card.email.rpartition("@")[2]
        yield Ban(RuleKind.EMAIL_DOMAIN, domain, f"Every email at {domain}")
    host = urlsplit(card.website or "").hostname
    if host:
        yield Ban(RuleKind.WEBSITE, host, f"Every writer with a website at {host}")


async def consider(request: web.Request, from_: From) -> web.Response:
    """The ways to ban a comment's writer."""
    return await _consider(request, back=from_.back)


async def _consider(
    request: web.Request,
    *,
    back: str | None,
    status: int = 200,
    filled: dict[str, Any] | None = None,
    trial: TrialResult | None = None,
    error: Refused | None = None,
) -> web.Response:
    card = await inspecting.detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return await frame.page(
        request,
        "ban.html",
        status=status,
        title=f"Ban the writer of {card.name}’s comment",
        tab=None,
        card=card,
        ways=list(_ways(card)),
        kinds=KINDS,
        filled=_filled(filled),
        trial=trial,
        error=error,
        back=frame.back_to(back),
    )


async def ban(request: web.Request, banned: Banned) -> web.Response:
    """Try a ban on the past; or keep it, and call spam what waits from the same network."""
    service, who = request.app[SERVICE], request[WHO]
    card = await inspecting.detail(service, who, request.match_info["id"])
    way = next((way for way in _ways(card) if way.kind is banned.kind), None)
    if way is None:
        raise Invalid(Fault("kind", "invalid", "Say what of its writer is banned."))
    site = banned.site or (card.site if who.sites is not None else None)
    text = RuleText(kind=way.kind, match=way.match, effect=banned.effect, site=site)
    if banned.do == "try":
        trial = await trying.try_rule(service, who, _trial(text))
        return await _consider(request, back=banned.back, filled=_strings(banned), trial=trial)
    kept = await ruling.add_rule(service, who, _new(text, banned))
    if banned.waiting:
        await _call_spam(request, who, card)
    return frame.led(banned.back, done=kept.action)


async def _call_spam(request: web.Request, who: Principal, card: ModeratorDetail) -> None:
    """What waits from the comment's network, and the comment itself."""
    service = request.app[SERVICE]
    await moderating.act(service, who, Action(action=Verb.SPAM, ids=[card.id]))
    if card.network:
        where = {"status": "pending", "network": card.network}
        number = await moderating.count(service, who, where)
        await moderating.act(service, who, Action(action=Verb.SPAM, where=where, expect=number))


async def consider_again(request: web.Request, error: Refused, body: bytes) -> web.Response:
    """The ways to ban once more, and what is wrong with the one that was chosen."""
    if SESSION not in request or not isinstance(error, Invalid):
        return await frame.refused(request, error, body)
    filled = wire.filled_in(Banned, body)
    status = problems.STATUS[Invalid]
    return await _consider(request, back=filled.get("back"), status=status, filled=filled, error=error)
