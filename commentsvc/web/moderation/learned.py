"""The panel of the learned filter on the page of rules: its replay, and the form that sets it."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, NewRule, RuleChange, RuleRecord
from commentsvc.sites import resolve
from commentsvc.web.moderation.curve import format_percent
from commentsvc.web.moderation.rule_forms import NewRuleForm
from commentsvc.web.server.routing import SERVICE, WHO

SHARES: Final = ("98", "99", "99.5", "99.8", "99.9", "100")  # percent of good comments, as the form offers them
DEFAULT_SHARE: Final = "99.5"


@dataclass(frozen=True)
class LearnedPanel:
    """The settings of the filter as the panel shows them, and its replay; None if that took too long."""

    site: str | None
    keep: str
    effect: Effect
    rule: RuleRecord | None
    test: BacktestResult | None

    @property
    def shares(self) -> list[tuple[str, str]]:
        """Return the shares to choose from, with their labels. A stored one that is not offered is among them."""
        return [(share, format_percent(share)) for share in sorted({*SHARES, self.keep}, key=float)]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Return the effects to choose from."""
        return KINDS[RuleKind.LEARNED].effects


async def load_panel(request: web.Request, form: NewRuleForm | None = None) -> LearnedPanel:
    """Return the panel for a form as it was sent; None: as the filter is set now.

    Raises:
        Invalid: for the field ``match`` or ``site`` of a form.
    """
    service, who = request.app[SERVICE], request[WHO]
    site = form.site if form else await _default_site(request)
    rule = await manage.find_rule_of_kind(service, who, RuleKind.LEARNED, site)
    sent = (form.match, form.effect) if form else (rule.match, rule.effect) if rule else (None, None)
    keep, effect = sent[0] or DEFAULT_SHARE, sent[1] or KINDS[RuleKind.LEARNED].effects[0]
    trial = BacktestRequest(kind=RuleKind.LEARNED, match=keep, effect=effect, site=site)
    try:
        return LearnedPanel(site, keep, effect, rule, await backtest.backtest_rule(service, who, trial))
    except Unavailable:  # the page must not wait for its test
        return LearnedPanel(site, keep, effect, rule, None)


async def _default_site(request: web.Request) -> str | None:
    """Return the first site of a moderator of some sites, and None for one of all."""
    who = request[WHO]
    if who.sites is None:
        return None
    directory = await resolve.read_directory(request.app[SERVICE])
    return next((site.name for site in directory.sites if who.reaches(site.id)), None)


async def save_filter(request: web.Request, form: NewRuleForm) -> RuleRecord:
    """Store how the filter is set, as the one rule of its kind for this site or for all.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
        VersionConflict: the rule was changed since the form was shown.
    """
    service, who = request.app[SERVICE], request[WHO]
    rule = await manage.find_rule_of_kind(service, who, RuleKind.LEARNED, form.site)
    if rule is None:
        new = NewRule(kind=RuleKind.LEARNED, match=form.match or "", effect=form.effect, site=form.site)
        return await manage.add_rule(service, who, new)
    change = RuleChange(match=form.match, effect=form.effect)
    return await manage.change_rule(service, who, rule.id, change, form.version)
