"""Normalise text by its looks, so that texts that look alike are equal (UTS #39).

A skeleton is folded text (``domain/folding.py``) in which letters of other alphabets are replaced by the Latin letters
that they look like.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from commentsvc.domain import confusables_data
from commentsvc.domain.folding import folded, replace_characters


def _lookalikes() -> dict[str, str]:
    """Latin letters by the others that look like them; a Cyrillic ё looks like an ë."""
    table = {drawn: plain for plain, every in confusables_data.LOOKALIKES.items() for drawn in every}
    for letter in map(chr, range(0x400, 0x500)):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if marks and base in table:
            # If there is no Latin letter with this mark, drop the mark.
            table[letter] = unicodedata.normalize("NFC", "".join([table[base], *marks]))[0]
    return table


_LOOKALIKES: Final = _lookalikes()
_AT_A_GLANCE: Final = str.maketrans("i10", "llo")


def skeleton(text: str) -> str:
    """Return a string that is equal for texts that look alike. White space becomes single spaces."""
    return drawn(" ".join(folded(text).split()))


def impression(name: str) -> str:
    """Return a string that is equal for names that people confuse at a glance.

    Coarser than the skeleton: I, l and 1 are equal, also O and 0, rn and m, vv and w; accents, spaces and punctuation
    are ignored. Use it for reserved names only: too many ordinary words become equal.
    """
    letters = filter(str.isalnum, unicodedata.normalize("NFD", skeleton(name)))
    return "".join(letters).translate(_AT_A_GLANCE).replace("rn", "m").replace("vv", "w") or skeleton(name)


def drawn(folded_text: str) -> str:
    """Return the skeleton of a folded text. It has the same length."""
    return folded_text if folded_text.isascii() else replace_characters(_LOOKALIKES, folded_text)


def is_disguised(text: str) -> bool:
    """Return whether a text mixes plain letters with styled Latin ones, such as fullwidth or circled letters."""
    if text.isascii():
        return False
    others = {letter for letter in text if not letter.isascii()}
    return any(map(_is_styled, others)) and any(map(str.isalpha, set(text) - others))


@lru_cache(maxsize=4096)
def _is_styled(character: str) -> bool:
    plain = folded(character)
    # The Turkish capital of i loses its dot when it is folded; it is no other style of i.
    has_mark = unicodedata.normalize("NFD", character)[0].isascii()
    return plain.isascii() and plain.isalnum() and not has_mark and not character.casefold().isascii()
