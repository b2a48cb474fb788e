"""Find listed words and phrases in a text, also if they are disguised with lookalike letters.

Only whole words match: ``porno`` matches ``Porno!`` and ``porno-film``, not ``Pornofilm``. Letter case, white space and
letter style (fullwidth, circled, …) are ignored. There are no wildcards or regular expressions.

* Several words are a phrase. Any white space and punctuation between its words matches, except ``://``.
* Punctuation at a word is significant, except a hyphen or an apostrophe inside: ``c++``, ``.ru`` and ``and/or`` match
  only as written. A web address matches the whole address or the end of a longer host: ``example.com`` matches
  ``www.example.com/page``, not ``my-example.com`` or ``example.com.au``. ``https://`` is ignored.
* In scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; also Korean, because particles
  are attached to words) an entry matches wherever its characters are next to each other.
* Each emoji is a word. Skin tones are ignored.
* An entry that is itself disguised, such as ``be`` with one fullwidth letter, matches only that disguise, not ``be``.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

from commentsvc.domain import confusables, folding
from commentsvc.domain.confusables import is_disguised
from commentsvc.domain.folding import MARKS
from commentsvc.domain.messages import FormattedMessage, Message, translatable, translatable_plural
from commentsvc.rules.writing_systems import script_of

# Scripts without spaces between words; see the module's docstring on Korean.
_NO_SPACES: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# A word: letters and digits, including a final n't; one character of a script without spaces; a flag.
_WORD: Final = (
    rf"[^\W_{_NO_SPACES}]+(?:[{MARKS}]+[^\W_{_NO_SPACES}]*)*(?:(?<=n)'t(?![^\W_]))?"
    rf"|[{_NO_SPACES}][{MARKS}]*"
    r"|[\U0001f1e6-\U0001f1ff]{2}"
)
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+(?:(?<=n)'t(?![a-z0-9]))?")  # the same, five times faster
_EDGE: Final = r"(?:(?<!\w)|(?!\w))"
_COMMENT: Final = re.compile(r"#+(\s|$)")
_WEB_ADDRESS: Final = re.compile(r"https?://(\w.*?)/?")
_ADDRESS: Final = re.compile(r"\w[./:@]\w")
_JOINED: Final = re.compile(r"\w[-_]")
_CONTINUED: Final = re.compile(r"[-_.]\w")
MAX_ENTRY_LENGTH: Final = 100  # characters
SYMBOLS: Final = {"So", "Sm", "Sc"}  # general categories of emoji and other symbols
MAX_LINES_NAMED: Final = 100  # in an error message


class _Entry(NamedTuple):
    """A listed word or phrase, prepared for matching."""

    written: str  # as in the list
    words: str  # folded, separated by single spaces
    literal: str  # the skeleton that must match exactly, if punctuation is significant
    offset: int  # of the first word in ``literal``
    disguise: str  # the disguise that must match, if the entry is disguised


class _PreparedText:
    """A text, prepared for matching."""

    def __init__(self, text: str, word: re.Pattern[str]) -> None:
        self._text = text
        self._disguises: dict[str, bool] = {}  # cache of ``_has_disguise``
        self.folded = " ".join(folding.folded(text).split())
        self.skeleton = confusables.drawn(self.folded)
        self._word = _ASCII_WORD if self.skeleton.isascii() else word
        self.words: list[str] = self._word.findall(self.skeleton)

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """The start and end of each word, the same in ``skeleton`` and ``folded``."""
        return [found.span() for found in self._word.finditer(self.skeleton)]

    @cached_property
    def casefolded(self) -> str:
        """The text as written, except letter case and white space."""
        return _casefolded(self._text)

    @cached_property
    def script(self) -> str:
        """The script of most letters."""
        letters: Counter[str] = Counter()
        for character, number in Counter(self.folded).items():
            if character.isalpha():
                letters[script_of(character)] += number
        return max(letters, key=letters.__getitem__, default="")

    def matches(self, entry: _Entry, first: int, last: int) -> bool:
        """Return whether the words from ``first`` to ``last`` match an entry with the same skeleton."""
        if entry.literal and not self._has_literal(entry, self.spans[first][0] - entry.offset):
            return False
        if last > first and not entry.literal and "://" in self.skeleton[self.spans[first][0] : self.spans[last][1]]:
            return False
        if entry.disguise and not self._has_disguise(entry.disguise):
            return False
        if self.folded is self.skeleton:
            written = self.words[first : last + 1]
        else:
            written = [self.folded[begin:end] for begin, end in self.spans[first : last + 1]]
        return all(map(self._is_same_word, written, entry.words.split(" ")))

    def _has_disguise(self, disguise: str) -> bool:
        """Return whether the text contains a disguised entry exactly as listed."""
        if disguise not in self._disguises:
            edged = f"{_EDGE}{re.escape(disguise)}{_EDGE}"
            self._disguises[disguise] = disguise in self.casefolded and re.search(edged, self.casefolded) is not None
        return self._disguises[disguise]

    def _has_literal(self, entry: _Entry, begin: int) -> bool:
        """Return whether the entry's punctuation matches too. A web address must also end here."""
        end = begin + len(entry.literal)
        if begin < 0 or not self.skeleton.startswith(entry.literal, begin):
            return False
        if not _ADDRESS.search(entry.literal):
            return True
        before = begin > 1 and entry.literal[0].isalnum() and _JOINED.match(self.skeleton, begin - 2)
        return not before and not (entry.literal[-1].isalnum() and _CONTINUED.match(self.skeleton, end))

    def _is_same_word(self, written: str, listed: str) -> bool:
        """Return whether a word that looks like the listed one is meant as that word.

        The Russian ``рот`` looks like ``pot``. In a Russian text it is an ordinary word. It is a disguise in a text of
        another script, or with letters of several scripts in the word. The Turkish dotless i is another letter than i,
        with the same capital I.
        """
        if written in {listed, listed.replace("ı", "i")}:
            return True
        used = _scripts(written)
        return len(used) > 1 or self.script not in used


