"""Find secrets that somebody could guess: typed by hand, copied from an example, or repeated to reach the length."""

import re
from itertools import pairwise
from typing import Final

MIN_DIFFERENT: Final = 8  # characters: fewer of them are hardly ever random
ENOUGH_PAIRS: Final = 50  # different ones; a random secret of 512 hex digits has 220 in 511, less than half
PLACEHOLDER: Final = re.compile(
    r"(change|replace|insert|fill)[-_. ]?(me|this|it|in|here)|placeholder|example|passw(or)?d|your[-_. ]?(own[-_. ]?)?"
    r"(secret|key|admin)|to[-_. ]?be[-_. ]?changed|not[-_. ]?so[-_. ]?secret",
    re.IGNORECASE,
)
_ROWS: Final = "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm qwertzuiop azertyuiop"
NEIGHBOURS: Final = frozenset((*pairwise(_ROWS), *pairwise(reversed(_ROWS))))


def find_weakness(secret: str) -> str | None:
    """Return why a secret is easy to guess, after "it"; None if nothing shows it. Its length is not checked."""
    pairs = list(pairwise(secret.lower()))
    if len(set(secret)) < MIN_DIFFERENT:
        return "has too few different characters"
    # Of 64 random hex digits, a tenth of the pairs comes back.
    if secret in (secret * 2)[1:-1] or len(set(pairs)) <= min(len(pairs) / 2, ENOUGH_PAIRS):
        return "repeats itself"
    if sum(pair in NEIGHBOURS for pair in pairs) >= len(pairs) / 2:
        return "follows the alphabet or the keyboard"
    if PLACEHOLDER.search(secret):
        return "is a placeholder"
    return None
