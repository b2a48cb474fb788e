"""Cleaning and comparing text."""

import re
import unicodedata

from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.messages import translatable


def escape_surrogates(text: str) -> str:
    """Text that can be written anywhere: what UTF-8 cannot carry is shown as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def require_storable(text: str) -> str:
    """Refuse what one of the two databases, or UTF-8 itself, cannot keep."""
    if "\x00" in text:
        raise InvalidValue("not_text", translatable("Remove the NUL character from this text."))
    if SURROGATE.search(text):
        raise InvalidValue("not_text", translatable("Remove the incomplete character (lone surrogate) from this text."))
    return text


SURROGATE = re.compile("[\ud800-\udfff]")
# Invisible marks that reorder or hide what a reader sees in a name: bidirectional controls, zero-width
# characters, soft hyphens, tags. The joiners U+200C and U+200D stay: Persian and emoji need them.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
CONTROL = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
# More marks than any language stacks on one letter; a pile of them climbs over its neighbours.
MAX_MARKS = 4
# A text may be so many times its limit before it is made ready; what is longer is not even looked at.
MAX_RAW_RATIO = 8
# Blank in every font, though Unicode calls it a symbol.
BRAILLE_BLANK = "\u2800"


def clean_line(text: str, *, lenient: bool = False) -> str:
    """Text that stands on one line, its tricks and stacked marks taken out.

    Raises:
        Unfit: it holds control characters and is not read leniently.
    """
    if lenient:
        text = CONTROL.sub(" ", text)
    elif CONTROL.search(text):
        raise InvalidValue("not_text", translatable("Remove the control characters from this text."))
    # Thinned first: putting long piles of marks in order takes quadratic time.
    text = unicodedata.normalize("NFC", limit_marks(INVISIBLE.sub("", text)))
    return " ".join(text.split())


def limit_marks(text: str) -> str:
    """At most ``MARKS_KEPT`` combining marks in a row."""
    if text.isascii():
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def has_visible_text(text: str) -> bool:
    """Whether anything would show: a letter, digit, sign or symbol, not only spaces and marks."""
    return any(unicodedata.category(character)[0] in "LNPS" and character != BRAILLE_BLANK for character in text)


def collapse_whitespace(text: str) -> str:
    """The same for texts that differ only in white space."""
    return " ".join(text.split())
