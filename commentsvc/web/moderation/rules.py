"""Rules: list, add, change and delete them, and test them on past comments."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct

from commentsvc.domain.errors import FieldError, Invalid, Refusal
from commentsvc.domain.fields import Cursor, Note, SiteName
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.moderation.wording import RULE_KINDS
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, Matching, NewRule, RuleChange, RuleQuery, RuleText
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import BackQuery, Day, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO

# Kinds whose match cannot be changed: it is stored elsewhere, or there is none.
FIXED_MATCH: Final = frozenset({RuleKind.EMAIL, RuleKind.AUTHOR, RuleKind.DISPOSABLE})
BACKTEST_COMMENTS: Final = 500  # the newest decided comments


class RulesPageQuery(ResultQuery, frozen=True, kw_only=True):
    """The page of the list of rules."""

    cursor: Cursor | None = None


class NewRuleForm(Struct, frozen=True, kw_only=True):
    """A rule to test or save."""

    kind: RuleKind
    match: Matching = ""
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Day | None = None
    note: Note | None = None
    do: Literal["test", "save"] = "test"


class RuleForm(Struct, frozen=True, kw_only=True):
    """A change to a rule, or its deletion."""

    match: Matching | None = None
    effect: Effect | None = None
    expires: Day | None = None
    note: Note | None = None
    do: Literal["save", "delete"] = "save"


async def show_rules(request: web.Request, query: RulesPageQuery) -> web.Response:
    """Show the rules, and a form to add one."""
    return await _render_rules(request, query)


async def _render_rules(
    request: web.Request,
    query: RulesPageQuery,
    *,
    status: int = 200,
    form: dict[str, Any] | None = None,
    result: BacktestResult | None = None,
    error: Refusal | None = None,
) -> web.Response:
    found = await manage.list_rules(request.app[SERVICE], request[WHO], RuleQuery(cursor=query.cursor))
    return await layout.render_page(
        request,
        "rules.html",
        status=status,
        result=query,
        title="Rules",
        tab="rules",
        rules=found.rules,
        next_page=found.next_cursor and layout.build_url("/moderate/rules", cursor=found.next_cursor),
        form=form_values(form),
        default_effect=_default_effect(form),
        backtest=result,
        error=error,
    )


def _default_effect(form: dict[str, Any] | None) -> Effect | None:
    """Return the default effect of the kind that was chosen. Each kind has its own."""
    kind = (form or {}).get("kind")
    return KINDS[RuleKind(kind)].effects[0] if kind in set(RuleKind) else None


async def submit_rule(request: web.Request, form: NewRuleForm) -> web.Response:
    """Test a new rule on past comments, or save it."""
    service, who = request.app[SERVICE], request[WHO]
    text = RuleText(kind=form.kind, match=form.match, effect=form.effect, site=form.site)
    if form.do == "test":
        result = await backtest.backtest_rule(service, who, backtest_request(text))
        return await _render_rules(request, RulesPageQuery(), form=sent_values(form), result=result)
    rule = await manage.add_rule(service, who, new_rule(text, form))
    return layout.redirect_back("/moderate/rules", done=rule.action)


def backtest_request(text: RuleText) -> BacktestRequest:
    """Return a backtest of a rule on the newest decided comments."""
    return BacktestRequest(**msgspec.structs.asdict(text), last=BACKTEST_COMMENTS)


def new_rule(text: RuleText, form: Any) -> NewRule:
    """Return a rule with the expiry date and note of its form."""
    return NewRule(**msgspec.structs.asdict(text), expires_at=layout.start_of_day(form.expires), note=form.note)


def sent_values(form: Any) -> dict[str, Any]:
    """Return the fields of a valid form, to show it again."""
    return {name: getattr(form, name) or "" for name in form.__struct_fields__}


def form_values(sent: dict[str, Any] | None) -> dict[str, Any]:
    """Return a value for every field of the form: what was sent, or nothing."""
    names = ("kind", "match", "effect", "site", "expires", "note", "waiting")
    return {"sent": sent is not None} | {name: (sent or {}).get(name) or "" for name in names}


@layout.on_field_errors
async def show_new_rule_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the rules with the form as it was filled in, and its errors."""
    form, status = forms.parse_leniently(NewRuleForm, body), problems.STATUS_OF_ERROR[Invalid]
    return await _render_rules(request, RulesPageQuery(), status=status, form=form, error=error)


async def show_rule(request: web.Request, _query: BackQuery) -> web.Response:
    """Show one rule, with a form to change it."""
    return await _render_rule(request)


async def _render_rule(
    request: web.Request, *, status: int = 200, error: Refusal | None = None, form: dict[str, Any] | None = None
) -> web.Response:
    rule = await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])
    title = f"Rule: {RULE_KINDS[rule.kind].name}"
    shown: dict[str, Any] = {"rule": rule, "kind": KINDS[rule.kind], "error": error, "form": form_values(form)}
    shown["has_fixed_match"] = rule.kind in FIXED_MATCH
    return await layout.render_page(request, "rule.html", status=status, title=title, tab="rules", **shown)


async def change_rule(request: web.Request, form: RuleForm) -> web.Response:
    """Change or delete a rule."""
    service, who, rule_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    if form.do == "delete":
        return layout.redirect_back("/moderate/rules", done=(await manage.remove_rule(service, who, rule_id)).action)
    rule = await manage.get_rule(service, who, rule_id)
    if form.match is None and rule.kind not in FIXED_MATCH:
        raise Invalid(FieldError("match", "required", "Enter what the rule matches. To stop the rule, delete it."))
    change = RuleChange(
        match=None if rule.kind in FIXED_MATCH else form.match,
        effect=form.effect,
        expires_at=layout.start_of_day(form.expires) if KINDS[rule.kind].expires else UNSET,
        note=form.note,
    )
    return layout.redirect_back(
        "/moderate/rules", done=(await manage.change_rule(service, who, rule_id, change)).action
    )


@layout.on_field_errors
async def show_rule_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the rule's form as it was filled in, with its errors."""
    form, status = forms.parse_leniently(RuleForm, body), problems.STATUS_OF_ERROR[Invalid]
    return await _render_rule(request, status=status, error=error, form=form)
