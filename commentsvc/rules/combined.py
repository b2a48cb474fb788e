"""Rules of kind ``all``: several conditions, and all of them must match.

A match has one condition a line: a kind, a colon and what that kind matches, such as ``links: 0``. A kind that needs
nothing more has its name only: ``newcomer``. The entries of a word list are separated by ``|``. Blank lines and lines
that begin with ``#`` are ignored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from commentsvc.domain.messages import Message, Value, translatable, translatable_format, translatable_plural
from commentsvc.domain.models import Draft, RuleKind
from commentsvc.domain.reasons import Reason, join_reasons
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.context import Context

MIN_CONDITIONS: Final = 2
MAX_CONDITIONS: Final = 10
# Bans of one person are stored in another form than text, and trust approves.
NO_CONDITIONS: Final = frozenset({RuleKind.ALL, RuleKind.TRUST, RuleKind.EMAIL, RuleKind.AUTHOR})
CONDITION_KINDS: Final = tuple(kind for kind in RuleKind if kind not in NO_CONDITIONS)


class Condition(NamedTuple):
    """One line of a match."""

    line: int
    kind: RuleKind
    match: str


@dataclass(frozen=True)
class CombinedCheck:
    """Matches comments on which the checks of all conditions match."""

    conditions: tuple[tuple[RuleKind, RuleCheck], ...]
    by_email: frozenset[RuleKind] = frozenset()  # kinds about the email address

    def __call__(self, draft: Draft, context: Context) -> Reason | None:
        """Return the reasons of all conditions as one; None if one of them does not match.

        With a condition about the email address, it has the reasons of such conditions only: as much is written for
        every comment as for the longest of these reasons, so that the time reveals nothing about an address.
        """
        parts = []
        for kind, check in self.conditions:
            reason = check(draft, context)
            if reason is None:
                return None
            parts.append((kind, reason))
        by_email = [reason for kind, reason in parts if kind in self.by_email]
        return join_reasons(by_email or [reason for _, reason in parts])

    @property
    def kinds(self) -> frozenset[RuleKind]:
        """The kinds of the conditions."""
        return frozenset(kind for kind, _ in self.conditions)


def compile_conditions(
    text: str, compile_condition: Callable[[RuleKind, str], RuleCheck], by_email: frozenset[RuleKind]
) -> CombinedCheck:
    """Compile a match of kind ``all``; ``compile_condition`` compiles one of its conditions.

    ``by_email`` are the kinds about the email address.

    Raises:
        ValueError: a line is no condition, or their number is wrong. The message is for the moderator.
    """
    conditions = list(read_conditions(text))
    if len(conditions) < MIN_CONDITIONS:
        raise ValueError(translatable("Enter at least two conditions, one a line, such as links: 0 and newcomer."))
    if len(conditions) > MAX_CONDITIONS:
        message = translatable_plural(
            "Enter at most %(num)s condition. There are %(found)s.",
            "Enter at most %(num)s conditions. There are %(found)s.",
            MAX_CONDITIONS,
            found=len(conditions),
        )
        raise ValueError(message)
    return CombinedCheck(tuple((one.kind, _compile(one, compile_condition)) for one in conditions), by_email)


def _compile(one: Condition, compile_condition: Callable[[RuleKind, str], RuleCheck]) -> RuleCheck:
    try:
        return compile_condition(one.kind, one.match)
    except ValueError as error:
        raise ValueError(_at_line(one.line, error.args[0])) from None


def read_conditions(text: str) -> Iterator[Condition]:
    """Yield the conditions of a match.

    Raises:
        ValueError: a line is no condition. The message is for the moderator.
    """
    for number, line in enumerate(text.split("\n"), start=1):  # other breaks would hide a line from readers
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, match = line.partition(":")
        kind = _find_kind(number, name.strip().lower())
        yield Condition(number, kind, _unfold_words(match) if kind is RuleKind.WORDS else match.strip())


def _find_kind(number: int, name: str) -> RuleKind:
    if name in CONDITION_KINDS:
        return RuleKind(name)
    kinds = ", ".join(CONDITION_KINDS)
    if name in NO_CONDITIONS:
        advice = translatable_format("%(kind)s cannot be a condition. Use one of: %(kinds)s.", kind=name, kinds=kinds)
    else:
        advice = translatable_format(
            "“%(kind)s” is not a kind of condition. Use one of: %(kinds)s.", kind=name[:40], kinds=kinds
        )
    raise ValueError(_at_line(number, advice))


def _unfold_words(match: str) -> str:
    return "\n".join(entry.strip() for entry in match.split("|"))


def _at_line(number: int, advice: Value) -> Message:
    return translatable_format("Line %(line)s: %(advice)s", line=number, advice=advice)
