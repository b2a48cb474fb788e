"""Evaluate the rules for a draft: pure functions of Draft, Context and Policy.

All rules run and every verdict is stored. The strictest verdict decides: refuse, then spam, then hold; without one of
these, approve; without any verdict, the moderation mode. So the order of rules does not matter, and no rule can let
through a comment that another rule holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import Actor, ActorKind, Decision, Draft, Effect, Mode, RuleKind, Status
from commentsvc.domain.reasons import Reason, word_reason
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.kinds import KINDS, RuleCheck
from commentsvc.rules.proof_of_work import ProofState


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


@dataclass(frozen=True)
class CompiledRule:
    """A moderator's rule, ready to run."""

    id: str
    kind: RuleKind
    effect: Effect
    check: RuleCheck
    expires_at: str | None = None


@dataclass(frozen=True)
class Policy:
    """The moderation mode and the rules that apply to a draft."""

    mode: Mode = Mode.ALL
    stored: tuple[CompiledRule, ...] = field(default=())

    @property
    def needs(self) -> frozenset[Fact]:
        """Facts that must be looked up before the rules can run."""
        return frozenset().union(*(KINDS[rule.kind].needs for rule in self.stored))


def actor_of(verdict: Verdict) -> Actor:
    """Return the rule of a verdict as an actor: its stored id, if it has one, and its name."""
    return Actor(ActorKind.RULE, verdict.rule_id, verdict.rule.removeprefix("rule:"))


@dataclass(frozen=True)
class Judgement:
    """The verdict that decides, and the other verdicts; ``by_email``: with another email address they could differ."""

    deciding: Verdict
    others: tuple[Verdict, ...] = ()
    by_email: bool = False

    @property
    def decision(self) -> Decision:
        """The decision to store."""
        status = STATUS_OF_EFFECT[self.deciding.effect]
        return Decision(status, actor_of(self.deciding), self.deciding.reason)

    @property
    def refusal(self) -> Refusal | None:
        """The error for the commenter, if the comment is refused."""
        if self.deciding.effect is not Effect.REFUSE:
            return None
        kind = KINDS[RuleKind(self.deciding.rule.removeprefix("rule:"))]
        return kind.refusal(word_reason(self.deciding.reason))


STATUS_OF_EFFECT: Final = {
    Effect.REFUSE: Status.TRASH,  # never stored: see ``Judgement.refusal``
    Effect.SPAM: Status.SPAM,
    Effect.HOLD: Status.PENDING,
    Effect.APPROVE: Status.APPROVED,
}


def evaluate_rules(draft: Draft, context: Context, policy: Policy, earlier: Sequence[Verdict] = ()) -> Judgement:
    """Run all rules and decide.

    For an edited comment, ``earlier`` holds the verdicts of ``SUBMISSION_RULES`` from when it was first sent.
    """
    built_in = (rule(draft, context, policy) for rule in BUILT_IN_RULES)
    verdicts = [*earlier, *filter(None, built_in), *_stored_verdicts(draft, context, policy)]
    if not any(verdict.effect is Effect.APPROVE for verdict in verdicts):
        verdicts.append(_default_verdict(context, policy))
    deciding = _strictest([verdict for verdict in verdicts if not verdict.unproven])
    if deciding.effect is Effect.HOLD:
        # Anybody can type another person's email address. If that alone could hold a comment, the response (201 or
        # 202) would reveal which addresses are banned. So unproven verdicts count only for comments held anyway.
        deciding = _strictest([verdict for verdict in verdicts if verdict is deciding or verdict.unproven])
    others = (verdict for verdict in verdicts if verdict is not deciding and verdict.rule != "rule:none")
    by_email = context.moderators_have_email or any(KINDS[rule.kind].by_email for rule in policy.stored)
    return Judgement(deciding, tuple(others), by_email)


# Rules about how and from where a comment was sent. Editing the text does not change their verdicts.
SUBMISSION_RULES: Final = frozenset(
    {
        "rule:honeypot",
        "rule:form_token",
        "rule:proof_of_work",
        "rule:network",
        "rule:author",
        "rule:too_fast",
        "rule:too_many",
    }
)


def _strictest(verdicts: list[Verdict]) -> Verdict:
    """Return the strictest verdict; the first of several."""
    order = list(Effect)
    return min(verdicts, key=lambda verdict: order.index(verdict.effect))


