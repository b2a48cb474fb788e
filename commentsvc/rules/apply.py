"""Export the rules of a site to a file, and apply such a file: the rules of the site become those of the file.

Rules are told apart by what they check. A rule in the file is a stored one if kind and match are the same. Those that
are left over are paired by kind, first with the same note: their match has changed. The rest is added or deleted.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from typing import Final

import msgspec

from commentsvc.domain.errors import ExpectationFailed, FieldError, Forbidden, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal, Rule, RuleKind, Scope
from commentsvc.rules import combined, manage, requested, rule_file
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.rule_file import FileRule
from commentsvc.rules.schemas import NewRule, RuleChange
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import actions, installation, rules
from commentsvc.storage.database import Environment, PrivateRead, Write

CONTEXT_LINES: Final = 2  # of a difference


@dataclass(frozen=True)
class RuleFile:
    """The rules of a site, or of all sites, as text; ``left_out`` counts those that a file does not hold."""

    text: str
    rules: int
    left_out: int


@dataclass(frozen=True)
class AppliedFile:
    """The changes that a file makes or has made. ``action`` undoes them; None if nothing was changed."""

    added: int
    changed: int
    removed: int
    unchanged: int
    left_out: int
    difference: str
    action: str | None = None


@dataclass
class _Plan:
    """The changes that lead from the stored rules to those of a file."""

    added: list[FileRule] = field(default_factory=list)
    changed: list[tuple[Rule, FileRule]] = field(default_factory=list)
    removed: list[Rule] = field(default_factory=list)
    unchanged: int = 0


@dataclass(frozen=True, kw_only=True)
class FileScope:
    """Which rules a file holds: of a site, or of all sites; and whether email addresses and networks are among them."""

    site: str | None = None
    contacts: bool = False


@private_read
async def export_rules(unit: PrivateRead, who: Principal, scope: FileScope) -> RuleFile:
    """Return the rules of a site as the text of a file; without a site, those that apply to all sites.

    Bans of browsers, expired rules and erased addresses are left out; bans of addresses and networks are unless
    ``scope.contacts``.

    Raises:
        Forbidden: ``contacts`` needs scope admin; or the rules are for all sites, and the principal has access to
            some only.
        Invalid: for the field ``site``.
    """
    stored, left_out = await _list_stored(unit, who, scope)
    return RuleFile(rule_file.write_rules(map(_shown(unit), stored)), len(stored), left_out)


async def preview_file(service: Service, who: Principal, text: str, scope: FileScope) -> AppliedFile:
    """Return what applying a file would change. ``Raises`` as ``apply_file``."""
    wanted, _ = await _read_file(service, text, scope)
    return await _preview(service, who, wanted, scope)


@private_read
async def _preview(unit: PrivateRead, who: Principal, wanted: Sequence[FileRule], scope: FileScope) -> AppliedFile:
    stored, left_out = await _list_stored(unit, who, scope)
    return _describe(unit, stored, wanted, _make_plan(unit, stored, wanted), left_out)


async def apply_file(
    service: Service, who: Principal, text: str, scope: FileScope, *, expect: int | None = None
) -> AppliedFile:
    """Make the rules of a site those of a file, all or none; the action of the result undoes all changes.

    ``expect`` is the number of rules that are deleted, which are those that the file does not have; it is required if
    there are any.

    Raises:
        Invalid: with the mistakes of all rules in the file, or for the field ``site``.
        ExpectationFailed: another number of rules would be deleted.
        Forbidden: see ``export_rules``.
    """
    wanted, _checks = await _read_file(service, text, scope)  # they are kept until the unit ends
    return await _apply(service, who, wanted, scope, expect)


async def _read_file(service: Service, text: str, scope: FileScope) -> tuple[list[FileRule], list[RuleCheck | None]]:
    """Return the rules of a file that have not expired, and their checks: a unit that needs these compiles nothing."""
    wanted, checks, faults = [], list[RuleCheck | None](), list[FieldError]()
    for place, rule in rule_file.read_rules(text, service.config.limits):
        try:
            checks.append(await requested.check_match(rule.kind, rule.match))
            if not scope.contacts:
                _refuse_contact(rule)
            requested.check_effect(rule.kind, rule.match, rule.effect or KINDS[rule.kind].effects[0])
            if rule.expires_at is None or rule.expires_at > service.now():
                requested.read_expiry(service, rule.kind, rule.expires_at)
                wanted.append(rule)
        except Invalid as error:
            faults += rule_file.name_faults(error, place)
    if faults:
        raise Invalid(*faults)
    return wanted, checks


def _refuse_contact(rule: FileRule) -> None:
    if _is_contact(rule.kind, rule.match):
        message = translatable("A ban of an address or network needs the option --contacts.")
        raise Invalid(FieldError("kind", "invalid", message))


@write
async def _apply(
    unit: Write, who: Principal, wanted: Sequence[FileRule], scope: FileScope, expect: int | None
) -> AppliedFile:
    await installation.lock_names(unit)  # two files that are applied at once would both add their rules
    stored, left_out = await _list_stored(unit, who, scope)
    plan = _make_plan(unit, stored, wanted)
    if len(plan.removed) != (expect or 0):
        raise ExpectationFailed(
            f"Rules that would be deleted, since the file does not have them: {len(plan.removed):,}. "
            f"To delete them, add: --expect {len(plan.removed)}"
        )
    done = _describe(unit, stored, wanted, plan, left_out)
    whole = unit.new_id()
    made = [await manage.add_checked_rule.within(unit, who, _new(rule, scope.site)) for rule in plan.added]
    made += [
        await manage.change_checked_rule.within(unit, who, before.id, _change(before, after), before.version)
        for before, after in plan.changed
    ]
    made += [await manage.remove_rule.within(unit, who, rule.id, rule.version) for rule in plan.removed]
    for one in made:
        if one.action:
            await actions.set_part_of(unit, one.action, whole)
    return replace(done, action=whole) if made else done


async def _list_stored(unit: PrivateRead, who: Principal, scope: FileScope) -> tuple[list[Rule], int]:
    """Return the rules that a file holds, and the number of those that are left out."""
    if scope.contacts and not who.may(Scope.ADMIN):
        raise Forbidden(translatable("Email addresses and networks in a file need a key with scope admin."))
    if scope.site is None and who.sites is not None:
        raise Forbidden(translatable("Rules that apply to all sites need a moderator of all sites. Name a site."))
    directory = await resolve.read_directory.within(unit)
    site_id = resolve.require_site(directory, who, scope.site).id if scope.site is not None else None
    found = await rules.list_own(unit, site_id)
    kept = [rule for rule in found if _is_kept(unit, rule, scope)]
    return kept, len(found) - len(kept)


def _is_kept(env: Environment, rule: Rule, scope: FileScope) -> bool:
    if rule.kind is RuleKind.AUTHOR or (rule.kind is RuleKind.EMAIL and not rule.email_sealed):
        return False
    if rule.expires_at and rule.expires_at <= env.now():
        return False
    return scope.contacts or not _is_contact(rule.kind, rule.matching)


def _is_contact(kind: RuleKind, match: str) -> bool:
    """Return whether a match is about one person: an email address or a network."""
    if kind is RuleKind.ALL:
        return any(one.kind is RuleKind.NETWORK for one in combined.read_conditions(match))
    return kind in {RuleKind.EMAIL, RuleKind.NETWORK}


def _shown(env: Environment) -> Callable[[Rule], FileRule]:
    """Return the function that makes the rule of a file of a stored one."""

    def show(rule: Rule) -> FileRule:
        match = env.keyring.unseal(rule.email_sealed).reveal() if rule.email_sealed else rule.matching
        return FileRule(kind=rule.kind, match=match, effect=rule.effect, note=rule.note, expires_at=rule.expires_at)

    return show


# How rules are paired, one after the other. None: not in this way. The address of a ban cannot be changed.
PAIRINGS: Final[tuple[Callable[[FileRule], Hashable], ...]] = (
    lambda rule: rule,
    lambda rule: (rule.kind, rule.match),
    lambda rule: None if rule.kind is RuleKind.EMAIL else (rule.kind, rule.note),
    lambda rule: None if rule.kind is RuleKind.EMAIL else rule.kind,
)


def _make_plan(env: Environment, stored: Sequence[Rule], wanted: Sequence[FileRule]) -> _Plan:
    show, plan = _shown(env), _Plan()
    plan.removed, plan.added = list(stored), sorted(wanted, key=rule_file.sort_key)
    for key in PAIRINGS:
        by_key = defaultdict[Hashable, list[Rule]](list)
        for before in plan.removed:
            by_key[key(show(before))].append(before)
        left, plan.added = plan.added, []
        for after in left:
            if key(after) is None or not by_key[key(after)]:
                plan.added.append(after)
                continue
            before = by_key[key(after)].pop(0)
            plan.removed.remove(before)
            if show(before) == after:
                plan.unchanged += 1
            else:
                plan.changed.append((before, after))
    return plan


def _describe(
    env: Environment, stored: Sequence[Rule], wanted: Sequence[FileRule], plan: _Plan, left_out: int
) -> AppliedFile:
    before, after = rule_file.write_rules(map(_shown(env), stored)), rule_file.write_rules(wanted)
    lines = unified_diff(before.splitlines(), after.splitlines(), "stored", "file", n=CONTEXT_LINES, lineterm="")
    return AppliedFile(
        added=len(plan.added),
        changed=len(plan.changed),
        removed=len(plan.removed),
        unchanged=plan.unchanged,
        left_out=left_out,
        difference="\n".join(lines),
    )


def _new(rule: FileRule, site: str | None) -> NewRule:
    return NewRule(**msgspec.structs.asdict(rule), site=site)


def _change(before: Rule, after: FileRule) -> RuleChange:
    match = None if before.kind is RuleKind.EMAIL else after.match
    return RuleChange(match=match, effect=after.effect, expires_at=after.expires_at, note=after.note)
