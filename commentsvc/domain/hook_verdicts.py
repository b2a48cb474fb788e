"""Verdicts of the external check, which is another program."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from commentsvc.domain.models import Actor, ActorKind
from commentsvc.domain.reasons import Reason

HOOK: Final = Actor(ActorKind.HOOK, None, "external check")


class HookEffect(StrEnum):
    """The verdict of the external check on a comment; ``none``: it has nothing to say."""

    SPAM = "spam"
    HOLD = "hold"
    APPROVE = "approve"
    NONE = "none"


class HookVerdict(Struct, frozen=True, kw_only=True):
    """An answer of the external check: without an effect, it failed. The score is from 0 to 1000."""

    effect: HookEffect | None
    permille: int | None = None
    reason: str = ""


def describe_verdict(verdict: HookVerdict) -> Reason:
    """Return a verdict as a reason."""
    if verdict.effect is None:
        return Reason("external_failed")
    score = "" if verdict.permille is None else f" ({verdict.permille / 1000:.2f})"
    return Reason(f"external_{verdict.effect}", {"detail": f"{score}: {verdict.reason}" if verdict.reason else score})
