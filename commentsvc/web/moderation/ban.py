"""A ban, from a comment: what of its writer can be banned, tried on the past before it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.domain.errors import Conflict, FieldError, Invalid, Refusal
from commentsvc.domain.fields import Note, SiteName
from commentsvc.domain.models import ActionVerb, Effect, RuleKind
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action, AsOf, ModeratorDetail
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import BacktestResult, RuleText
from commentsvc.web.moderation import layout, rules
from commentsvc.web.moderation.layout import Back, Day
from commentsvc.web.server import parsing, problems
from commentsvc.web.server.routing import SERVICE, WHO


class Banned(Struct, frozen=True, kw_only=True):
    """What of a comment's writer is banned, and what becomes of what waits from there."""

    kind: RuleKind
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Day | None = None
    note: Note | None = None
    waiting: Annotated[str, Meta(max_length=10)] | None = None
    version: Annotated[int, Meta(ge=1)] | None = None
    as_of: AsOf | None = None
    do: Literal["try", "keep"] = "try"
    back: Back | None = None


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
        yield Ban(RuleKind.AUTHOR, card.id, "This browser: whoever holds its author token")
    if card.email and "…" not in card.email:
        yield Ban(RuleKind.EMAIL, card.email, f"Its email, {card.email}")
        domain = card.email.rpartition("@")[2]
        yield Ban(RuleKind.EMAIL_DOMAIN, domain, f"Every email at {domain}")
    host = urlsplit(card.website or "").hostname
    if host:
        yield Ban(RuleKind.WEBSITE, host, f"Every writer with a website at {host}")


async def consider(request: web.Request, from_: rules.From) -> web.Response:
    """The ways to ban a comment's writer."""
    return await _consider(request, back=from_.back)


async def _consider(
    request: web.Request,
    *,
    back: str | None,
    status: int = 200,
    filled: dict[str, Any] | None = None,
    trial: BacktestResult | None = None,
    error: Refusal | None = None,
) -> web.Response:
    card = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return await layout.page(
        request,
        "ban.html",
        status=status,
        title=f"Ban the writer of {card.name}’s comment",
        tab=None,
        card=card,
        ways=list(_ways(card)),
        kinds=KINDS,
        filled=rules.to_show(filled),
        trial=trial,
        error=error,
        back=layout.back_to(back),
    )


async def ban(request: web.Request, banned: Banned) -> web.Response:
    """Try a ban on the past; or keep it, and call spam what waits from the same network."""
    service, who = request.app[SERVICE], request[WHO]
    card = await queue.get_comment_detail(service, who, request.match_info["id"])
    way = next((way for way in _ways(card) if way.kind is banned.kind), None)
    if way is None:
        raise Invalid(FieldError("kind", "invalid", "Say what of its writer is banned."))
    site = banned.site or (card.site if who.sites is not None else None)
    text = RuleText(kind=way.kind, match=way.match, effect=banned.effect, site=site)
    if banned.do == "try":
        trial = await backtest.backtest_rule(service, who, rules.to_try(text))
        return await _consider(request, back=banned.back, filled=rules.sent(banned), trial=trial)
    if banned.waiting and card.network:
        await _refuse_too_many(request, card, banned)
    kept = await manage.add_rule(service, who, rules.to_keep(text, banned))
    done = await _call_spam(request, card, banned) if banned.waiting else None
    return layout.led(banned.back, done=done or kept.action, also=kept.action if done else None)


async def _refuse_too_many(request: web.Request, card: ModeratorDetail, banned: Banned) -> None:
    number = await actions.count_matching(request.app[SERVICE], request[WHO], _waiting(card, banned))
    if number > actions.MAX_COMMENTS:
        raise Conflict("More wait from there than can be called spam in one step. Ban alone, and decide on them apart.")


async def _call_spam(request: web.Request, card: ModeratorDetail, banned: Banned) -> str | None:
    """Call spam what waited from the comment's network when its moderator looked; returns the action, if any."""
    service, who = request.app[SERVICE], request[WHO]
    if card.network is None:
        seen = {card.id: banned.version or card.version}
        result = await actions.apply_action(service, who, Action(action=ActionVerb.SPAM, ids=[card.id], seen=seen))
    else:
        where = _waiting(card, banned)
        number = min(await actions.count_matching(service, who, where), actions.MAX_COMMENTS)
        result = await actions.apply_action(service, who, Action(action=ActionVerb.SPAM, where=where, expect=number))
    return result.id if result.changed else None


def _waiting(card: ModeratorDetail, banned: Banned) -> dict[str, Any]:
    return {"status": "pending", "network": card.network, "as_of": banned.as_of}


@layout.where_fields_are_at_fault
async def consider_again(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """The ways to ban once more, and what is wrong with the one that was chosen."""
    filled = parsing.filled_in(Banned, body)
    status = problems.STATUS_OF_ERROR[Invalid]
    return await _consider(request, back=filled.get("back"), status=status, filled=filled, error=error)
