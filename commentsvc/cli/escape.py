"""Escape text from strangers for a terminal (CWE-150)."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from commentsvc.domain.columns import COMBINING_CATEGORIES
from commentsvc.domain.text import INVISIBLE, MAX_MARKS

TAB: Final = "    "
# Joiners are kept between letters of scripts that need them. Elsewhere they only hide text.
SCRIPT_JOINERS: Final = re.compile("(?<=[\u0600-\u109f])[\u200c\u200d](?=[\u0600-\u109f])")
# An emoji sequence is shown as its single emoji: terminals disagree about the width of the whole.
EMOJI_JOINERS: Final = re.compile(
    "(?<=[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]?\u200d?|(?<=[0-9#*])\ufe0f(?=\u20e3)"
)
VARIATION_SELECTORS: Final = re.compile("[\ufe00-\ufe0f]")
# Controls, formats, surrogates, private use, unassigned, line and paragraph separators (Unicode, 4.5).
ESCAPED_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
DOTTED_CIRCLE: Final = "\u25cc"  # carries a mark that has no base letter


def escape_text(text: str) -> str:
    """Return text that cannot move the cursor, change colours, reverse letters or hide anything.

    Such characters become their number, ``<U+001B>``. Line ends and the letters of every script stay.
    """
    text = EMOJI_JOINERS.sub("", re.sub("\r\n?", "\n", text).replace("\t", TAB))
    needed = {found.start() for found in SCRIPT_JOINERS.finditer(text) if text[found.end()].isalpha()}
    runs = groupby(enumerate(text), key=lambda placed: (placed[1], placed[0] in needed))
    shown = "".join(_escape_run(character, len([*run]), is_needed) for (character, is_needed), run in runs)
    return unicodedata.normalize("NFC", "".join(_limit_marks(shown)))


def escape_line(text: str) -> str:
    """Escape text and join its lines to one."""
    return " ".join(escape_text(text).split())


def _escape_run(character: str, number: int, is_needed: bool) -> str:  # noqa: FBT001 -- has only one caller
    """Escape a run of one repeated character."""
    if character == "\n" or is_needed:
        return character * number
    if must_escape(character):
        return f"<U+{ord(character):04X}>" if number == 1 else f"<U+{ord(character):04X} ×{number:,}>"
    return (" " if unicodedata.category(character) == "Zs" else character) * number


def must_escape(character: str) -> bool:
    """Return whether a character could control the terminal or hide text."""
    if character.isascii():
        return not character.isprintable()
    if unicodedata.category(character) in ESCAPED_CATEGORIES:
        return True
    return INVISIBLE.match(character) is not None or VARIATION_SELECTORS.match(character) is not None


def _limit_marks(text: str) -> Iterator[str]:
    """Limit the marks on a letter to what languages need, and keep marks off our own text."""
    before = "\n"
    for combining, run in groupby(text, key=lambda character: unicodedata.category(character) in COMBINING_CATEGORIES):
        characters = "".join(run)
        if combining:
            yield DOTTED_CIRCLE if before in "\n >" else ""
            yield characters[:MAX_MARKS]
            yield f"<{len(characters) - MAX_MARKS:,} more marks>" if len(characters) > MAX_MARKS else ""
        else:
            yield characters
        before = characters[-1]


def escape_as_json(character: str) -> str:
    r"""Return the JSON escape of a character, ``\u001b``."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
