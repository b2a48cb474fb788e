"""The rules: kept, changed, taken away, and tried on the past before they stand."""

from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct

from commentsvc.domain.errors import FieldError, Invalid, Refusal
from commentsvc.domain.fields import Cursor, Note, SiteName
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.rules import backtest, manage
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import BacktestRequest, BacktestResult, Matching, NewRule, RuleChange, RuleQuery, RuleText
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, Day, Told
from commentsvc.web.server import parsing, problems
from commentsvc.web.server.routing import SERVICE, WHO

# What these look for is kept elsewhere, or is nothing at all.
MATCHLESS: Final = frozenset({RuleKind.EMAIL, RuleKind.AUTHOR, RuleKind.DISPOSABLE})
LAST: Final = 500  # decided comments that a rule is tried on


class Rules(Told, frozen=True, kw_only=True):
    """Which rules are looked at."""

    cursor: Cursor | None = None


class Written(Struct, frozen=True, kw_only=True):
    """A rule as somebody wrote it, to be tried or to be kept."""

    kind: RuleKind
    match: Matching = ""
    effect: Effect | None = None
    site: SiteName | None = None
    expires: Day | None = None
    note: Note | None = None
    do: Literal["try", "keep"] = "try"


class Rewritten(Struct, frozen=True, kw_only=True):
    """What becomes of a rule."""

    match: Matching | None = None
    effect: Effect | None = None
    expires: Day | None = None
    note: Note | None = None
    do: Literal["change", "remove"] = "change"


class From(Struct, frozen=True, kw_only=True):
    """From where somebody comes."""

    back: Back | None = None


async def show(request: web.Request, asked: Rules) -> web.Response:
    """The rules, and a form for one more."""
    return await _page(request, asked)


async def _page(
    request: web.Request,
    asked: Rules,
    *,
    status: int = 200,
    filled: dict[str, Any] | None = None,
    trial: BacktestResult | None = None,
    error: Refusal | None = None,
) -> web.Response:
    query = RuleQuery(cursor=asked.cursor)
    found = await manage.list_rules(request.app[SERVICE], request[WHO], query)
    return await layout.page(
        request,
        "rules.html",
        status=status,
        told=asked,
        title="Rules",
        tab="rules",
        rules=found.rules,
        following=found.next_cursor and layout.address("/moderate/rules", cursor=found.next_cursor),
        kinds=KINDS,
        filled=to_show(filled),
        trial=trial,
        error=error,
    )


async def write(request: web.Request, written: Written) -> web.Response:
    """Try a rule on the past; or keep it."""
    service, who = request.app[SERVICE], request[WHO]
    text = RuleText(kind=written.kind, match=written.match, effect=written.effect, site=written.site)
    if written.do == "try":
        trial = await backtest.backtest_rule(service, who, to_try(text))
        return await _page(request, Rules(), filled=sent(written), trial=trial)
    kept = await manage.add_rule(service, who, to_keep(text, written))
    return layout.led("/moderate/rules", done=kept.action)


def to_try(text: RuleText) -> BacktestRequest:
    """A rule, to be tried on what was decided last."""
    return BacktestRequest(**msgspec.structs.asdict(text), last=LAST)


def to_keep(text: RuleText, written: Any) -> NewRule:
    """A rule, with the end and the note that were written beside it."""
    return NewRule(**msgspec.structs.asdict(text), expires_at=layout.moment(written.expires), note=written.note)


def sent(written: Any) -> dict[str, Any]:
    """What a form said that could be read."""
    return {name: getattr(written, name) or "" for name in written.__struct_fields__}


def to_show(sent: dict[str, Any] | None) -> dict[str, Any]:
    """What stands in a form: what was sent, and nothing elsewhere."""
    names = ("kind", "match", "effect", "site", "expires", "note", "waiting")
    return {"sent": sent is not None} | {name: (sent or {}).get(name) or "" for name in names}


@layout.where_fields_are_at_fault
async def again(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """The rules once more: what is wrong, and the form as it was filled in."""
    return await _page(
        request, Rules(), status=problems.STATUS_OF_ERROR[Invalid], filled=parsing.filled_in(Written, body), error=error
    )


async def look(request: web.Request, _from: From) -> web.Response:
    """One rule, whole, and a form to change it."""
    return await _look(request)


async def _look(
    request: web.Request, *, status: int = 200, error: Refusal | None = None, filled: dict[str, Any] | None = None
) -> web.Response:
    rule = await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])
    shown: dict[str, Any] = {"rule": rule, "kind": KINDS[rule.kind], "error": error, "filled": to_show(filled)}
    return await layout.page(request, "rule.html", status=status, title=f"Rule: {rule.kind}", tab="rules", **shown)


async def rewrite(request: web.Request, rewritten: Rewritten) -> web.Response:
    """Change a rule, or take it away."""
    service, who, rule_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    if rewritten.do == "remove":
        return layout.led("/moderate/rules", done=(await manage.remove_rule(service, who, rule_id)).action)
    rule = await manage.get_rule(service, who, rule_id)
    if rewritten.match is None and rule.kind not in MATCHLESS:
        raise Invalid(FieldError("match", "required", f"{KINDS[rule.kind].expected} To stop this rule, delete it."))
    change = RuleChange(
        match=None if rule.kind in MATCHLESS else rewritten.match,
        effect=rewritten.effect,
        expires_at=layout.moment(rewritten.expires) if KINDS[rule.kind].expires else UNSET,
        note=rewritten.note,
    )
    return layout.led("/moderate/rules", done=(await manage.change_rule(service, who, rule_id, change)).action)


@layout.where_fields_are_at_fault
async def look_again(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """The rule once more: what is wrong, and the form as it was filled in."""
    return await _look(
        request, status=problems.STATUS_OF_ERROR[Invalid], error=error, filled=parsing.filled_in(Rewritten, body)
    )
