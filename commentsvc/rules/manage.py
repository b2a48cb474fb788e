"""Add, list, change and remove rules: bans, word lists and limits."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from commentsvc.audit import undoable_changes
from commentsvc.domain import networks, pagination
from commentsvc.domain.errors import FieldError, Forbidden, Invalid, NotFound, VersionConflict
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import Principal, Rule, RuleKind, Scope
from commentsvc.rules import requested
from commentsvc.rules.schemas import MAX_MATCH, NewRule, RuleChange, RulePage, RuleQuery, RuleRecord, RuleText
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import rules
from commentsvc.storage.database import Environment, PrivateRead, Write

MAX_CHARACTERS: Final = 2 * MAX_MATCH  # of all rules that apply to a site; compiled, they need 65 bytes for each
LONG: Final = 1000  # characters
ERASED: Final = "erased"  # the address of a ban that was erased for its owner: only its digest is left
HIDDEN: Final = "…"  # the network of a rule, for keys that may not see networks
NETWORK_LINE: Final = re.compile(
    r"^([^\S\n]*network[^\S\n]*:[^\S\n]*)(.*)$", re.IGNORECASE | re.MULTILINE
)  # of a combined rule


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
    rule = await load_rule(unit, who, rule_id)
    return _record(unit, who, await resolve.read_directory.within(unit), rule)


@private_read
async def get_rules(unit: PrivateRead, who: Principal, rule_ids: Sequence[str]) -> dict[str, RuleRecord]:
    """Return rules by id, without those that were deleted or are for other sites."""
    directory = await resolve.read_directory.within(unit)
    found = (await rules.get_many(unit, rule_ids)).items()
    return {
        rule_id: _record(unit, who, directory, rule)
        for rule_id, rule in found
        if not rule.removed_at and (rule.site_id is None or who.reaches(rule.site_id))
    }


@private_read
async def find_rule_of_kind(unit: PrivateRead, who: Principal, kind: RuleKind, site: str | None) -> RuleRecord | None:
    """Return the oldest rule of a kind that is for exactly this site, or for every site that the principal reaches.

    Raises:
        Invalid: for the field ``site``.
    """
    directory = await resolve.read_directory.within(unit)
    rule = await rules.find_of_kind(unit, kind, requested.rule_site(directory, who, site))
    return _record(unit, who, directory, rule) if rule else None


async def load_rule(unit: PrivateRead, who: Principal, rule_id: str) -> Rule:
    """Return a stored rule. ``Raises`` as ``get_rule``."""
    rule = await rules.get(unit, rule_id)
    if rule is None or rule.removed_at or (rule.site_id and not who.reaches(rule.site_id)):
        raise NotFound
    return rule


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
    elif rule.kind is RuleKind.EMAIL:
        match = ERASED
    if rule.kind is RuleKind.NETWORK and not sees_all:
        match = _hide_network(who, match)
    if rule.kind is RuleKind.ALL and not sees_all:
        match = NETWORK_LINE.sub(lambda line: line[1] + _hide_network(who, line[2]), match)
    return RuleRecord(
        id=rule.id,
        site=directory.by_id(rule.site_id).name if rule.site_id else None,
        kind=rule.kind,
        match=match,
        match_length=len(match) if match == HIDDEN else size or len(match),
        effect=rule.effect,
        note=note if sees_all or rule.site_id else None,
        created_at=rule.created_at,
        expires_at=rule.expires_at,
        version=rule.version,
        action=action,
    )


def _hide_network(who: Principal, network: str) -> str:
    if not who.may(Scope.MODERATE):
        return HIDDEN
    try:
        return networks.truncate_address(network.partition("/")[0].strip())
    except ValueError:  # a list has the beginnings of matches, which may end within an address
        return HIDDEN


async def add_rule(service: Service, who: Principal, new: NewRule) -> RuleRecord:
    """Add a rule. It applies to comments that are posted from now on.

    Raises:
        Invalid: for a field with an invalid value, such as an effect that rules of this kind cannot have.
        Forbidden: the rule would apply to sites that the principal has no access to.
    """
    await requested.check_match(new.kind, new.match)
    return await add_checked_rule(service, who, new)


@write
async def add_checked_rule(unit: Write, who: Principal, new: NewRule) -> RuleRecord:
    """Add a rule whose match ``check_match`` has accepted. ``Raises`` as ``add_rule``."""
    directory = await resolve.read_directory.within(unit)
    rule = await requested.read_rule(unit, who, new, requested.rule_site(directory, who, new.site))
    expires_at = requested.read_expiry(unit, new.kind, new.expires_at)
    rule = msgspec.structs.replace(rule, expires_at=expires_at, note=new.note)
    await _require_memory(unit, rule)
    await rules.add(unit, rule)
    became = undoable_changes.undoable_state("rule", rule)
    was = became | {"removed_at": rule.created_at}
    action = await undoable_changes.record_change(unit, who, "rule_add", ("rule", rule.id, rule.site_id), was, became)
    return _record(unit, who, directory, rule, action=action)


async def change_rule(
    service: Service, who: Principal, rule_id: str, change: RuleChange, seen: int | None = None
) -> RuleRecord:
    """Change the match, effect, expiry or note of a rule, if its version is ``seen``; None means any version.

    Without a difference nothing is stored, and the result has no action.

    Raises:
        VersionConflict: the rule was changed since.
        NotFound: no rule has this id, or it is for another site.
        Invalid: for a field with an invalid value.
        Forbidden: the rule is for all sites, and the principal has access to some only.
    """
    rule = await find_rule(service, rule_id)
    if rule is not None and change.match is not None:
        await requested.check_match(rule.kind, change.match)
    return await change_checked_rule(service, who, rule_id, change, seen)


async def _require_memory(unit: Write, rule: Rule) -> None:
    """Check that the rules of a site do not need too much memory together. Each server has all of them compiled.

    Short rules are not checked, since all others have to be read for that.

    Raises:
        Invalid: for the field ``match``.
    """
    if len(rule.matching) < LONG:
        return
    if await rules.sum_lengths(unit, rule.site_id, rule.id) + len(rule.matching) > MAX_CHARACTERS:
        message = f"All rules of a site have at most {MAX_CHARACTERS:,} characters. Shorten this one, or delete others."
        raise Invalid(FieldError("match", "too_long", message))


@write
async def change_checked_rule(
    unit: Write, who: Principal, rule_id: str, change: RuleChange, seen: int | None
) -> RuleRecord:
    """Change a rule whose new match ``check_match`` has accepted. ``Raises`` as ``change_rule``."""
    rule = await _load_own_rule(unit, who, rule_id, seen)
    changed: dict[str, Any] = {"effect": change.effect or rule.effect}
    if change.match is not None and requested.clean_match(rule.kind, change.match) != rule.matching:
        if rule.kind is RuleKind.EMAIL:
            raise Invalid(
                FieldError(
                    "match",
                    "invalid_match",
                    translatable("An email ban cannot be changed. Delete it, then ban the other address."),
                )
            )
        new = await requested.read_rule(
            unit, who, RuleText(kind=rule.kind, match=change.match, effect=changed["effect"]), rule.site_id
        )
        changed["matching"] = new.matching
    if change.expires_at is not UNSET and change.expires_at != rule.expires_at:
        changed["expires_at"] = requested.read_expiry(unit, rule.kind, change.expires_at)
    if change.note is not UNSET:
        changed["note"] = change.note
    after, action = msgspec.structs.replace(rule, **changed), None
    if after != rule:
        if len(after.matching) > len(rule.matching):
            await _require_memory(unit, after)
        if after.effect is not rule.effect:
            requested.check_effect(after.kind, after.matching, after.effect)
        after = msgspec.structs.replace(after, version=rule.version + 1)
        action = await _save_rule(unit, who, "rule_change", rule, after)
    return _record(unit, who, await resolve.read_directory.within(unit), after, action=action)


@write
async def remove_rule(unit: Write, who: Principal, rule_id: str, seen: int | None = None) -> RuleRecord:
    """Remove a rule, if its version is ``seen``; None means any version. Undoing the action brings it back.

    Raises:
        VersionConflict: the rule was changed since.
        NotFound: no rule has this id, or it is for another site.
        Forbidden: the rule is for all sites, and the principal has access to some only.
    """
    rule = await _load_own_rule(unit, who, rule_id, seen)
    after = msgspec.structs.replace(rule, removed_at=unit.now(), version=rule.version + 1)
    action = await _save_rule(unit, who, "rule_remove", rule, after)
    return _record(unit, who, await resolve.read_directory.within(unit), after, action=action)


async def _load_own_rule(unit: Write, who: Principal, rule_id: str, seen: int | None) -> Rule:
    await rules.lock(unit, rule_id)
    rule = await load_rule(unit, who, rule_id)
    if rule.site_id is None and who.sites is not None:
        raise Forbidden(translatable("This rule applies to all sites. Use a key for all sites to change it."))
    if seen is not None and rule.version != seen:
        raise VersionConflict(
            translatable_format(
                "The rule is now at version %(version)s. Read it again, then change it.", version=rule.version
            )
        )
    return rule


async def _save_rule(unit: Write, who: Principal, verb: str, before: Rule, after: Rule) -> str:
    await rules.update(unit, after)
    was, became = undoable_changes.undoable_state("rule", before), undoable_changes.undoable_state("rule", after)
    return await undoable_changes.record_change(unit, who, verb, ("rule", before.id, before.site_id), was, became)


@private_read
async def find_rule(unit: PrivateRead, rule_id: str) -> Rule | None:
    """Return a rule without checking who may see it, even a removed one; None for an unknown id."""
    return await rules.get(unit, rule_id)
