"""Make hostile text harmless for a terminal."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from commentsvc.domain.text import INVISIBLE, MAX_MARKS

TAB: Final = "    "
# Joiners between letters of scripts that need them; everywhere else they only hide something.
JOINERS: Final = re.compile("(?<=[\u0600-\u109f])[\u200c\u200d](?=[\u0600-\u109f])")
# Of an emoji made of several, each is shown for itself: no two terminals agree how wide the whole is.
JOINED: Final = re.compile(
    "(?<=[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]?\u200d?|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)
SELECTORS: Final = re.compile("[\ufe00-\ufe0f]")
# What does something, shows nothing, or could be anything (Unicode, 4.5: controls, formats, private use, …).
SHOWN_BY_NUMBER: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
STACKED: Final = {"Mn", "Me"}
NOTHING_BELOW: Final = "\u25cc"  # stands under a mark that has no letter of its own


def harmless(text: str) -> str:
    """A text in which nothing moves the cursor, changes a colour, turns letters round, or hides.

    Such characters are shown by number, ``<U+001B>``; only the ends of lines stay. Letters stay, in every script.
    """
    text = JOINED.sub("", re.sub("\r\n?", "\n", text).replace("\t", TAB))
    needed = {found.start() for found in JOINERS.finditer(text) if text[found.end()].isalpha()}
    runs = groupby(enumerate(text), key=lambda placed: (placed[1], placed[0] in needed))
    shown = "".join(_shown(character, len([*run]), is_needed) for (character, is_needed), run in runs)
    return unicodedata.normalize("NFC", "".join(_unpiled(shown)))


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(harmless(text).split())


def _shown(character: str, number: int, is_needed: bool) -> str:  # noqa: FBT001 -- read beside its only caller
    """A run of one character."""
    if character == "\n" or is_needed:
        return character * number
    if unruly(character):
        return f"<U+{ord(character):04X}>" if number == 1 else f"<U+{ord(character):04X} ×{number:,}>"
    return (" " if unicodedata.category(character) == "Zs" else character) * number


def unruly(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    if unicodedata.category(character) in SHOWN_BY_NUMBER:
        return True
    return INVISIBLE.match(character) is not None or SELECTORS.match(character) is not None


def _unpiled(text: str) -> Iterator[str]:
    """No more marks on a letter than languages need, and none on what is not a stranger's."""
    before = "\n"
    for stacked, run in groupby(text, key=lambda character: unicodedata.category(character) in STACKED):
        characters = "".join(run)
        if stacked:
            yield NOTHING_BELOW if before in "\n >" else ""
            yield characters[:MAX_MARKS]
            yield f"<{len(characters) - MAX_MARKS:,} more marks>" if len(characters) > MAX_MARKS else ""
        else:
            yield characters
        before = characters[-1]


def escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
