"""Evaluate the rules for a draft: pure functions of Draft, Context and Policy.

All rules run and every verdict is stored. The strictest verdict decides: refuse, then spam, then hold; without one of
these, approve; without any verdict, the moderation mode. So the order of rules does not matter, and no rule can let
through a comment that another rule holds. Only weak signals look at the other verdicts: see ``weak_signals``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import Decision, Draft, Effect, Mode, RuleKind, Status
from commentsvc.domain.reasons import Reason, split_reason, word_reason
from commentsvc.rules.built_in import BUILT_IN_RULES
from commentsvc.rules.context import Context
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.verdicts import Policy, Verdict, actor_of
from commentsvc.rules.weak_signals import combine_signals
from commentsvc.spam.scoring import UNKNOWN


@dataclass(frozen=True)
class Judgement:
    """The verdict that decides, the other verdicts, and the score of the comment.

    ``by_email``: with another email address they could differ.
    """

    deciding: Verdict
    others: tuple[Verdict, ...] = ()
    by_email: bool = False
    spam_score: int = UNKNOWN  # in thousandths

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
EFFECT_OF_STATUS: Final = {status: effect for effect, status in STATUS_OF_EFFECT.items()}


def evaluate_rules(draft: Draft, context: Context, policy: Policy, earlier: Sequence[Verdict] = ()) -> Judgement:
    """Run all rules and decide.

    For an edited comment, ``earlier`` holds the verdicts of ``SUBMISSION_RULES`` from when it was first sent.
    """
    built_in = (rule(draft, context, policy) for rule in BUILT_IN_RULES)
    verdicts = combine_signals([*earlier, *filter(None, built_in), *_stored_verdicts(draft, context, policy)])
    if not any(verdict.effect is Effect.APPROVE for verdict in verdicts):
        verdicts.append(_default_verdict(context, policy))
    deciding = decide(verdicts)
    others = (verdict for verdict in verdicts if verdict is not deciding and verdict.rule != "rule:none")
    by_email = context.moderators_have_email or any(rule.by_email for rule in policy.stored)
    return Judgement(deciding, tuple(others), by_email, context.score.thousandths if context.score else UNKNOWN)


def decide(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that decides; one of them at least must be proven, and more than a note."""
    deciding = _strictest([verdict for verdict in verdicts if not verdict.unproven])
    if deciding.effect is Effect.HOLD:
        # Anybody can type another person's email address. If that alone could hold a comment, the response (201 or
        # 202) would reveal which addresses are banned. So unproven verdicts count only for comments held anyway.
        return _strictest([verdict for verdict in verdicts if verdict is deciding or verdict.unproven])
    return deciding


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


# The reasons of these rules, as parts of a combined one.
SUBMISSION_CODES: Final = frozenset({"network_banned", "too_fast", "too_many"})


def is_about_submission(rule: str, reason: Reason) -> bool:
    """Return whether a verdict stays when the text is edited: its rule, or a part of it, is in ``SUBMISSION_RULES``."""
    return rule in SUBMISSION_RULES or any(part.code in SUBMISSION_CODES for part in split_reason(reason))


def _strictest(verdicts: list[Verdict]) -> Verdict:
    """Return the strictest verdict; the first of several."""
    order = list(Effect)
    return min(verdicts, key=lambda verdict: order.index(verdict.effect))


def _stored_verdicts(draft: Draft, context: Context, policy: Policy) -> list[Verdict]:
    verdicts = []
    for rule in policy.stored:
        reason = rule.check(draft, context)
        if reason is not None:
            verdicts.append(Verdict(rule.effect, reason, f"rule:{rule.kind}", rule.id, unproven=rule.by_email))
    return verdicts


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
