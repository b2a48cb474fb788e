"""Features of the characters of a text: scripts, capitals, digits, emoji and disguised words."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import filterfalse
from typing import Final

from commentsvc.domain.confusables import skeleton

LATIN: Final = "LATIN"
SHORT: Final = 10  # characters; so that "OK" is not a text in capitals
# The shares from which a text has some, and many.
CAPITALS: Final = (0.2, 0.5)
DIGITS: Final = (0.08, 0.2)
STYLES: Final = {"<font>", "<circle>", "<wide>", "<square>", "<narrow>"}  # such as bold letters
_ASCII: Final = {*map(chr, range(128))}
CHARACTERS_KEPT: Final = 1 << 13  # of a million that strangers can send
_CAPITALS: Final = string.ascii_uppercase.encode()
_DIGITS: Final = string.digits.encode()
_LETTERS: Final = string.ascii_letters.encode()
_WORD: Final = re.compile(r"[^\W\d_]+")


def list_character_features(text: str) -> Iterator[tuple[str, str]]:
    """Yield features of a text that its words do not show."""
    plain = text.encode("ascii", "ignore")
    others = Counter() if len(plain) == len(text) else Counter(filterfalse(str.isascii, text))
    length = max(SHORT, len(text))
    capitals = len(plain) - len(plain.translate(None, _CAPITALS)) + _count(others, str.isupper)
    yield "capitals", _level(capitals / length, CAPITALS)
    digits = len(plain) - len(plain.translate(None, _DIGITS)) + _count(others, str.isdigit)
    yield "digits", _level(digits / length, DIGITS)
    yield "script", _main_script(plain, others)
    if not others:
        return
    if emoji := _count(others, _is_emoji):
        yield "emoji", str(min(emoji.bit_length(), 3))
    latin = [*filter(_looks_latin, others)]
    if latin and (any(map(_is_styled, latin)) or any(map(_is_mixed, _WORD.findall(text)))):
        yield "disguised", ""


def _count(counts: Mapping[str, int], wanted: Callable[[str], bool]) -> int:
    return sum([counts[character] for character in filter(wanted, counts)])


def _level(share: float, levels: tuple[float, float]) -> str:
    return str(bool(share) + sum(share > level for level in levels))


def _main_script(plain: bytes, others: Mapping[str, int]) -> str:
    scripts = {LATIN: len(plain) - len(plain.translate(None, _LETTERS)) if others else 0}
    for letter, count in others.items():
        if letter.isalpha():
            script = _script_of(letter)
            scripts[script] = scripts.get(script, 0) + count
    return max(sorted(scripts), key=scripts.__getitem__)


@lru_cache(maxsize=CHARACTERS_KEPT)
def _script_of(letter: str) -> str:
    # The first word of a letter's name (Unicode Standard, 4.8: names never change).
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0].partition("-")[0]


def _is_emoji(character: str) -> bool:
    return unicodedata.category(character) == "So"


@lru_cache(maxsize=CHARACTERS_KEPT)
def _looks_latin(character: str) -> bool:
    """Return whether it looks like a Latin letter or digit in the place of one; not m², № and ligatures."""
    plain = skeleton(character)
    return plain.isascii() and plain.isalnum() and _style_of(character) in {"", *STYLES}


def _is_styled(character: str) -> bool:
    return _style_of(character) in STYLES


@lru_cache(maxsize=CHARACTERS_KEPT)
def _style_of(character: str) -> str:
    # Of "<font> 0061": the Unicode Standard, 5.7.3.
    decomposition = unicodedata.decomposition(character)
    return decomposition.partition(" ")[0] if decomposition.startswith("<") else ""


def _is_mixed(word: str) -> bool:
    """Return whether a word has letters that look like Latin ones among Latin ones."""
    return any(map(str.isascii, word)) and skeleton(word).isascii() and any(map(_looks_latin, set(word) - _ASCII))
