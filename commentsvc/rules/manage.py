"""A moderator keeps the rules: bans, words, limits."""

import asyncio
from typing import Any

import msgspec
from msgspec import UNSET

from commentsvc.access import permissions
from commentsvc.audit import undoable_changes
from commentsvc.domain import fields, networks, pagination, validation
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import FieldError, Forbidden, Invalid, InvalidValue, NotFound
from commentsvc.domain.models import Effect, Principal, Rule, RuleKind, Scope
from commentsvc.rules import compiled
from commentsvc.rules.engine import CompiledRule
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import NewRule, RuleChange, RulePage, RuleQuery, RuleRecord, RuleText
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import rules
from commentsvc.storage.database import Environment, PrivateRead, PublicRead, Write


@private_read
async def list_rules(unit: PrivateRead, who: Principal, query: RuleQuery) -> RulePage:
    """Rules that stand on this principal's sites, oldest first; those of every site among them.

    Raises:
        Invalid: naming the site or the cursor.
    """
    everything = await resolve.read_directory.within(unit)
    reach = resolve.reachable_sites(everything, who, query.site)
    after = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    rows = await rules.list_page(unit, reach, after, query.limit + 1)
    shown = [
        _record(unit, who, everything, msgspec.convert({**row, "size": None}, Rule), size=row["size"])
        for row in map(dict, rows[: query.limit])
    ]
    return RulePage(shown, pagination.encode_cursor(shown[-1].id) if len(rows) > query.limit else None)


@private_read
async def get_rule(unit: PrivateRead, who: Principal, rule_id: str) -> RuleRecord:
    """One rule, all that it looks for.

    Raises:
        NotFound: there is none, or it is on another site.
    """
    rule = await rules.get(unit, rule_id)
    if rule is None or rule.removed_at or (rule.site_id and not who.reaches(rule.site_id)):
        raise NotFound
    return _record(unit, who, await resolve.read_directory.within(unit), rule)


def _record(
    env: Environment,
    who: Principal,
    everything: resolve.SiteDirectory,
    rule: Rule,
    *,
    size: int | None = None,
    action: str | None = None,
) -> RuleRecord:
    match, note = rule.matching, rule.note
    whole = who.may(Scope.MODERATE) and (rule.site_id is not None or who.sites is None)
    if rule.email_sealed:
        address = env.keyring.unseal(rule.email_sealed)
        match = address.reveal() if whole else address.masked()
    if rule.kind is RuleKind.NETWORK and not whole:
        match = networks.truncate_address(match.partition("/")[0])
    return RuleRecord(
        id=rule.id,
        site=everything.by_id(rule.site_id).name if rule.site_id else None,
        kind=rule.kind,
        match=match,
        match_length=size or len(match),
        effect=rule.effect,
        note=note if whole or rule.site_id else None,
        created_at=rule.created_at,
        expires_at=rule.expires_at,
        version=rule.version,
        action=action,
    )


async def add_rule(service: Service, who: Principal, new: NewRule) -> RuleRecord:
    """Keep a rule; comments that arrive from now on are judged by it.

    Raises:
        Invalid: naming the field: it looks for nothing this kind knows, an effect this kind cannot have, …
        Forbidden: it would stand on sites that the key does not reach.
    """
    await _check_match(new.kind, new.match)
    return await _add_rule(service, who, new)


@write
async def _add_rule(unit: Write, who: Principal, new: NewRule) -> RuleRecord:
    everything = await resolve.read_directory.within(unit)
    rule = await read_rule(unit, who, new, rule_site(everything, who, new.site))
    rule = msgspec.structs.replace(rule, expires_at=_expiry(unit, new.kind, new.expires_at), note=new.note)
    await rules.add(unit, rule)
    became = undoable_changes.undoable_state("rule", rule)
    was = became | {"removed_at": rule.created_at}
    action = await undoable_changes.record_change(unit, who, "rule_add", ("rule", rule.id, rule.site_id), was, became)
    return _record(unit, who, everything, rule, action=action)


def rule_site(everything: resolve.SiteDirectory, who: Principal, name: str | None) -> str | None:
    """The site a rule stands on; None for every one, which only a key that reaches every one may say."""
    if name is None and who.sites is None:
        return None
    if name is None:
        if who.sites and len(who.sites) == 1:
            return who.sites[0]
        raise Invalid(FieldError("site", "required", "This key is good for some sites alone. Say which with site."))
    return resolve.require_site(everything, who, name).id


async def read_rule(unit: PublicRead, who: Principal, text: RuleText, site_id: str | None) -> Rule:
    """A rule that somebody sent, as it would be kept.

    Raises:
        Invalid: naming ``match`` or ``effect``.
    """
    email = _email(text.match) if text.kind is RuleKind.EMAIL else None
    rule = Rule(
        id=unit.new_id(),
        site_id=site_id,
        kind=text.kind,
        matching=await _matching(unit, who, text),
        email_sealed=unit.keyring.seal(email) if email else None,
        email_digest=unit.keyring.digest(email) if email else None,
        effect=_effect(text.kind, text.effect),
        note=None,
        version=1,
        created_at=unit.now(),
        expires_at=None,
        removed_at=None,
    )
    require_compiled(rule)
    return rule


