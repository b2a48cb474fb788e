"""Rules: list, add, change and delete them, and test them on past comments."""

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from msgspec import UNSET

from commentsvc.audit import lookup
from commentsvc.domain.errors import (
    Conflict,
    ExpectationFailed,
    FieldError,
    Invalid,
    Refusal,
    Unavailable,
    VersionConflict,
)
from commentsvc.domain.fields import Cursor
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import RuleKind, Scope
from commentsvc.moderation import rule_undo
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import (
    BacktestRequest,
    BacktestResult,
    NewRule,
    RuleChange,
    RuleQuery,
    RuleRecord,
    RuleUndo,
)
from commentsvc.web.moderation import layout, learned, rule_forms
from commentsvc.web.moderation.layout import BackQuery, ResultQuery
from commentsvc.web.moderation.learned import LearnedPanel
from commentsvc.web.moderation.rule_forms import FIXED_MATCH, NewRuleForm, RuleForm, RuleUndoForm
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO

# A longer list is tested when asked: its test takes a second and more.
MAX_TESTED_AT_ONCE: Final = 20_000
MAX_CHANGES: Final = 20  # of someone else, that a conflict shows
NOT_UNDOING: Final[dict[str, Any]] = {"since": None, "matching": None, "error": None}
CHOICES: Final = {
    "groups": rule_forms.GROUPS,
    "effect_groups": rule_forms.group_by_effects(),
    "number_kinds": rule_forms.NUMBER_KINDS,
    "text_kinds": rule_forms.TEXT_KINDS,
    "kinds": KINDS,
    "conditions": rule_forms.CONDITIONS,
    "last_choices": rule_forms.LAST_CHOICES,
}


class RulesPageQuery(ResultQuery, frozen=True, kw_only=True):
    """The page of the list of rules."""

    cursor: Cursor | None = None


async def show_rules(request: web.Request, query: RulesPageQuery) -> web.Response:
    """Show the rules, and a form to add one."""
    return await _render_rules(request, query)


async def _render_rules(
    request: web.Request,
    query: RulesPageQuery,
    *,
    status: int = 200,
    form: Mapping[str, Any] | None = None,
    test: BacktestResult | None = None,
    error: Refusal | None = None,
    panel: LearnedPanel | None = None,
) -> web.Response:
    found = await manage.list_rules(request.app[SERVICE], request[WHO], RuleQuery(cursor=query.cursor))
    shown: dict[str, Any] = {
        "rules": found.rules,
        "next_page": found.next_cursor and layout.build_url("/moderate/rules", cursor=found.next_cursor),
        "form": form or rule_forms.form_values({}) | {"kind": RuleKind.WORDS},
        "test": test,
        "error": error,
        "filter": panel or await learned.load_panel(request),
    }
    return await layout.render_page(request, "rules.html", status=status, result=query, tab="rules", **shown | CHOICES)


async def submit_rule(request: web.Request, form: NewRuleForm) -> web.Response:
    """Test a new rule on past comments, or save it."""
    if form.kind is RuleKind.LEARNED:
        return await _submit_filter(request, form)
    service, who = request.app[SERVICE], request[WHO]
    text: dict[str, Any] = {
        "kind": form.kind,
        "match": form.match_of(form.kind),
        "effect": form.effect_of(form.kind),
        "site": form.site,
    }
    if form.do == "test" or form.remove:
        test = await backtest.backtest_rule(service, who, BacktestRequest(**text, last=form.last))
        sent = rule_forms.sent_values(form.kind, form)
        return await _render_rules(request, RulesPageQuery(), form=sent, test=test)
    expires_at = layout.start_of_day(form.expires) if KINDS[form.kind].expires else None
    rule = await manage.add_rule(service, who, NewRule(**text, expires_at=expires_at, note=form.note))
    return layout.redirect_back("/moderate/rules", done=rule.action)


async def _submit_filter(request: web.Request, form: NewRuleForm) -> web.Response:
    """Show what the learned filter would have caught with another setting, or save the setting."""
    if form.do == "test":
        return await _render_rules(request, RulesPageQuery(), panel=await learned.load_panel(request, form))
    rule = await learned.save_filter(request, form)
    return layout.redirect_back("/moderate/rules", done=rule.action or layout.UNCHANGED)


