"""Ban a commenter from one of their comments: one sentence, tested on past comments, saved as a rule."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType, field

from commentsvc.domain.errors import Conflict, FieldError, Invalid, Refusal, Unavailable
from commentsvc.domain.fields import Note, SiteName
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Effect, RuleKind, Scope
from commentsvc.moderation import ban, queue, sweep
from commentsvc.moderation.ban_schemas import DAYS, MOST_DAYS
from commentsvc.moderation.sweep import Sweep, SweepRange
from commentsvc.rules import backtest
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, NewRule
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, BackQuery
from commentsvc.web.moderation.rule_forms import BACKTEST_COMMENTS, LAST_CHOICES, Last
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO

# How long a ban lasts, in days; 0: for ever.
DURATIONS: Final = {
    1: translatable("1 day"),
    7: translatable("7 days"),
    30: translatable("30 days"),
    365: translatable("1 year"),
    0: translatable("all time"),
}
REACHES: Final = (1, 7, 30, 0)  # how many days back a ban sweeps; 0: everything
EFFECTS: Final = {
    Effect.HOLD: translatable("hold new comments"),
    Effect.SPAM: translatable("mark new comments as spam"),
    Effect.REFUSE: translatable("reject new comments with a message"),
}
MORE_COMMENTS: Final = translatable("More comments match now. Check the number, then ban again.")
CHOICES: Final = {
    "durations": DURATIONS,
    "ban_effects": EFFECTS,
    "last_choices": LAST_CHOICES,
}
# The numbers that the page showed: a way to ban, waiting comments, public comments.
SHOWN: Final = re.compile(r"([a-z_]{1,20}) ([0-9]{1,5}) ([0-9]{1,5})")


class BanForm(Struct, frozen=True, kw_only=True):
    """The sentence of a ban, and which earlier comments it marks as spam."""

    kind: RuleKind | None = None
    effect: Effect | None = None
    site: SiteName | UnsetType | None = UNSET  # empty: all sites; missing: that of the comment
    days: Annotated[int, Meta(ge=0, le=MOST_DAYS)] = DAYS
    note: Note | None = None
    since: Annotated[int, Meta(ge=0, le=MOST_DAYS)] = DAYS
    waiting: Annotated[str, Meta(max_length=10)] | None = None
    public: Annotated[str, Meta(max_length=10)] | None = None
    shown: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=10)] = field(default_factory=list)
    as_of: Annotated[str, Meta(max_length=40)] | None = None
    last: Last = BACKTEST_COMMENTS
    do: Literal["test", "save"] = "test"
    back: Back | None = None


@dataclass(frozen=True)
class BanOption:
    """One way to ban a commenter. ``sweep`` and ``test`` are None if they took too long."""

    kind: RuleKind
    match: str
    sweep: Sweep | None = None
    test: BacktestResult | None = None


async def show_ban_form(request: web.Request, query: BackQuery) -> web.Response:
    """Show the ways to ban a commenter, and what each would do."""
    return await _render_form(request, None, back=query.back)


async def _render_form(
    request: web.Request,
    form: BanForm | None,
    *,
    back: str | None,
    status: int = 200,
    error: Refusal | None = None,
) -> web.Response:
    """Show the form as it was sent; None: as it is at first."""
    card = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    form = _with_site(form or BanForm(), card.site)
    bans = ban.list_bans(card)
    kind = form.kind if form.kind in bans else next(iter(bans), None)
    shown: dict[str, Any] = {
        "tab": None,
        "card": card,
        "options": await _test_options(request, bans, form) if request[WHO].may(Scope.MODERATE) else [],
        "form": msgspec.structs.replace(form, kind=kind),
        "first": form.do == "test" and not form.shown,
        "error": error,
        "back": layout.safe_back_url(back),
        "reaches": {days: _first_day(request, days) for days in REACHES},
    }
    return await layout.render_page(request, "ban.html", status=status, **shown | CHOICES)


def _with_site(form: BanForm, site: str) -> BanForm:
    """Return a form that names the site of the comment if the field is missing: that must not widen the ban."""
    return msgspec.structs.replace(form, site=site) if form.site is UNSET else form


def _site_of(form: BanForm) -> str | None:
    """Return the site of a form that has one; None: all sites."""
    if isinstance(form.site, UnsetType):
        raise TypeError("the form has no site yet")
    return form.site


async def _test_options(request: web.Request, bans: Mapping[RuleKind, str], form: BanForm) -> list[BanOption]:
    """Return each way to ban the commenter, with what it would sweep and have caught."""
    service, who = request.app[SERVICE], request[WHO]
    site = _site_of(form)
    trials = [BacktestRequest(kind=kind, match=match, site=site, last=form.last) for kind, match in bans.items()]
    try:
        found = await sweep.find_sweeps(service, who, request.match_info["id"], bans, _sweep_range(request, form))
        tests = await backtest.backtest_rules(service, who, trials) if trials else []
    except (Unavailable, Invalid):  # a ban must not have to wait for its test, and a site that is none has none
        return [BanOption(kind, match) for kind, match in bans.items()]
    return [
        BanOption(kind, match, found.get(kind), test) for (kind, match), test in zip(bans.items(), tests, strict=True)
    ]


def _sweep_range(request: web.Request, form: BanForm, as_of: str | None = None) -> SweepRange:
    day = _first_day(request, form.since)
    return SweepRange(site=_site_of(form), since=f"{day}T00:00:00.000Z" if day else None, as_of=as_of)


def _first_day(request: web.Request, days: int) -> str | None:
    """Return the day in UTC with which a sweep of so many days begins, since the page names a day; None: none."""
    return request.app[SERVICE].ago(days=days)[:10] if days else None


async def ban_commenter(request: web.Request, form: BanForm) -> web.Response:
    """Test a ban on past comments; or save it, and mark earlier comments as spam."""
    service, who = request.app[SERVICE], request[WHO]
    card = await queue.get_comment_detail(service, who, request.match_info["id"])
    bans = ban.list_bans(card)
    kind = form.kind
    if kind is None or kind not in bans:
        raise Invalid(FieldError("kind", "invalid", translatable("Choose what to ban.")))
    form = _with_site(form, card.site)
    if form.site is None and who.sites is not None:
        form = msgspec.structs.replace(form, site=card.site)
    if form.do == "test":
        return await _render_form(request, form, back=form.back)
    targets = await _list_targets(request, kind, bans[kind], form)
    if targets is None:
        status = problems.STATUS_OF_ERROR[Conflict]
        return await _render_form(request, form, back=form.back, status=status, error=Conflict(MORE_COMMENTS))
    new = NewRule(
        kind=kind,
        match=bans[kind],
        effect=form.effect,
        site=_site_of(form),
        expires_at=service.ahead(days=form.days) if form.days else None,
        note=form.note,
    )
    done = await ban.ban_commenter(service, who, new, targets)
    return layout.redirect_back(form.back, done=done.action)


async def _list_targets(
    request: web.Request, kind: RuleKind, match: str, form: BanForm
) -> dict[str, int | None] | None:
    """Return the comments that the ban marks as spam; None if these are more than the page showed.

    Raises:
        Unavailable: the search took too long.
    """
    if not (form.waiting or form.public):
        return {}
    service, who = request.app[SERVICE], request[WHO]
    where = _sweep_range(request, form, form.as_of)
    swept = await sweep.find_sweep(service, who, request.match_info["id"], kind, match, where)
    numbers = {match[1]: (int(match[2]), int(match[3])) for match in map(SHOWN.fullmatch, form.shown) if match}
    waiting, public = numbers.get(kind, (0, 0))
    targets: dict[str, int | None] = {}
    for chosen, found, most in ((form.waiting, swept.waiting, waiting), (form.public, swept.public, public)):
        if chosen:
            targets |= found
            if len(found) > most:
                return None
    return targets


@layout.on_field_errors
async def show_ban_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the ban form again, as it was filled in, with its errors."""
    sent, form = forms.parse_leniently(BanForm, body), BanForm()
    for name, value in sent.items():
        with suppress(msgspec.ValidationError):
            form = msgspec.convert({**msgspec.to_builtins(form), name: value}, BanForm, strict=False)
    status = problems.STATUS_OF_ERROR[Invalid]
    return await _render_form(request, form, back=form.back, status=status, error=error)
