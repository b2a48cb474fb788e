"""Verdicts of rules, and the rules that apply to a draft."""

from dataclasses import dataclass, field
from typing import Final

from commentsvc.domain.models import Actor, ActorKind, Effect, Mode, RuleKind
from commentsvc.domain.reasons import Reason, split_reason
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.combined import CombinedCheck
from commentsvc.rules.context import Fact
from commentsvc.rules.kinds import KINDS


@dataclass(frozen=True)
class Verdict:
    """The result of one rule.

    An ``unproven`` verdict depends on something that anybody can type or omit (an email address, a form token). It can
    turn a held comment into spam, but it never decides whether a comment is published: see ``evaluate_rules``.
    """

    effect: Effect
    reason: Reason
    rule: str
    rule_id: str | None = None
    unproven: bool = False


# Reasons of the verdicts that are ``unproven``.
UNPROVEN_CODES: Final = frozenset(
    {"form_token_missing", "moderator_email", "email_banned", "email_domain_banned", "disposable_email"}
)


def is_unproven(reason: Reason) -> bool:
    """Return whether a reason, or one of its parts, depends on something that anybody can type or omit."""
    return any(part.code in UNPROVEN_CODES for part in split_reason(reason))


@dataclass(frozen=True)
class CompiledRule:
    """A moderator's rule, ready to run."""

    id: str
    kind: RuleKind
    effect: Effect
    check: RuleCheck
    expires_at: str | None = None

    @property
    def kinds(self) -> frozenset[RuleKind]:
        """Its kind; of a rule with several conditions, their kinds."""
        return self.check.kinds if isinstance(self.check, CombinedCheck) else frozenset({self.kind})

    @property
    def by_email(self) -> bool:
        """Tell whether its verdict depends on the email address, which anybody can type."""
        return any(KINDS[kind].by_email for kind in self.kinds)

    @property
    def needs(self) -> frozenset[Fact]:
        """Facts that must be looked up before it can run."""
        return frozenset[Fact]().union(*(KINDS[kind].needs for kind in self.kinds))


ALWAYS_NEEDED: Final = frozenset({Fact.MEMORY})  # by built-in rules


@dataclass(frozen=True)
class Policy:
    """The moderation mode and the rules that apply to a draft."""

    mode: Mode = Mode.ALL
    stored: tuple[CompiledRule, ...] = field(default=())

    @property
    def needs(self) -> frozenset[Fact]:
        """Facts that must be looked up before the rules can run."""
        return ALWAYS_NEEDED.union(*(rule.needs for rule in self.stored))


def actor_of(verdict: Verdict) -> Actor:
    """Return the rule of a verdict as an actor: its stored id, if it has one, and its name."""
    return Actor(ActorKind.RULE, verdict.rule_id, verdict.rule.removeprefix("rule:"))
