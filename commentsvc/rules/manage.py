"""Add, list, change and remove rules: bans, word lists and limits."""

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
    """Return a page of the rules for this principal's sites, oldest first. Rules for all sites are included.

    Raises:
        Invalid: for the field ``site`` or ``cursor``.
    """
    directory = await resolve.read_directory.within(unit)
    site_ids = resolve.reachable_sites(directory, who, query.site)
    after = pagination.decode_cursor(query.cursor, 1)[0] if query.cursor else None
    rows = await rules.list_page(unit, site_ids, after, query.limit + 1)
    records = [
        _record(unit, who, directory, msgspec.convert({**row, "size": None}, Rule), size=row["size"])
        for row in map(dict, rows[: query.limit])
    ]
    return RulePage(records, pagination.encode_cursor(records[-1].id) if len(rows) > query.limit else None)


@private_read
async def get_rule(unit: PrivateRead, who: Principal, rule_id: str) -> RuleRecord:
    """Return a rule with its whole match.

    Raises:
        NotFound: no rule has this id, or it is for another site.
    """
    rule = await rules.get(unit, rule_id)
    if rule is None or rule.removed_at or (rule.site_id and not who.reaches(rule.site_id)):
        raise NotFound
    return _record(unit, who, await resolve.read_directory.within(unit), rule)


def _record(
    env: Environment,
    who: Principal,
    directory: resolve.SiteDirectory,
    rule: Rule,
    *,
    size: int | None = None,
    action: str | None = None,
) -> RuleRecord:
    match, note = rule.matching, rule.note
    sees_all = who.may(Scope.MODERATE) and (rule.site_id is not None or who.sites is None)
    if rule.email_sealed:
        address = env.keyring.unseal(rule.email_sealed)
        match = address.reveal() if sees_all else address.masked()
    if rule.kind is RuleKind.NETWORK and not sees_all:
        match = networks.truncate_address(match.partition("/")[0])
    return RuleRecord(
        id=rule.id,
        site=directory.by_id(rule.site_id).name if rule.site_id else None,
        kind=rule.kind,
        match=match,
        match_length=size or len(match),
        effect=rule.effect,
        note=note if sees_all or rule.site_id else None,
        created_at=rule.created_at,
        expires_at=rule.expires_at,
        version=rule.version,
        action=action,
    )


async def add_rule(service: Service, who: Principal, new: NewRule) -> RuleRecord:
    """Add a rule. It applies to comments that are posted from now on.

    Raises:
        Invalid: for a field with an invalid value, such as an effect that rules of this kind cannot have.
        Forbidden: the rule would apply to sites that the principal has no access to.
    """
    await _check_match(new.kind, new.match)
    return await _add_rule(service, who, new)


@write
async def _add_rule(unit: Write, who: Principal, new: NewRule) -> RuleRecord:
    directory = await resolve.read_directory.within(unit)
    rule = await read_rule(unit, who, new, rule_site(directory, who, new.site))
    rule = msgspec.structs.replace(rule, expires_at=_expiry(unit, new.kind, new.expires_at), note=new.note)
    await rules.add(unit, rule)
    became = undoable_changes.undoable_state("rule", rule)
    was = became | {"removed_at": rule.created_at}
    action = await undoable_changes.record_change(unit, who, "rule_add", ("rule", rule.id, rule.site_id), was, became)
    return _record(unit, who, directory, rule, action=action)


def rule_site(directory: resolve.SiteDirectory, who: Principal, name: str | None) -> str | None:
    """Return the id of the site that a rule applies to; None means every site.

    Raises:
        Invalid: for the field ``site``: no site has this name, or a principal of some sites must name one.
    """
    if name is None and who.sites is None:
        return None
    if name is None:
        if who.sites and len(who.sites) == 1:
            return who.sites[0]
        raise Invalid(FieldError("site", "required", "This key is limited to some sites. Name one with site."))
    return resolve.require_site(directory, who, name).id