@lru_cache(maxsize=1024)
def _scripts(word: str) -> frozenset[str]:
    return frozenset(script_of(letter) for letter in word if letter.isalpha())


class WordList:
    """Words, phrases, web addresses and emoji, all found in one pass.

    Blank lines and comments (lines that begin with ``#`` and a space) are ignored.

    Raises:
        ValueError: The list is empty, or an entry cannot match anything. The message is for the moderator.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        written = [" ".join(entry.split()) for entry in entries] or [""]
        folded = folding.folded("\n".join(written))
        self._word = _word_pattern(folded)
        # Entries by the skeletons of their words. A longer entry's first words (two or more) map to an empty list.
        self._index: dict[str, list[_Entry]] = {}
        unusable = []
        seen: set[str] = set()
        for number, (entry, line) in enumerate(zip(written, folded.split("\n"), strict=True), start=1):
            spelled = " ".join(line.split())
            if not entry or _COMMENT.match(entry) or spelled in seen:
                continue
            if self._add(entry, spelled):
                seen.add(spelled)
            else:
                unusable.append(number)
        if unusable or not self._index:
            raise ValueError(_error_message(unusable))

    @classmethod
    def from_text(cls, text: str) -> "WordList":
        """Return a list from a text with one entry a line."""
        return cls(text.splitlines())

    def find_first(self, text: str) -> str | None:
        """Return the entry that matches first in a text, as written in the list; None without a match.

        The time is linear in the length of the text; at worst, times the number of words of the longest entry.
        """
        return next(self.find_all(text), None)

    def find_all(self, text: str) -> Iterator[str]:
        """Yield each match in a text, as its entry is written in the list. An entry may be found several times."""
        prepared = _PreparedText(text, self._word)
        words = prepared.words
        pairs = map(" ".join, zip_longest(words, words[1:], fillvalue=""))
        for number, (word, pair) in enumerate(zip(words, pairs, strict=True)):
            if word in self._index or pair in self._index:  # rare: check this cheaply first
                yield from self._match_at(prepared, number)

    def _match_at(self, prepared: _PreparedText, first: int) -> Iterator[str]:
        """Yield the entries that match from this word on, the shortest first."""
        last, key = first, prepared.words[first]
        entries: Sequence[_Entry] | None = self._index.get(key, ())
        while entries is not None:
            for entry in entries:
                if prepared.matches(entry, first, last):
                    yield entry.written
            last += 1
            if last == len(prepared.words):
                break
            key = f"{key} {prepared.words[last]}"
            entries = self._index.get(key)

    def _add(self, written: str, folded: str) -> bool:
        """Add an entry. Return False if it cannot match anything."""
        web_address = _WEB_ADDRESS.fullmatch(folded)
        folded = web_address[1] if web_address else folded
        skeleton = confusables.drawn(folded)
        word = _ASCII_WORD if skeleton.isascii() else self._word
        words: list[str] = word.findall(skeleton)
        if not words or len(written) > MAX_ENTRY_LENGTH:
            return False
        for number in range(min(2, len(words)), len(words) + 1):
            key = " ".join(words[:number])
            entries = self._index.setdefault(key, [])
        if key == folded and written.isascii():
            entries.append(_Entry(written, key, "", 0, ""))
            return True
        spans = [found.span() for found in word.finditer(skeleton)]
        spelled = " ".join(folded[begin:end] for begin, end in spans)
        literal = skeleton if _is_literal(skeleton, spans) else ""
        disguise = _casefolded(written) if is_disguised(written) else ""
        entries.append(_Entry(written, spelled, literal, spans[0][0], disguise))
        return True


def _word_pattern(folded: str) -> re.Pattern[str]:
    """Return the pattern of a word. Symbols are words if they are in the list; others separate words."""
    symbols = {sign for sign in set(folded) if not sign.isascii() and unicodedata.category(sign) in SYMBOLS}
    return re.compile(f"{_WORD}|[{''.join(sorted(symbols))}]" if symbols else _WORD)


def _casefolded(text: str) -> str:
    return " ".join(text.casefold().split())


def _is_literal(skeleton: str, spans: list[tuple[int, int]]) -> bool:
    """Return whether an entry has significant punctuation: at its ends, or joining two words."""
    if spans[0][0] or spans[-1][1] < len(skeleton):
        return True
    gaps = [skeleton[end:begin] for (_, end), (begin, _) in pairwise(spans)]
    return any(" " not in gap and gap not in {"-", "'"} for gap in gaps)


def _error_message(unusable: list[int]) -> Message:
    if not unusable:
        return translatable("The list is empty. Enter one word or phrase a line.")
    lines, more = ", ".join(map(str, unusable[:MAX_LINES_NAMED])), len(unusable) - MAX_LINES_NAMED
    advice = FormattedMessage(ADVICE, {"limit": MAX_ENTRY_LENGTH})
    if more > 0:
        return translatable_plural(
            "Lines %(lines)s and %(num)s more cannot match anything. %(advice)s",
            "Lines %(lines)s and %(num)s more cannot match anything. %(advice)s",
            more,
            lines=lines,
            advice=advice,
        )
    return translatable_plural(
        "Line %(lines)s cannot match anything. %(advice)s",
        "Lines %(lines)s cannot match anything. %(advice)s",
        len(unusable),
        lines=lines,
        advice=advice,
    )


ADVICE: Final = translatable("Use at least one letter, digit or emoji, and at most %(limit)s characters.")
