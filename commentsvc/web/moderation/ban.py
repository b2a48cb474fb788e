"""Ban a commenter from one of their comments: choose how, test it on past comments, save it as a rule."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Meta, Struct

from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.errors import Conflict, FieldError, Invalid, Refusal
from commentsvc.domain.fields import Note, SiteName
from commentsvc.domain.models import ActionVerb, Effect, RuleKind
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action, ModeratorDetail
from commentsvc.moderation.wording import format_count
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import EMAIL_EFFECTS
from commentsvc.rules.schemas import BacktestResult, RuleText
from commentsvc.web.moderation import layout, rules
from commentsvc.web.moderation.layout import Back, BackQuery, Day
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO


class BanForm(Struct, frozen=True, kw_only=True):
    """A ban, and whether to mark the waiting comments as spam."""

    kind: RuleKind
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Day | None = None
    note: Note | None = None
    waiting: Annotated[str, Meta(max_length=10)] | None = None
    version: Annotated[int, Meta(ge=1)] | None = None
    as_of: Annotated[str, Meta(max_length=40)] | None = None
    do: Literal["test", "save"] = "test"
    back: Back | None = None


@dataclass(frozen=True)
class BanOption:
    """One way to ban a commenter."""

    kind: RuleKind
    match: str
    text: str


def _list_options(card: ModeratorDetail) -> Iterator[BanOption]:
    if card.network:
        yield BanOption(RuleKind.NETWORK, card.network, f"Their network {_describe_network(card.network)}")
    if not card.by_moderator:
        yield BanOption(RuleKind.AUTHOR, card.id, "This browser")
    if card.email and "…" not in card.email and card.email != UNREADABLE.reveal():
        yield BanOption(RuleKind.EMAIL, card.email, f"Their email address {card.email}")
        domain = card.email.rpartition("@")[2]
        yield BanOption(RuleKind.EMAIL_DOMAIN, domain, f"All email addresses at {domain}")
    host = urlsplit(card.website or "").hostname
    if host:
        yield BanOption(RuleKind.WEBSITE, host, f"All commenters with a website at {host}")


def _describe_network(text: str) -> str:
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network):  # has more addresses than anybody can picture
        return text
    return f"{text} ({format_count(network.num_addresses, 'address', 'addresses')})"


async def show_ban_form(request: web.Request, query: BackQuery) -> web.Response:
    """Show the ways to ban a commenter."""
    return await _render_form(request, back=query.back)


async def _render_form(
    request: web.Request,
    *,
    back: str | None,
    status: int = 200,
    form: dict[str, Any] | None = None,
    result: BacktestResult | None = None,
    error: Refusal | None = None,
) -> web.Response:
    card = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return await layout.render_page(
        request,
        "ban.html",
        status=status,
        title=f"Ban {card.name}",
        tab=None,
        card=card,
        options=list(_list_options(card)),
        default_effect=EMAIL_EFFECTS[0],
        form=rules.form_values(form),
        backtest=result,
        error=error,
        back=layout.safe_back_url(back),
    )


async def ban_commenter(request: web.Request, form: BanForm) -> web.Response:
    """Test a ban on past comments; or save it, and mark the waiting comments as spam."""
    service, who = request.app[SERVICE], request[WHO]
    card = await queue.get_comment_detail(service, who, request.match_info["id"])
    option = next((option for option in _list_options(card) if option.kind is form.kind), None)
    if option is None:
        raise Invalid(FieldError("kind", "invalid", "Choose what to ban."))
    site = form.site or (card.site if who.sites is not None else None)
    text = RuleText(kind=option.kind, match=option.match, effect=form.effect, site=site)
    if form.do == "test":
        result = await backtest.backtest_rule(service, who, rules.backtest_request(text))
        return await _render_form(request, back=form.back, form=rules.sent_values(form), result=result)
    if form.waiting and card.network:
        await _check_waiting_count(request, card, form)
    rule = await manage.add_rule(service, who, rules.new_rule(text, form))
    marked = await _mark_spam(request, card, form) if form.waiting else None
    return layout.redirect_back(form.back, done=marked or rule.action, also=rule.action if marked else None)


async def _check_waiting_count(request: web.Request, card: ModeratorDetail, form: BanForm) -> None:
    number = await actions.count_matching(request.app[SERVICE], request[WHO], _waiting_filter(card, form))
    if number > actions.MAX_COMMENTS:
        raise Conflict(
            f"More than {actions.MAX_COMMENTS:,} comments are waiting from this network. "
            "Ban it without marking them, then moderate them in parts."
        )


async def _mark_spam(request: web.Request, card: ModeratorDetail, form: BanForm) -> str | None:
    """Mark as spam what was waiting from this network when the form was opened. Return the action, if any."""
    service, who = request.app[SERVICE], request[WHO]
    if card.network is None:
        seen = {card.id: form.version or card.version}
        result = await actions.apply_action(service, who, Action(action=ActionVerb.SPAM, ids=[card.id], seen=seen))
    else:
        where = _waiting_filter(card, form)
        number = min(await actions.count_matching(service, who, where), actions.MAX_COMMENTS)
        result = await actions.apply_action(service, who, Action(action=ActionVerb.SPAM, where=where, expect=number))
    return result.id if result.changed else None


def _waiting_filter(card: ModeratorDetail, form: BanForm) -> dict[str, Any]:
    return {"status": "pending", "network": card.network, "as_of": form.as_of}


@layout.on_field_errors
async def show_ban_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the ban form again, as it was filled in, with its errors."""
    form = forms.parse_leniently(BanForm, body)
    status = problems.STATUS_OF_ERROR[Invalid]
    return await _render_form(request, back=form.get("back"), status=status, form=form, error=error)