async def read_rule(unit: PublicRead, who: Principal, text: RuleText, site_id: str | None) -> Rule:
    """Return the rule that a request describes. It is not stored.

    Raises:
        Invalid: for the field ``match`` or ``effect``.
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
    """Return the stored form of ``match``: nothing for an email address, the author for a comment."""
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
    except InvalidValue as error:
        raise Invalid(FieldError("match", error.code, error.detail)) from None


def _effect(kind: RuleKind, requested: Effect | None) -> Effect:
    allowed = KINDS[kind].effects
    effect = requested or allowed[0]
    if effect not in allowed:
        names = ", ".join(allowed)
        raise Invalid(FieldError("effect", "invalid", f"A rule of kind {kind} can have the effect: {names}."))
    return effect


async def _check_match(kind: RuleKind, match: str) -> None:
    """Compile a match in a thread, before the unit of work starts: a long word list takes time. The result is cached.

    Raises:
        Invalid: for the field ``match``.
    """
    if kind not in {RuleKind.EMAIL, RuleKind.AUTHOR}:
        try:
            await asyncio.to_thread(compiled.compile_check, kind, match.strip())
        except ValueError as error:
            raise _invalid_match(kind, error) from None


def _invalid_match(kind: RuleKind, error: ValueError) -> Invalid:
    advice = str(error) if kind is RuleKind.WORDS and str(error) else ""
    detail = advice or KINDS[kind].expected
    return Invalid(FieldError("match", "invalid_match", detail))


def require_compiled(rule: Rule) -> CompiledRule:
    """Return the compiled rule.

    Raises:
        Invalid: for the field ``match``.
    """
    try:
        return compiled.compile_rule(rule)
    except ValueError as error:
        raise _invalid_match(rule.kind, error) from None


def _expiry(env: Environment, kind: RuleKind, text: str | None) -> str | None:
    expires_at = validation.parse_time_field("expires_at", text)
    if expires_at and not KINDS[kind].expires:
        raise Invalid(
            FieldError(
                "expires_at",
                "invalid",
                "Only bans and word lists can expire. Delete this rule when you no longer need it.",
            )
        )
    if expires_at and expires_at <= env.now():
        raise Invalid(FieldError("expires_at", "invalid_time", "This time is in the past. Choose a later one."))
    return expires_at


async def change_rule(service: Service, who: Principal, rule_id: str, change: RuleChange) -> RuleRecord:
    """Change the match, effect, expiry or note of a rule.

    Raises:
        NotFound: no rule has this id, or it is for another site.
        Invalid: for a field with an invalid value.
        Forbidden: the rule is for all sites, and the principal has access to some only.
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
            raise Invalid(
                FieldError(
                    "match", "invalid_match", "An email ban cannot be changed. Delete it, then ban the other address."
                )
            )
        new = await read_rule(
            unit, who, RuleText(kind=rule.kind, match=change.match, effect=change.effect), rule.site_id
        )
        changed["matching"] = new.matching
    if change.expires_at is not UNSET:
        changed["expires_at"] = _expiry(unit, rule.kind, change.expires_at)
    if change.note is not UNSET:
        changed["note"] = change.note
    after = msgspec.structs.replace(rule, **changed)
    action = await _save_rule(unit, who, "rule_change", rule, after)
    return _record(unit, who, await resolve.read_directory.within(unit), after, action=action)


@write
async def remove_rule(unit: Write, who: Principal, rule_id: str) -> RuleRecord:
    """Remove a rule. Undoing the action brings it back.

    Raises:
        NotFound: no rule has this id, or it is for another site.
        Forbidden: the rule is for all sites, and the principal has access to some only.
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
        raise Forbidden("This rule applies to all sites. Use a key for all sites to change it.")
    return rule


async def _save_rule(unit: Write, who: Principal, verb: str, before: Rule, after: Rule) -> str:
    await rules.update(unit, after)
    was, became = undoable_changes.undoable_state("rule", before), undoable_changes.undoable_state("rule", after)
    return await undoable_changes.record_change(unit, who, verb, ("rule", before.id, before.site_id), was, became)


@private_read
async def _find_rule(unit: PrivateRead, rule_id: str) -> Rule | None:
    return await rules.get(unit, rule_id)
