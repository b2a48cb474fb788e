"""What becomes of a draft, and why: pure functions that know only their arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from commentsvc.model import Decision, Mode, Status


@dataclass(frozen=True)
class Context:
    """What is known about a draft's writer beyond what they typed."""

    proven_approvals: int = 0  # approved comments of the author whose token came along


@dataclass(frozen=True)
class Policy:
    """What a site wants."""

    mode: Mode = Mode.ALL


Rule = Callable[[Context, Policy], Decision | None]


def everyone_is_held(_context: Context, policy: Policy) -> Decision | None:
    """In mode ``all`` a moderator reads every comment first."""
    if policy.mode is not Mode.ALL:
        return None
    return Decision(Status.PENDING, "Every comment on this site is read before it is shown.", "rule:mode")


def proven_writer(context: Context, policy: Policy) -> Decision | None:
    """In mode ``trusted`` a writer passes who proved to have written something approved."""
    if policy.mode is not Mode.TRUSTED or not context.proven_approvals:
        return None
    return Decision(
        Status.APPROVED, f"Its writer has {context.proven_approvals} approved comments.", "rule:proven_writer"
    )


def unproven_writer(_context: Context, policy: Policy) -> Decision | None:
    """In mode ``trusted`` everybody else waits."""
    if policy.mode is not Mode.TRUSTED:
        return None
    return Decision(Status.PENDING, "Its writer has no approved comment yet.", "rule:unproven_writer")


# Order is meaning: the first opinion counts.
RULES: Final[tuple[Rule, ...]] = (everyone_is_held, proven_writer, unproven_writer)


def decide(context: Context, policy: Policy) -> Decision:
    """The first rule with an opinion decides; where none has one, the comment is shown."""
    for rule in RULES:
        decision = rule(context, policy)
        if decision is not None:
            return decision
    return Decision(Status.APPROVED, "No rule holds it.", "rule:none")
