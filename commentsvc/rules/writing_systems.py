"""Find the script of a letter by its Unicode name; the standard library has no script property."""

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
# Languages that use other scripts than Latin, or more than one (CLDR, likely subtags).
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
    """Return the scripts of a language code, or the script with this name.

    Raises:
        ValueError: The name is neither.
    """
    if name.upper() in SCRIPTS:
        return {name.upper()}
    if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", name):
        return set(LANGUAGES.get(name.partition("-")[0], "LATIN").split())
    raise ValueError


@cache
def script_of(letter: str) -> str:
    """Return a letter's script: the first word of its name (Unicode Standard, 4.8: names never change)."""
    return unicodedata.name(letter, "unknown").partition(" ")[0].partition("-")[0].upper()


def script_name(script: str) -> str:
    """Return a script's name in the case in which people read it."""
    return script if script == "CJK" else script.title()
