"""What becomes of a draft, and why: pure functions over Draft, Context and Policy.

Every rule is heard, and what each thinks is kept. The gravest suspicion decides; without one trust does;
without either the mode. So no order of rules can let through what one of them holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import Decision, Draft, Effect, Mode, RuleKind, Status
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.kinds import KINDS, RuleCheck
from commentsvc.rules.proof_of_work import ProofState


@dataclass(frozen=True)
class Verdict:
    """What one rule thinks of a draft."""

    effect: Effect
    reason: str
    rule: str
    rule_id: str | None = None
    unproven: bool = False  # it hangs on what anybody can type or leave out


@dataclass(frozen=True)
class CompiledRule:
    """A moderator's rule, ready to be asked."""

    id: str
    kind: RuleKind
    effect: Effect
    opinion: RuleCheck
    expires_at: str | None = None


@dataclass(frozen=True)
class Policy:
    """What a site wants."""

    mode: Mode = Mode.ALL
    stored: tuple[CompiledRule, ...] = field(default=())

    @property
    def needs(self) -> frozenset[Fact]:
        """What has to be looked up before its rules can be asked."""
        return frozenset().union(*(KINDS[rule.kind].needs for rule in self.stored))


@dataclass(frozen=True)
class Judgement:
    """What was decided, and what the rules thought that did not decide."""

    deciding: Verdict
    others: tuple[Verdict, ...] = ()

    @property
    def decision(self) -> Decision:
        """What is to be kept of the one that decided."""
        status = STATUS_OF_EFFECT[self.deciding.effect]
        return Decision(status, self.deciding.reason, self.deciding.rule, self.deciding.rule_id)

    @property
    def refusal(self) -> Refusal | None:
        """What to tell the writer where nothing is kept."""
        if self.deciding.effect is not Effect.REFUSE:
            return None
        return KINDS[RuleKind(self.deciding.rule.removeprefix("rule:"))].refusal(self.deciding.reason)


STATUS_OF_EFFECT: Final = {
    Effect.REFUSE: Status.TRASH,  # kept nowhere: see ``Judgement.refusal``
    Effect.SPAM: Status.SPAM,
    Effect.HOLD: Status.PENDING,
    Effect.APPROVE: Status.APPROVED,
}


def evaluate_rules(draft: Draft, context: Context, policy: Policy, earlier: Sequence[Verdict] = ()) -> Judgement:
    """Hear every rule, then decide. Verdicts on how an edited comment was first sent still stand."""
    opinions = (rule(draft, context, policy) for rule in BUILT_IN_RULES)
    heard = [*earlier, *filter(None, opinions), *_stored_verdicts(draft, context, policy)]
    if not any(verdict.effect is Effect.APPROVE for verdict in heard):
        heard.append(_mode_verdict(context, policy))
    deciding = _strictest([verdict for verdict in heard if not verdict.unproven])
    if deciding.effect is Effect.HOLD:
        # An address that was typed proves nothing. It may say what becomes of a comment that waits anyway,
        # never whether one is shown: so no answer tells whose address it was. Likewise a time left out.
        deciding = _strictest([verdict for verdict in heard if verdict is deciding or verdict.unproven])
    return Judgement(deciding, tuple(one for one in heard if one is not deciding and one.rule != "rule:none"))


# Of how and from where a comment was sent. Other words do not make that undone.
SUBMISSION_RULES: Final = frozenset(
    {"rule:trap", "rule:form", "rule:work", "rule:network", "rule:author", "rule:too_fast", "rule:too_many"}
)


def _strictest(verdicts: list[Verdict]) -> Verdict:
    """The gravest suspicion; of several, the one that was heard first."""
    order = list(Effect)
    return min(verdicts, key=lambda verdict: order.index(verdict.effect))


def _stored_verdicts(draft: Draft, context: Context, policy: Policy) -> list[Verdict]:
    verdicts = []
    for rule in policy.stored:
        reason = rule.opinion(draft, context)
        if reason is not None:
            by_email = KINDS[rule.kind].by_email
            verdicts.append(Verdict(rule.effect, reason, f"rule:{rule.kind}", rule.id, by_email))
    return verdicts


def check_honeypot(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Only a machine fills in a field that no person sees."""
    if not context.trapped:
        return None
    return Verdict(Effect.SPAM, "It filled in a field that people do not see.", "rule:trap")


FORM_REASONS: Final = {
    FormTokenState.ABSENT: "It does not say when its form was opened.",
    FormTokenState.FORGED: "What it says of when its form was opened is not ours.",
    FormTokenState.QUICK: "It was sent quicker than people write.",
    FormTokenState.OLD: "Its form was opened long ago.",
    FormTokenState.USED: "Its form was sent before.",
}


def check_form_token(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """A form is opened, filled in for a while, and sent once."""
    reason = FORM_REASONS.get(context.form)
    # A form of the blog's own, or a program, has no time to tell: that alone holds nothing.
    return Verdict(Effect.HOLD, reason, "rule:form", unproven=context.form is FormTokenState.ABSENT) if reason else None


WORK_REASONS: Final = {
    ProofState.ABSENT: "It came without the work that was asked for.",
    ProofState.WRONG: "The work that was asked for is not done.",
    ProofState.USED: "Its work was shown before.",
}


def check_proof_of_work(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Where work is asked for, what comes without it waits."""
    reason = WORK_REASONS.get(context.work)
    return Verdict(Effect.HOLD, reason, "rule:work") if reason else None


def check_moderator_name(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """A stranger under a moderator's name, or one that looks like it, may be taken for them."""
    if not context.is_moderators_name:
        return None
    return Verdict(Effect.HOLD, "Its name is a moderator's, or looks like one.", "rule:impersonation")


def check_moderator_email(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Likewise under a moderator's address."""
    if not context.is_moderators_email:
        return None
    return Verdict(Effect.HOLD, "Its address is a moderator's.", "rule:impersonation", unproven=True)


def check_proven_author(_draft: Draft, context: Context, policy: Policy) -> Verdict | None:
    """In mode ``trusted`` a writer passes who proved to have written something approved.

    Rules of kind ``trust`` say how much is enough; where there is one, one approved comment is not.
    """
    raised = any(rule.kind is RuleKind.TRUST for rule in policy.stored)
    if policy.mode is not Mode.TRUSTED or raised or not context.proven_approvals:
        return None
    number = context.proven_approvals
    return Verdict(
        Effect.APPROVE, f"Its writer has {number} approved comment{'' if number == 1 else 's'}.", "rule:proven_writer"
    )


BuiltInRule = Callable[[Draft, Context, Policy], Verdict | None]

# In the order in which a moderator reads them.
BUILT_IN_RULES: Final[tuple[BuiltInRule, ...]] = (
    check_honeypot,
    check_moderator_name,
    check_moderator_email,
    check_form_token,
    check_proof_of_work,
    check_proven_author,
)


def _mode_verdict(context: Context, policy: Policy) -> Verdict:
    """What happens where no rule suspects and none trusts."""
    match policy.mode:
        case Mode.ALL:
            return Verdict(Effect.HOLD, "Every comment on this site is read before it is shown.", "rule:mode")
        case Mode.TRUSTED if context.proven_approvals:
            return Verdict(Effect.HOLD, "Its writer has too few approved comments yet.", "rule:unproven_writer")
        case Mode.TRUSTED:
            return Verdict(Effect.HOLD, "Its writer has no approved comment yet.", "rule:unproven_writer")
        case Mode.NONE:
            return Verdict(Effect.APPROVE, "No rule holds it.", "rule:none")