def _stored_verdicts(draft: Draft, context: Context, policy: Policy) -> list[Verdict]:
    verdicts = []
    for rule in policy.stored:
        reason = rule.check(draft, context)
        if reason is not None:
            by_email = KINDS[rule.kind].by_email
            verdicts.append(Verdict(rule.effect, reason, f"rule:{rule.kind}", rule.id, unproven=by_email))
    return verdicts


# A person's form is rarely sent in these states. A missing token says nothing: hand-written forms have none.
SUSPICIOUS_TOKENS: Final = frozenset(FormTokenState) - {FormTokenState.VALID, FormTokenState.ABSENT}


def check_honeypot(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its form had the hidden field filled in; call it spam if its form token is suspicious too.

    A browser or a password manager may fill in the field for a person, so it alone is a weak signal.
    """
    if not context.honeypot_filled:
        return None
    effect = Effect.SPAM if context.form_token in SUSPICIOUS_TOKENS else Effect.HOLD
    return Verdict(effect, Reason("honeypot_filled"), "rule:honeypot")


FORM_REASONS: Final = {
    FormTokenState.ABSENT: "form_token_missing",
    FormTokenState.INVALID: "form_token_invalid",
    FormTokenState.TOO_QUICK: "form_too_quick",
    FormTokenState.EXPIRED: "form_expired",
    FormTokenState.USED: "form_reused",
}


def check_form_token(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its form token is missing, invalid or used, or has the wrong age."""
    code = FORM_REASONS.get(context.form_token)
    if code is None:
        return None
    # API clients and hand-written forms send no form token. A missing one alone must not hold a comment.
    unproven = context.form_token is FormTokenState.ABSENT
    return Verdict(Effect.HOLD, Reason(code), "rule:form_token", unproven=unproven)


PROOF_REASONS: Final = {
    ProofState.ABSENT: "proof_missing",
    ProofState.INVALID: "proof_invalid",
    ProofState.USED: "proof_reused",
}


def check_proof_of_work(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if a proof of work is required but missing, invalid or used."""
    code = PROOF_REASONS.get(context.proof_of_work)
    return Verdict(Effect.HOLD, Reason(code), "rule:proof_of_work") if code else None


def check_moderator_name(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its name is a moderator's or looks like one, or if it says that the staff wrote it."""
    if not (context.has_moderator_name or context.has_staff_name):
        return None
    reason = Reason("moderator_name" if context.has_moderator_name else "staff_name")
    return Verdict(Effect.HOLD, reason, "rule:impersonation")


def check_moderator_email(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its email address is a moderator's."""
    if not context.has_moderator_email:
        return None
    return Verdict(Effect.HOLD, Reason("moderator_email"), "rule:impersonation", unproven=True)


def check_known_author(_draft: Draft, context: Context, policy: Policy) -> Verdict | None:
    """Approve a comment in mode ``trusted`` if its author has an approved comment.

    Rules of kind ``trust`` set how many are required; if there is such a rule, this check does nothing.
    """
    has_trust_rule = any(rule.kind is RuleKind.TRUST for rule in policy.stored)
    if policy.mode is not Mode.TRUSTED or has_trust_rule or not context.approved_comments:
        return None
    reason = Reason("author_approved", {"found": context.approved_comments})
    return Verdict(Effect.APPROVE, reason, "rule:known_author")


BuiltInRule = Callable[[Draft, Context, Policy], Verdict | None]

# Moderators see the verdicts in this order.
BUILT_IN_RULES: Final[tuple[BuiltInRule, ...]] = (
    check_honeypot,
    check_moderator_name,
    check_moderator_email,
    check_form_token,
    check_proof_of_work,
    check_known_author,
)


def _default_verdict(context: Context, policy: Policy) -> Verdict:
    """Return the verdict of the moderation mode."""
    match policy.mode:
        case Mode.ALL:
            return Verdict(Effect.HOLD, Reason("mode_all"), "rule:mode")
        case Mode.TRUSTED if context.approved_comments:
            reason = Reason("author_needs_more", {"found": context.approved_comments})
            return Verdict(Effect.HOLD, reason, "rule:new_author")
        case Mode.TRUSTED:
            return Verdict(Effect.HOLD, Reason("author_new"), "rule:new_author")
        case Mode.NONE:
            return Verdict(Effect.APPROVE, Reason("mode_none"), "rule:none")
