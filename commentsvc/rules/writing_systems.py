"""Scripts that people write in, told by letters' names; the standard library knows no more of them."""

import re
import unicodedata
from functools import cache
from typing import Final

SCRIPTS: Final = frozenset(
    re.findall(
        r"\w+",
        "LATIN CYRILLIC GREEK ARMENIAN HEBREW ARABIC DEVANAGARI BENGALI GURMUKHI GUJARATI ORIYA TAMIL TELUGU KANNADA "
        "MALAYALAM SINHALA THAI LAO TIBETAN MYANMAR GEORGIAN HANGUL ETHIOPIC KHMER MONGOLIAN HIRAGANA KATAKANA CJK",
    )
)
# Languages that are not written in Latin letters, or not in them alone (CLDR, likely subtags).
LANGUAGES: Final = {
    "am": "ETHIOPIC", "ar": "ARABIC", "be": "CYRILLIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK",
    "fa": "ARABIC", "gu": "GUJARATI", "he": "HEBREW", "hi": "DEVANAGARI", "hy": "ARMENIAN",
    "ja": "CJK HIRAGANA KATAKANA", "ka": "GEORGIAN", "kk": "CYRILLIC", "km": "KHMER", "kn": "KANNADA",
    "ko": "HANGUL CJK", "lo": "LAO", "mk": "CYRILLIC", "ml": "MALAYALAM", "mn": "CYRILLIC MONGOLIAN",
    "mr": "DEVANAGARI", "my": "MYANMAR", "ne": "DEVANAGARI", "pa": "GURMUKHI ARABIC", "ps": "ARABIC",
    "ru": "CYRILLIC", "si": "SINHALA", "sr": "CYRILLIC LATIN", "ta": "TAMIL", "te": "TELUGU", "th": "THAI",
    "uk": "CYRILLIC", "ur": "ARABIC", "yi": "HEBREW", "zh": "CJK",
}  # fmt: skip


def parse_scripts(name: str) -> set[str]:
    """The scripts that a language or a script's own name stands for.

    Raises:
        ValueError: it is the name of neither.
    """
    if name.upper() in SCRIPTS:
        return {name.upper()}
    if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", name):
        return set(LANGUAGES.get(name.partition("-")[0], "LATIN").split())
    raise ValueError


@cache
def script_of(letter: str) -> str:
    """The first word of a letter's name is its script (Unicode, 4.8: names are stable)."""
    return unicodedata.name(letter, "unknown").partition(" ")[0].partition("-")[0].upper()
