"""Words that a moderator wants to look at, found in what somebody wrote, however they are drawn.

An entry is found as whole words, never inside one: ``porno`` is in ``Porno!`` and in ``porno-film``, not in
``Pornofilm``. Letter case, white space, and how a letter is drawn make no difference. Nothing is a pattern.

* An entry of words is a phrase. Between its words may stand any white space and punctuation, but not ``://``.
* Punctuation that is joined to a word counts, but for a hyphen or an apostrophe inside: ``c++``, ``.ru``, ``and/or``
  are found as written. An address is found whole or as the end of a longer host: ``example.com`` in
  ``www.example.com/page``, not in ``my-example.com`` or ``example.com.au``. ``https://`` before one does not count.
* Scripts that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; and Korean, whose particles
  stick to words) know no whole words: an entry is found wherever its characters stand side by side.
* Emoji are words of their own. Their skin tones do not count.
* An entry that is itself in disguise, such as ``be`` with one wide letter, stands for that disguise, not for ``be``.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

from commentsvc.rules import confusables
from commentsvc.rules.confusables import MARKS, is_disguised
from commentsvc.rules.writing_systems import script_of

# Scripts without spaces between words; see the module's docstring on Korean.
_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# A word: a run of letters and digits, with n't as part of it; one character of a dense script; a flag.
_WORD: Final = (
    rf"[^\W_{_DENSE}]+(?:[{MARKS}]+[^\W_{_DENSE}]*)*(?:(?<=n)'t(?![^\W_]))?"
    rf"|[{_DENSE}][{MARKS}]*"
    r"|[\U0001f1e6-\U0001f1ff]{2}"
)
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+(?:(?<=n)'t(?![a-z0-9]))?")  # the same, five times as fast
_EDGE: Final = r"(?:(?<!\w)|(?!\w))"
_REMARK: Final = re.compile(r"#+(\s|$)")
_WEB_ADDRESS: Final = re.compile(r"https?://(\w.*?)/?")
_ADDRESS: Final = re.compile(r"\w[./:@]\w")
_JOINED: Final = re.compile(r"\w[-_]")
_CONTINUED: Final = re.compile(r"[-_.]\w")
LONGEST: Final = 100  # characters of an entry
SYMBOLS: Final = {"So", "Sm", "Sc"}  # emoji and other signs, by general category
SHOWN: Final = 100  # lines that advice names


class _Entry(NamedTuple):
    """What a list looks for: words, and where punctuation counts, the whole as it must stand there."""

    written: str
    words: str  # folded, in single spaces
    literal: str  # a skeleton
    offset: int  # where in it the first word begins
    disguise: str  # how it must be drawn, if it must


class _Reading:
    """A text made ready to be searched."""

    def __init__(self, text: str, word: re.Pattern[str]) -> None:
        self._text = text
        self._disguises: dict[str, bool] = {}  # that were looked for, and whether they are there
        self.folded = " ".join(confusables.folded(text).split())
        self.skeleton = confusables.drawn(self.folded)
        self._word = _ASCII_WORD if self.skeleton.isascii() else word
        self.words: list[str] = self._word.findall(self.skeleton)

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each word stands, in the skeleton as in the folded text."""
        return [found.span() for found in self._word.finditer(self.skeleton)]

    @cached_property
    def as_drawn(self) -> str:
        """The text as it is written, but for letter case."""
        return _as_drawn(self._text)

    @cached_property
    def script(self) -> str:
        """What most of its letters are written in."""
        letters: Counter[str] = Counter()
        for character, number in Counter(self.folded).items():
            if character.isalpha():
                letters[script_of(character)] += number
        return max(letters, key=letters.__getitem__, default="")

    def holds(self, entry: _Entry, first: int, last: int) -> bool:
        """Whether these words, whose skeletons are the entry's, are the entry indeed."""
        if entry.literal and not self._stands(entry, self.spans[first][0] - entry.offset):
            return False
        if last > first and not entry.literal and "://" in self.skeleton[self.spans[first][0] : self.spans[last][1]]:
            return False
        if entry.disguise and not self._shows(entry.disguise):
            return False
        if self.folded is self.skeleton:
            written = self.words[first : last + 1]
        else:
            written = [self.folded[begin:end] for begin, end in self.spans[first : last + 1]]
        return all(map(self._is_meant, written, entry.words.split(" ")))

    def _shows(self, disguise: str) -> bool:
        """Whether something is there just as it is drawn."""
        if disguise not in self._disguises:
            edged = f"{_EDGE}{re.escape(disguise)}{_EDGE}"
            self._disguises[disguise] = disguise in self.as_drawn and re.search(edged, self.as_drawn) is not None
        return self._disguises[disguise]

    def _stands(self, entry: _Entry, begin: int) -> bool:
        """Whether an entry's punctuation is there as well; an address also must not go on."""
        end = begin + len(entry.literal)
        if begin < 0 or not self.skeleton.startswith(entry.literal, begin):
            return False
        if not _ADDRESS.search(entry.literal):
            return True
        before = begin > 1 and entry.literal[0].isalnum() and _JOINED.match(self.skeleton, begin - 2)
        return not before and not (entry.literal[-1].isalnum() and _CONTINUED.match(self.skeleton, end))

    def _is_meant(self, written: str, listed: str) -> bool:
        """Whether a word is what it looks like: the listed one.

        The Russian ``рот`` looks like ``pot``, and is none in a Russian text; it is where it mixes alphabets, or
        stands among words of another. A Turkish i without a dot is another letter than i, with the same capital I.
        """
        if written in {listed, listed.replace("ı", "i")}:
            return True
        used = _scripts(written)
        return len(used) > 1 or self.script not in used


