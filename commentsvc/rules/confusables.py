"""How text looks: folded so that what looks alike is equal.

Folding takes away what makes no difference to a reader: letter case, styles (fullwidth, mathematical, circled
letters, small capitals), decoration (struck through, zalgo, Arabic vowel signs) and what is not seen at all. A mark
that makes another letter stays, as in ``ü``. A skeleton goes further, and draws letters of other alphabets as the
Latin ones that they look like.
"""

import re
import unicodedata
from typing import Final

from commentsvc.rules import confusables_data

# Latin letters and signs drawn another way, beyond what NFKC knows: small capitals, and the dashes, dots and
# apostrophes that matter in addresses and short words.
_STYLED: Final = {
    **dict(zip("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", strict=True)),
    "'": "ʹʻʼʽʾʿ‘’‛′‵",
    "-": "‐‒–—⁃−➖",
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


def _lookalikes() -> dict[str, str]:
    """Latin letters by the others that look like them; a Cyrillic ё looks like an ë."""
    table = {drawn: plain for plain, every in confusables_data.LOOKALIKES.items() for drawn in every}
    for letter in map(chr, range(0x400, 0x500)):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if marks and base in table:
            # Where the mark makes no Latin letter it is decoration.
            table[letter] = unicodedata.normalize("NFC", "".join([table[base], *marks]))[0]
    return table


_LOOKALIKES: Final = _lookalikes()

# What nobody sees: controls, zero-width and bidirectional characters, joiners, variation selectors, fillers, tags,
# skin tones; what stretches an Arabic word, and its vowel signs standing alone; and what is read past: units and
# formulas that are one sign, and would become up to eighteen letters.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\u3300-\u33ff\ufc5e-\ufc63\ufcf2-\ufcf4\ufdfa\ufdfb\ufe00-\ufe0f"
    "\ufe70-\ufe7f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U0001f3fb-\U0001f3ff"
    "\U000e0000-\U000e0fff]"
)
_CONTROLS: Final = dict.fromkeys((*range(0x09), *range(0x0E, 0x1C), 0x7F))  # those of ASCII
MARKS: Final = "".join(
    mark
    for mark in map(chr, (*range(0x300, 0x3100), *range(0xA66F, 0xABF0), *range(0xFE20, 0xFE30)))
    if unicodedata.category(mark).startswith("M")
)
# Combining classes (UAX #44) of marks that belong to no letter: overlays, the vowel signs that Hebrew, Arabic and
# Syriac may leave out, and what stands above or below. Indic and Thai vowels are of other classes.
_DECORATING: Final = {1, *range(10, 37), *range(200, 256)}


def _decorates(mark: str) -> bool:
    return unicodedata.combining(mark) in _DECORATING or unicodedata.category(mark) == "Me"


_DECORATION: Final = re.compile(f"[{''.join(filter(_decorates, MARKS))}]")
# What NFKC would take for other marks, letters or white space than people see: halfwidth voicing, accents that stand
# alone, trade marks.
_UNSTABLE: Final = {
    **dict.fromkeys("´΄᾽᾿῾", "'"),
    **dict.fromkeys("¨¯¸˘˙˚˛˜˝ͺ΅῀῁῍῎῏῝῞῟῭‗‾゛゜﹉﹊﹋﹌￣", "^"),
    **dict.fromkeys("™℠", "®"),
    "\uff9e": "\u3099",
    "\uff9f": "\u309a",
}
# Greek capitals are written without accents, so small letters must do without to be their equals.
_GREEK: Final = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_GREEK_ACCENTS: Final = re.compile("(?<=[\u0370-\u03ff])[\u0300-\u0345]+")
_PILE: Final = re.compile(r"[^\w\s\x00-\x7f]{5,}")
_MARKS_KEPT: Final = 4
_AT_A_GLANCE: Final = str.maketrans("i10", "llo")


def skeleton(text: str) -> str:
    """The same for texts that look alike. For comparing, not for reading; white space is single spaces."""
    return drawn(" ".join(folded(text).split()))


def impression(name: str) -> str:
    """The same for names that are taken for one another at a glance.

    Beyond the skeleton: I, l and 1 are one, so are O and 0, rn and m, vv and w; accents, spaces and punctuation are
    overlooked. For names that nobody else may use; two ordinary words are too often one here.
    """
    letters = filter(str.isalnum, unicodedata.normalize("NFD", skeleton(name)))
    return "".join(letters).translate(_AT_A_GLANCE).replace("rn", "m").replace("vv", "w") or skeleton(name)


def drawn(folded_text: str) -> str:
    """The skeleton of a folded text, character for character."""
    return folded_text if folded_text.isascii() else _with(_LOOKALIKES, folded_text)


def folded(text: str) -> str:
    """A text as it is read, each letter in its own alphabet. Lines stay lines."""
    if text.isascii():
        return text.translate(_CONTROLS).lower()
    text = _with(_UNSTABLE, _UNSEEN.sub("", text))
    # Thinned first: putting long piles of marks in order takes quadratic time.
    text = unicodedata.normalize("NFKC", _PILE.sub(_thinned, text)).casefold()
    if _GREEK.search(text):
        text = _GREEK_ACCENTS.sub("", unicodedata.normalize("NFD", text))
    return _with(_STYLES, _DECORATION.sub("", unicodedata.normalize("NFKC", text)))


def is_disguised(text: str) -> bool:
    """Whether plain Latin letters stand beside others that are drawn another way: a wide one, a circled one."""
    if text.isascii():
        return False
    others = {letter for letter in text if not letter.isascii()}
    return any(map(_is_styled, others)) and any(map(str.isalpha, set(text) - others))


def _is_styled(character: str) -> bool:
    plain = folded(character)
    return plain.isascii() and plain.isalnum() and not character.casefold().isascii()


def _with(table: dict[str, str], text: str) -> str:
    """Each character replaced as the table says. Faster than ``translate``, where most are not in it."""
    for character in table.keys() & set(text):
        text = text.replace(character, table[character])
    return text


def _thinned(pile: re.Match[str]) -> str:
    """At most ``_MARKS_KEPT`` combining marks in a row."""
    kept: list[str] = []
    run = 0
    for character in pile[0]:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MARKS_KEPT:
            kept.append(character)
    return "".join(kept)
