"""Fold a text, so that texts whose differences readers ignore are equal. Rules, search and duplicates use it.

Folding removes differences of letter case, styles (fullwidth, mathematical and circled letters, small capitals),
typography (curly quotes, long dashes), decoration (strikethrough, zalgo, Arabic vowel signs) and invisible characters.
Marks that make another letter stay, as in ``ü``.
"""

import re
import unicodedata
from typing import Final

from commentsvc.domain.text import limit_marks

# Latin letters and signs drawn another way, beyond what NFKC knows: small capitals, and the dashes, dots,
# quotes and apostrophes that matter in addresses and short words.
_STYLED: Final = {
    **dict(zip("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", strict=True)),
    "'": "ʹʻʼʽʾʿ‘’‚‛′‵‹›",
    '"': "“”„‟″‶«»〝〞〟",
    "-": "‐‒–—―⁃−➖",
    ".": "。",
    "/": "⁄∕╱⟋⧸",
    " ": "⠀",
}
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_STYLES: Final = {
    **{drawn: plain for plain, every in _STYLED.items() for drawn in every},
    **{chr(0x1F150 + at): letter for at, letter in enumerate(_LETTERS)},  # white in a black circle
    **{chr(0x1F170 + at): letter for at, letter in enumerate(_LETTERS)},  # white in a black square
    "ɑ": "a",
    "ɡ": "g",
    "ƒ": "f",
}
# Invisible: controls, zero-width and bidirectional characters, joiners, variation selectors, fillers, tags, skin
# tones, the Arabic tatweel and isolated Arabic vowel signs.
_INVISIBLE: Final = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufc5e-\ufc63\ufcf2-\ufcf4\ufe00-\ufe0f\ufe70-\ufe7f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff"
)
_HIDDEN: Final = re.compile(f"[{_INVISIBLE}]")
# Units and formulas in one character. NFKC turns each into up to eighteen letters, so only the first ones count.
_SEVERAL: Final = "\u3300-\u33ff\ufdfa\ufdfb"
_SEVERAL_IN_ONE: Final = re.compile(f"[{_SEVERAL}]")
_MAX_SEVERAL: Final = 100
_UNSEEN: Final = re.compile(f"[{_INVISIBLE}{_SEVERAL}]")
_CONTROLS: Final = dict.fromkeys((*range(0x09), *range(0x0E, 0x1C), 0x7F))  # in ASCII
MARKS: Final = "".join(
    mark
    for mark in map(chr, (*range(0x300, 0x3100), *range(0xA66F, 0xABF0), *range(0xFE20, 0xFE30)))
    if unicodedata.category(mark).startswith("M")
)
# Combining classes (UAX #44) of marks that are not part of a letter: overlays, the optional vowel signs of Hebrew,
# Arabic and Syriac, and marks above or below. Indic and Thai vowels have other classes.
_DECORATING: Final = {1, *range(10, 37), *range(200, 256)}


def _decorates(mark: str) -> bool:
    return unicodedata.combining(mark) in _DECORATING or unicodedata.category(mark) == "Me"


_DECORATION: Final = re.compile(f"[{''.join(filter(_decorates, MARKS))}]")
# NFKC turns these into something that looks different: halfwidth voicing marks, separate accents, trade marks.
_ACCENT_QUOTES: Final = dict.fromkeys("´΄᾽᾿῾", "'")
_UNSTABLE: Final = {
    **_ACCENT_QUOTES,
    **dict.fromkeys("¨¯¸˘˙˚˛˜˝ͺ΅῀῁῍῎῏῝῞῟῭‗‾゛゜﹉﹊﹋﹌￣", "^"),
    **dict.fromkeys("™℠", "®"),
    "\uff9e": "\u3099",
    "\uff9f": "\u309a",
}
# Greek capitals have no accents, so the accents of small letters are removed too.
_GREEK: Final = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_GREEK_ACCENTS: Final = re.compile("(?<=[\u0370-\u03ff])[\u0300-\u0345]+")
_PILE: Final = re.compile(r"[^\w\s\x00-\x7f]{5,}")


def folded(text: str) -> str:
    """Return a text without the differences that readers ignore. Letters keep their alphabet, and lines stay."""
    if text.isascii():
        return text.translate(_CONTROLS).lower()
    text = _SEVERAL_IN_ONE.sub(_spelled_out, text, count=_MAX_SEVERAL)
    text = replace_characters(_UNSTABLE, _UNSEEN.sub("", text))
    text = _compose(text).casefold()
    if _GREEK.search(text):
        text = _GREEK_ACCENTS.sub("", unicodedata.normalize("NFD", text))
    return replace_characters(_STYLES, _DECORATION.sub("", unicodedata.normalize("NFKC", text)))


def comparable(text: str) -> str:
    """Return a string that is equal for texts that readers take for the same.

    Beyond ``folded``, one character that means several becomes those: ``㎏`` is ``kg``. White space is one space.
    """
    if not text.isascii():
        text = _compose(replace_characters(_ACCENT_QUOTES, _HIDDEN.sub("", text)))
    return " ".join(folded(text).split())


def searchable(text: str) -> str:
    """Return ``comparable`` text for a search, which finds a Turkish dotless i as i: both have the capital I."""
    return comparable(text).replace("ı", "i")


def _compose(text: str) -> str:
    # Limit the marks first: NFKC sorts a run of marks in quadratic time.
    return unicodedata.normalize("NFKC", _PILE.sub(lambda pile: limit_marks(pile[0]), text))


def replace_characters(table: dict[str, str], text: str) -> str:
    """Replace characters by a table. Faster than ``str.translate`` if few characters are in the table."""
    for character in table.keys() & set(text):
        text = text.replace(character, table[character])
    return text


def _spelled_out(character: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", character[0])
