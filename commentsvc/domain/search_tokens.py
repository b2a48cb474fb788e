"""Split text into the tokens that searches find: words, and pairs of characters in scripts without spaces.

A search finds a comment if each token of the search is in the comment, or begins a token of it. Punctuation only
separates, so an email address, a web address or a number is found by its parts.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from commentsvc.domain.folding import MARKS, searchable

MAX_LENGTH: Final = 64  # characters of a token; longer words are found by their beginning
# Thai, Lao, Burmese, Khmer, Chinese and Japanese put no spaces between words.
_UNSPACED: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u3005-\u3007"
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_EMOJI: Final = "\u2600-\u27bf\U0001f000-\U0001faff"
# A word is a run of letters, digits and their marks. An underscore separates, as in snake_case and _emphasis_.
_TOKEN: Final = re.compile(f"([{_UNSPACED}]+)|(?:[^\\W_{_UNSPACED}]|(?![{_UNSPACED}])[{MARKS}])+|[{_EMOJI}]")

_ASCII_TOKEN: Final = re.compile("[a-z0-9]+")  # the same for text of ASCII alone, which takes a fifth of the time


@dataclass(frozen=True)
class Term:
    """A token to search for; ``whole`` unless it may also be the beginning of a token."""

    text: str
    whole: bool = False


def tokens(text: str) -> list[str]:
    """Return the tokens of a text, each once, in the order of the text."""
    text = searchable(text)
    found = (word[:MAX_LENGTH] for word in _ASCII_TOKEN.findall(text)) if text.isascii() else _tokens(text)
    return list(dict.fromkeys(found))


def terms(text: str) -> list[Term]:
    """Return the terms of a search; nothing for a text without letters and digits."""
    found = (_terms(match[1]) if match[1] else [Term(match[0][:MAX_LENGTH])] for match in _matches(searchable(text)))
    return list(dict.fromkeys(term for some in found for term in some))


def _matches(text: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text)


def _tokens(text: str) -> Iterator[str]:
    for match in _matches(text):
        run = match[1]
        if run:
            yield from _pairs(run)
            yield run[-1]  # each character begins a token, so that a search for one character finds it
        else:
            yield match[0][:MAX_LENGTH]


def _pairs(run: str) -> Iterable[str]:
    return map("".join, pairwise(run))


def _terms(run: str) -> list[Term]:
    return [Term(pair, whole=True) for pair in _pairs(run)] or [Term(run)]
