"""Read the rule that a request describes."""

import asyncio
from typing import Final

from commentsvc.access import permissions
from commentsvc.domain import fields, validation
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import FieldError, Invalid, InvalidValue, NotFound
from commentsvc.domain.messages import Message, translatable, translatable_format
from commentsvc.domain.models import Effect, Principal, Rule, RuleKind
from commentsvc.rules import compiled
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.kinds import KINDS, allowed_effects
from commentsvc.rules.schemas import RuleText
from commentsvc.rules.verdicts import CompiledRule
from commentsvc.sites import resolve
from commentsvc.storage.database import Environment, PrivateRead

# Kinds whose errors say which line is wrong.
EXPLAINED: Final = frozenset({RuleKind.WORDS, RuleKind.ALL})


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
        raise Invalid(
            FieldError("site", "required", translatable("This key is limited to some sites. Name one with site."))
        )
    return resolve.require_site(directory, who, name).id


async def read_rule(unit: PrivateRead, who: Principal, text: RuleText, site_id: str | None) -> Rule:
    """Return the rule that a request describes. It is not stored.

    Raises:
        Invalid: for the field ``match`` or ``effect``.
    """
    email = read_email(text.match) if text.kind is RuleKind.EMAIL else None
    rule = Rule(
        id=unit.new_id(),
        site_id=site_id,
        kind=text.kind,
        matching=await _matching(unit, who, text),
        email_sealed=unit.keyring.seal(email) if email else None,
        email_digest=unit.keyring.digest(email) if email else None,
        effect=text.effect or KINDS[text.kind].effects[0],
        note=None,
        version=1,
        created_at=unit.now(),
        expires_at=None,
        removed_at=None,
    )
    require_compiled(rule)
    check_effect(rule.kind, rule.matching, rule.effect)
    return rule


async def _matching(unit: PrivateRead, who: Principal, text: RuleText) -> str:
    """Return the stored form of ``match``: nothing for an email address, the author for a comment."""
    if text.kind is RuleKind.EMAIL:
        return ""
    if text.kind is not RuleKind.AUTHOR:
        return clean_match(text.kind, text.match)
    try:
        return (await permissions.load_comment(unit, who, text.match.strip())).author_id
    except NotFound:
        message = translatable("There is no comment with this id.")
        raise Invalid(FieldError("match", "unknown_comment", message)) from None


def read_email(text: str) -> Email:
    """Return the email address of a ban.

    Raises:
        Invalid: for the field ``match``.
    """
    try:
        return fields.parse_email(text, fields.Limits())
    except InvalidValue as error:
        raise Invalid(FieldError("match", error.code, error.message)) from None


def check_effect(kind: RuleKind, match: str, effect: Effect) -> None:
    """Check that a rule, whose match ``check_match`` has accepted, may have an effect.

    Raises:
        Invalid: for the field ``effect``: rules of this kind, or with these conditions, cannot have it.
    """
    combined = compiled.compile_check(kind, match) if kind is RuleKind.ALL else None
    allowed = allowed_effects(kind, combined)
    if effect in allowed:
        return
    names = ", ".join(allowed)
    message: Message = translatable_format(
        "A rule of kind %(kind)s can have the effect: %(names)s.", kind=kind.value, names=names
    )
    if effect in KINDS[kind].effects:
        message = translatable_format("With these conditions, the rule can have the effect: %(names)s.", names=names)
    raise Invalid(FieldError("effect", "invalid", message))


def clean_match(kind: RuleKind, text: str) -> str:
    """Return the stored form of a text. Browsers end the lines of a form with CR LF."""
    return text.strip().replace("\r\n", "\n") or KINDS[kind].default


async def check_match(kind: RuleKind, match: str) -> RuleCheck | None:
    """Compile a match in a thread, before the unit of work starts: a long word list takes time. Return its check.

    For as long as the caller keeps the check, the unit need not compile it. None: a unit compiles it at no cost.

    Raises:
        Invalid: for the field ``match``.
    """
    if kind in {RuleKind.EMAIL, RuleKind.AUTHOR}:
        return None
    try:
        return await asyncio.to_thread(compiled.compile_check, kind, clean_match(kind, match))
    except ValueError as error:
        raise _invalid_match(kind, error) from None


def _invalid_match(kind: RuleKind, error: ValueError) -> Invalid:
    advice: Message = error.args[0] if kind in EXPLAINED and error.args else KINDS[kind].expected
    return Invalid(FieldError("match", "invalid_match", advice))


def require_compiled(rule: Rule) -> CompiledRule:
    """Return the compiled rule.

    Raises:
        Invalid: for the field ``match``.
    """
    try:
        return compiled.compile_rule(rule)
    except ValueError as error:
        raise _invalid_match(rule.kind, error) from None


def read_expiry(env: Environment, kind: RuleKind, text: str | None) -> str | None:
    """Return the time at which a rule ends; None means never.

    Raises:
        Invalid: for the field ``expires_at``: rules of this kind cannot end, or it is not a time in the future.
    """
    expires_at = validation.parse_time_field("expires_at", text)
    if expires_at and not KINDS[kind].expires:
        raise Invalid(
            FieldError(
                "expires_at",
                "invalid",
                translatable("Only bans and word lists can expire. Delete this rule when you no longer need it."),
            )
        )
    if expires_at and expires_at <= env.now():
        message = translatable("This time is in the past. Choose a later one.")
        raise Invalid(FieldError("expires_at", "invalid_time", message))
    return expires_at
