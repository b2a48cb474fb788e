"""Forms that all checks share: what a check is, and how numbers are read."""

import re
from collections.abc import Callable

from commentsvc.domain.models import Draft
from commentsvc.domain.reasons import Reason
from commentsvc.rules.context import Context

# A check is pure: it takes a draft and its context, and returns the reason to act, or None.
RuleCheck = Callable[[Draft, Context], Reason | None]


def parse_number(text: str, *, most: int, least: int = 1) -> int:
    """Return a whole number in these limits.

    Raises:
        ValueError: it is no number, or outside them.
    """
    number = int(text) if re.fullmatch(r"\s*\d{1,6}\s*", text, re.ASCII) else -1
    if not least <= number <= most:
        raise ValueError
    return number
