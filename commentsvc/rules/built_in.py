"""The rules that always run, whether or not a site has rules of its own."""

from collections.abc import Callable
from typing import Final

from commentsvc.domain.models import Draft, Effect, Mode, RuleKind
from commentsvc.domain.reasons import Reason
from commentsvc.rules import learned, repeat
from commentsvc.rules.context import Context
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.rules.verdicts import Policy, Verdict


def check_honeypot(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its form had the hidden field filled in: a weak signal, see ``weak_signals``."""
    if not context.honeypot_filled:
        return None
    return Verdict(Effect.HOLD, Reason("honeypot_filled"), "rule:honeypot")


FORM_REASONS: Final = {
    FormTokenState.ABSENT: "form_token_missing",
    FormTokenState.INVALID: "form_token_invalid",
    FormTokenState.TOO_QUICK: "form_too_quick",
    FormTokenState.EXPIRED: "form_expired",
    FormTokenState.USED: "form_reused",
}


def check_form_token(_draft: Draft, context: Context, _policy: Policy) -> Verdict | None:
    """Hold a comment if its form token is missing, invalid or used, or has the wrong age: see ``weak_signals``."""
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


def check_learned(_draft: Draft, context: Context, policy: Policy) -> Verdict | None:
    """Note the score of a comment that the site's learned filter takes for spam. It holds nothing.

    If the site has a rule of kind ``learned``, this check does nothing.
    """
    if any(rule.kind is RuleKind.LEARNED for rule in policy.stored):
        return None
    reason = learned.find_spam(context)
    return Verdict(Effect.NOTE, reason, "rule:learned") if reason else None


BuiltInRule = Callable[[Draft, Context, Policy], Verdict | None]

# Moderators see the verdicts in this order.
BUILT_IN_RULES: Final[tuple[BuiltInRule, ...]] = (
    check_honeypot,
    check_moderator_name,
    check_moderator_email,
    check_form_token,
    check_proof_of_work,
    repeat.check_same_text,
    repeat.check_near_text,
    repeat.check_spam_host,
    repeat.check_spam_website,
    repeat.check_spam_network,
    repeat.check_spam_author,
    check_known_author,
    check_learned,
)