async def _matching(unit: PublicRead, who: Principal, text: RuleText) -> str:
    """What is kept of ``match``: of an address nothing, of a comment its author."""
    if text.kind is RuleKind.EMAIL:
        return ""
    if text.kind is not RuleKind.AUTHOR:
        return text.match.strip()
    try:
        return (await permissions.load_comment(unit, who, text.match.strip())).author_id
    except NotFound:
        raise Invalid(FieldError("match", "unknown_comment", "There is no comment with this id.")) from None


def _email(text: str) -> Email:
    try:
        return fields.parse_email(text, fields.Limits())
    except InvalidValue as unfit:
        raise Invalid(FieldError("match", unfit.code, unfit.detail)) from None


def _effect(kind: RuleKind, wanted: Effect | None) -> Effect:
    possible = KINDS[kind].effects
    effect = wanted or possible[0]
    if effect not in possible:
        names = ", ".join(possible)
        raise Invalid(FieldError("effect", "invalid", f"A rule of kind {kind} can have the effect: {names}."))
    return effect


async def _check_match(kind: RuleKind, match: str) -> None:
    """Read what a long rule looks for before anything waits for it; it is kept, so that it is not read again.

    Raises:
        Invalid: naming ``match``.
    """
    if kind not in {RuleKind.EMAIL, RuleKind.AUTHOR}:
        try:
            await asyncio.to_thread(compiled.compile_check, kind, match.strip())
        except ValueError as error:
            raise _unreadable(kind, error) from None


def _unreadable(kind: RuleKind, error: ValueError) -> Invalid:
    advice = str(error) if kind is RuleKind.WORDS and str(error) else ""
    detail = advice or KINDS[kind].expected
    return Invalid(FieldError("match", "invalid_match", detail))


def require_compiled(rule: Rule) -> CompiledRule:
    """The rule, ready to be asked.

    Raises:
        Invalid: naming ``match``.
    """
    try:
        return compiled.compile_rule(rule)
    except ValueError as error:
        raise _unreadable(rule.kind, error) from None


def _expiry(env: Environment, kind: RuleKind, text: str | None) -> str | None:
    expires_at = validation.parse_time_field("expires_at", text)
    if expires_at and not KINDS[kind].expires:
        raise Invalid(
            FieldError("expires_at", "invalid", "Only bans and word lists expire. Remove this rule when it is time.")
        )
    if expires_at and expires_at <= env.now():
        raise Invalid(FieldError("expires_at", "invalid_time", "This time has passed. Choose one to come."))
    return expires_at


async def change_rule(service: Service, who: Principal, rule_id: str, change: RuleChange) -> RuleRecord:
    """Change what a rule looks for, what it does, how long it stands, or its note.

    Raises:
        NotFound: there is none.
        Invalid: naming the field.
        Forbidden: it stands on sites that the key does not reach.
    """
    rule = await _find_rule(service, rule_id)
    if rule is not None and change.match is not None:
        await _check_match(rule.kind, change.match)
    return await _change_rule(service, who, rule_id, change)


@write
async def _change_rule(unit: Write, who: Principal, rule_id: str, change: RuleChange) -> RuleRecord:
    rule = await _load_own_rule(unit, who, rule_id)
    changed: dict[str, Any] = {"effect": _effect(rule.kind, change.effect or rule.effect), "version": rule.version + 1}
    if change.match is not None and change.match.strip() != rule.matching:
        if rule.kind is RuleKind.EMAIL:
            raise Invalid(FieldError("match", "invalid_match", "Remove this ban, and ban the other address."))
        fresh = await read_rule(
            unit, who, RuleText(kind=rule.kind, match=change.match, effect=change.effect), rule.site_id
        )
        changed["matching"] = fresh.matching
    if change.expires_at is not UNSET:
        changed["expires_at"] = _expiry(unit, rule.kind, change.expires_at)
    if change.note is not UNSET:
        changed["note"] = change.note
    after = msgspec.structs.replace(rule, **changed)
    action = await _save_rule(unit, who, "rule_change", rule, after)
    return _record(unit, who, await resolve.read_directory.within(unit), after, action=action)


@write
async def remove_rule(unit: Write, who: Principal, rule_id: str) -> RuleRecord:
    """Take a rule away; undoing the action brings it back.

    Raises:
        NotFound: there is none.
        Forbidden: it stands on sites that the key does not reach.
    """
    rule = await _load_own_rule(unit, who, rule_id)
    after = msgspec.structs.replace(rule, removed_at=unit.now(), version=rule.version + 1)
    action = await _save_rule(unit, who, "rule_remove", rule, after)
    return _record(unit, who, await resolve.read_directory.within(unit), after, action=action)


async def _load_own_rule(unit: Write, who: Principal, rule_id: str) -> Rule:
    await rules.lock(unit, rule_id)
    rule = await rules.get(unit, rule_id)
    if rule is None or rule.removed_at or (rule.site_id and not who.reaches(rule.site_id)):
        raise NotFound
    if rule.site_id is None and who.sites is not None:
        raise Forbidden("This rule stands on every site, and the key is good for some alone.")
    return rule


async def _save_rule(unit: Write, who: Principal, verb: str, before: Rule, after: Rule) -> str:
    await rules.update(unit, after)
    was, became = undoable_changes.undoable_state("rule", before), undoable_changes.undoable_state("rule", after)
    return await undoable_changes.record_change(unit, who, verb, ("rule", before.id, before.site_id), was, became)


@private_read
async def _find_rule(unit: PrivateRead, rule_id: str) -> Rule | None:
    return await rules.get(unit, rule_id)