@lru_cache(maxsize=1024)
def _scripts(word: str) -> frozenset[str]:
    return frozenset(script_of(letter) for letter in word if letter.isalpha())


class WordList:
    """Words, phrases, addresses and emoji to be found, however many, in one pass.

    Blank lines say nothing, nor do remarks: lines that begin with ``#`` and a space.

    Raises:
        ValueError: with advice, where nothing is listed, or an entry could never be found.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        written = [" ".join(entry.split()) for entry in entries] or [""]
        folded = confusables.folded("\n".join(written))
        self._word = _word_pattern(folded)
        # Entries by the skeletons of their words; and with none, what longer ones begin with, from two words on.
        self._paths: dict[str, list[_Entry]] = {}
        unfit = []
        seen: set[str] = set()
        for number, (entry, line) in enumerate(zip(written, folded.split("\n"), strict=True), start=1):
            spelled = " ".join(line.split())
            if not entry or _REMARK.match(entry) or spelled in seen:
                continue
            if self._add(entry, spelled):
                seen.add(spelled)
            else:
                unfit.append(number)
        if unfit or not self._paths:
            raise ValueError(_advice(unfit))

    @classmethod
    def read(cls, text: str) -> "WordList":
        """A list that was written one entry a line."""
        return cls(text.splitlines())

    def first(self, text: str) -> str | None:
        """The entry that is found first in a text, as it was written in the list.

        Takes time in proportion to the text, times the words of the longest entry at worst.
        """
        reading = _Reading(text, self._word)
        words = reading.words
        pairs = map(" ".join, zip_longest(words, words[1:], fillvalue=""))
        for number, (word, pair) in enumerate(zip(words, pairs, strict=True)):
            if word in self._paths or pair in self._paths:  # seldom so
                found = self._beginning(reading, number)
                if found:
                    return found.written
        return None

    def _beginning(self, reading: _Reading, first: int) -> _Entry | None:
        """The shortest entry that begins at this word."""
        last, path = first, reading.words[first]
        entries: Sequence[_Entry] | None = self._paths.get(path, ())
        while entries is not None:
            for entry in entries:
                if reading.holds(entry, first, last):
                    return entry
            last += 1
            if last == len(reading.words):
                break
            path = f"{path} {reading.words[last]}"
            entries = self._paths.get(path)
        return None

    def _add(self, written: str, folded: str) -> bool:
        """Take an entry in, unless it could never be found."""
        web_address = _WEB_ADDRESS.fullmatch(folded)
        folded = web_address[1] if web_address else folded
        skeleton = confusables.drawn(folded)
        word = _ASCII_WORD if skeleton.isascii() else self._word
        words: list[str] = word.findall(skeleton)
        if not words or len(written) > LONGEST:
            return False
        for number in range(min(2, len(words)), len(words) + 1):
            path = " ".join(words[:number])
            entries = self._paths.setdefault(path, [])
        if path == folded and written.isascii():
            entries.append(_Entry(written, path, "", 0, ""))
            return True
        spans = [found.span() for found in word.finditer(skeleton)]
        spelled = " ".join(folded[begin:end] for begin, end in spans)
        literal = skeleton if _is_literal(skeleton, spans) else ""
        disguise = _as_drawn(written) if is_disguised(written) else ""
        entries.append(_Entry(written, spelled, literal, spans[0][0], disguise))
        return True


def _word_pattern(folded: str) -> re.Pattern[str]:
    """What is a word to a list. A symbol is one if the list has it; others only stand between words."""
    symbols = {sign for sign in set(folded) if not sign.isascii() and unicodedata.category(sign) in SYMBOLS}
    return re.compile(f"{_WORD}|[{''.join(sorted(symbols))}]" if symbols else _WORD)


def _as_drawn(text: str) -> str:
    return " ".join(text.casefold().split())


def _is_literal(skeleton: str, spans: list[tuple[int, int]]) -> bool:
    """Whether some punctuation of an entry counts: at its ends, or joining two words."""
    if spans[0][0] or spans[-1][1] < len(skeleton):
        return True
    gaps = [skeleton[end:begin] for (_, end), (begin, _) in pairwise(spans)]
    return any(" " not in gap and gap not in {"-", "'"} for gap in gaps)


def _advice(unfit: list[int]) -> str:
    if not unfit:
        return "There is no entry here. Write one word or phrase a line."
    lines, more = ", ".join(map(str, unfit[:SHOWN])), len(unfit) - SHOWN
    return (
        f"Nothing would ever be found by line {lines}{f', and {more} more' if more > 0 else ''}. An entry holds a "
        f"letter, a digit or an emoji, and has at most {LONGEST} characters."
    )
