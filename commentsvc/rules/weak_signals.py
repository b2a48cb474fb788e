"""Weak signals: signs of a program that a person's browser can cause too.

Each alone holds a comment. Two signs with different causes call it spam.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from commentsvc.domain.models import Effect
from commentsvc.domain.reasons import Reason
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.verdicts import Verdict, is_unproven
from commentsvc.storage.decisions import StoredVerdict


class Cause(StrEnum):
    """The cause of a sign. Signs with the same cause count as one."""

    TRAP = "trap"
    FORM = "form"
    RULE = "rule"


# The token and the proof of work of a form grow old together, and are used together.
_CAUSES: Final = {"rule:honeypot": Cause.TRAP, "rule:form_token": Cause.FORM, "rule:proof_of_work": Cause.FORM}
# A form that was open in a tab for days, or that is sent again after Back, is rather a person's. So these two reasons
# confirm the trap, but not a rule: otherwise a person with a link in their comment would be called a spammer.
_OF_PEOPLE: Final = frozenset({"form_expired", "form_reused"})
_NO_SIGNS: Final = frozenset(f"rule:{kind}" for kind, row in KINDS.items() if not row.is_sign)
_WEAK: Final = _OF_PEOPLE | {"honeypot_filled", "form_too_quick", "form_token_invalid"}


def is_weak(reason: Reason) -> bool:
    """Return whether a reason is that of a weak signal."""
    return reason.code in _WEAK


def combine_signals(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts. If another sign confirms a weak signal, the first weak one has the effect ``spam``.

    A rule that itself calls the comment spam, or refuses it, needs no confirmation and stays the one that decides.
    ``verdicts`` must not include that of the moderation mode: it says nothing about the comment.
    """
    if any(verdict.effect in {Effect.REFUSE, Effect.SPAM} for verdict in verdicts):
        return list(verdicts)
    weak = [verdict for verdict in verdicts if is_weak(verdict.reason)]
    causes = {_CAUSES.get(verdict.rule, Cause.RULE) for verdict in verdicts if _is_sign(verdict)}
    trap = Cause.TRAP in causes and len(causes) > 1
    program = Cause.RULE in causes and any(verdict.reason.code not in _OF_PEOPLE for verdict in weak)
    if not (trap or program):
        return list(verdicts)
    return [replace(verdict, effect=Effect.SPAM) if verdict is weak[0] else verdict for verdict in verdicts]


def _is_sign(verdict: Verdict) -> bool:
    """Return whether a verdict is evidence against the comment or its author."""
    if verdict.effect is not Effect.HOLD or verdict.reason.code == "form_token_missing":
        return False
    return verdict.rule not in _NO_SIGNS


def read_verdict(stored: StoredVerdict) -> Verdict:
    """Return a stored verdict, with the effect of a weak signal if it is one.

    The stored effect may come from a second sign, which can be absent now.
    """
    effect = Effect.HOLD if is_weak(stored.reason) else stored.effect
    unproven = is_unproven(stored.reason)
    return Verdict(effect, stored.reason, f"rule:{stored.actor.name}", stored.actor.id, unproven=unproven)