@layout.on_field_errors
async def show_new_rule_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the rules with the form as it was filled in, and its errors."""
    sent, status = forms.parse_leniently(NewRuleForm, body), problems.STATUS_OF_ERROR[Invalid]
    kind = RuleKind(sent["kind"]) if sent.get("kind") in set(RuleKind) else RuleKind.WORDS
    form = rule_forms.lenient_values(kind, sent)
    return await _render_rules(request, RulesPageQuery(), status=status, form=form, error=error)


async def show_rule(request: web.Request, _query: BackQuery) -> web.Response:
    """Show one rule, with a form to change it, and with its test on past comments."""
    service, who = request.app[SERVICE], request[WHO]
    rule = await manage.get_rule(service, who, request.match_info["id"])
    test = None
    if who.may(Scope.MODERATE) and rule.match_length <= MAX_TESTED_AT_ONCE:
        try:
            test = await backtest.backtest_stored_rule(service, who, rule.id, rule_forms.BACKTEST_COMMENTS)
        except (Invalid, Unavailable):  # of a kind whose library was removed; or the service is busy
            test = None
    return await _render_rule(request, rule, test=test)


async def _render_rule(
    request: web.Request,
    rule: RuleRecord,
    *,
    status: int = 200,
    error: Refusal | None = None,
    form: Mapping[str, Any] | None = None,
    test: BacktestResult | None = None,
    version: int | None = None,
    **more: Any,
) -> web.Response:
    """Show a rule. ``version`` is the one that the form was filled in for; None: the rule's.

    ``more`` may hold the ``changes`` of someone else, and the values of the form to ``undo`` what the rule did.
    """
    stored = {"match": rule.match, "effect": rule.effect, "expires": rule.expires_at, "note": rule.note}
    shown: dict[str, Any] = {
        "rule": rule,
        "form": form or rule_forms.form_values({"kind": rule.kind} | stored),
        "version": version or rule.version,
        "has_fixed_match": rule.kind in FIXED_MATCH,
        "may_change": request[WHO].may(Scope.MODERATE) and (rule.site is not None or request[WHO].sites is None),
        "error": error,
        "test": test,
        "changes": (),
        "undo": NOT_UNDOING,
    }
    return await layout.render_page(request, "rule.html", status=status, tab="rules", **shown | more | CHOICES)


async def change_rule(request: web.Request, form: RuleForm) -> web.Response:
    """Test, change or delete a rule, unless someone else changed it."""
    service, who, rule_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    rule = await manage.get_rule(service, who, rule_id)
    try:
        if form.do == "delete":
            changed = await manage.remove_rule(service, who, rule_id, form.version)
        elif form.do == "test" or form.remove:
            test = await _test_changed(request, rule, form)
            sent = rule_forms.sent_values(rule.kind, form)
            return await _render_rule(request, rule, form=sent, test=test, version=form.version)
        else:
            changed = await manage.change_rule(service, who, rule_id, _read_change(rule, form), form.version)
    except VersionConflict:
        return await _show_conflict(request, form)
    return layout.redirect_back("/moderate/rules", done=changed.action or layout.UNCHANGED)


def _read_change(rule: RuleRecord, form: RuleForm) -> RuleChange:
    match = form.match_of(rule.kind)
    if not match and rule.kind not in FIXED_MATCH and not KINDS[rule.kind].default:
        message = translatable("Enter what the rule matches. To stop the rule, delete it.")
        raise Invalid(FieldError("match", "required", message))
    expires_at = layout.start_of_day(form.expires)
    return RuleChange(
        match=None if rule.kind in FIXED_MATCH else match,
        effect=form.effect_of(rule.kind),
        expires_at=_keep_time_of_day(rule.expires_at, expires_at) if KINDS[rule.kind].expires else UNSET,
        note=form.note,
    )


def _keep_time_of_day(before: str | None, after: str | None) -> str | None:
    """Return the stored end of a rule if its day is unchanged: a form has the day only."""
    return before if before and after and before[:10] == after[:10] else after


async def _test_changed(request: web.Request, rule: RuleRecord, form: RuleForm) -> BacktestResult:
    service, who = request.app[SERVICE], request[WHO]
    if rule.kind in FIXED_MATCH:
        return await backtest.backtest_stored_rule(service, who, rule.id, form.last)
    match, effect = form.match_of(rule.kind), form.effect_of(rule.kind)
    trial = BacktestRequest(kind=rule.kind, match=match, effect=effect, site=rule.site, last=form.last)
    return await backtest.backtest_rule(service, who, trial)


async def _show_conflict(request: web.Request, form: RuleForm) -> web.Response:
    """Show what someone else changed, and the form as it was filled in, for the new version."""
    service = request.app[SERVICE]
    rule = await manage.get_rule(service, request[WHO], request.match_info["id"])
    number = min(max(rule.version - (form.version or 0), 0), MAX_CHANGES)
    changes = await lookup.list_changes(service, f"rule:{rule.id}", number)
    status, typed = problems.STATUS_OF_ERROR[VersionConflict], rule_forms.sent_values(rule.kind, form)
    sent = None if form.do == "delete" else typed | ({"match": rule.match} if rule.kind in FIXED_MATCH else {})
    return await _render_rule(request, rule, status=status, form=sent, changes=changes)


async def undo_rule(request: web.Request, form: RuleUndoForm) -> web.Response:
    """Count the comments that a rule held or marked as spam since a day; undo that once their number was shown."""
    undo = RuleUndo(since=layout.start_of_day(form.since) or "", expect=form.expect)
    try:
        done = await rule_undo.undo_rule(request.app[SERVICE], request[WHO], request.match_info["id"], undo)
    except (ExpectationFailed, Conflict) as error:
        return await _render_undo(request, {"since": form.since, "error": error}, type(error))
    if done.action:
        return layout.redirect_back("/moderate/rules", done=done.action.id)
    return await _render_undo(request, {"since": form.since, "matching": done.matching})


async def _render_undo(
    request: web.Request, undo: dict[str, Any], refused: type[Refusal] | None = None
) -> web.Response:
    rule = await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])
    return await _render_rule(
        request, rule, status=problems.STATUS_OF_ERROR[refused] if refused else 200, undo=NOT_UNDOING | undo
    )


@layout.on_field_errors
async def show_undo_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the form with the mistake in its day."""
    sent = forms.parse_leniently(RuleUndoForm, body)
    return await _render_undo(request, {"since": sent.get("since"), "error": error}, Invalid)


@layout.on_field_errors
async def show_rule_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the rule's form as it was filled in, with its errors."""
    rule = await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])
    sent, status = forms.parse_leniently(RuleForm, body), problems.STATUS_OF_ERROR[Invalid]
    form, version = rule_forms.lenient_values(rule.kind, sent), str(sent.get("version", ""))
    seen = int(version) if re.fullmatch(r"[1-9][0-9]{0,8}", version) else None
    return await _render_rule(request, rule, status=status, error=error, form=form, version=seen)
