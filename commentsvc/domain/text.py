"""Cleaning and comparing text."""

import re
import unicodedata

from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.messages import translatable


def escape_surrogates(text: str) -> str:
    """Return the text with lone surrogates, which UTF-8 cannot encode, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def require_storable(text: str) -> str:
    """Return the text unchanged.

    Raises:
        InvalidValue: it has a NUL (PostgreSQL cannot store it) or a lone surrogate (UTF-8 cannot encode it).
    """
    if "\x00" in text:
        raise InvalidValue("not_text", translatable("Remove the NUL character from this text."))
    if SURROGATE.search(text):
        raise InvalidValue("not_text", translatable("Remove the incomplete character (lone surrogate) from this text."))
    return text


SURROGATE = re.compile("[\ud800-\udfff]")
# Invisible characters that reorder or hide visible text: bidirectional controls, zero-width characters, soft hyphens,
# tags. The joiners U+200C and U+200D are allowed: Persian and emoji need them.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
JOINERS = "\u200c\u200d"
# Variation selectors: word processors and emoji keyboards leave them behind.
SELECTORS = re.compile("[\ufe00-\ufe0f]")
CONTROL = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
NEXT_LINE = "\x85"  # a line break in text from some mainframes and word processors; the only one in ``CONTROL``
# No language puts more combining marks on one letter. Longer stacks overlap the lines around them ("Zalgo" text).
MAX_MARKS = 4
# Text may be this many times its limit before cleaning. Longer text is rejected without cleaning, which costs time.
MAX_RAW_RATIO = 8
# Unicode classifies it as a symbol, but every font shows it blank.
BRAILLE_BLANK = "\u2800"


def clean_line(text: str, *, lenient: bool = False) -> str:
    """Return the text on one line, in NFC, without invisible characters and stacked marks.

    Line breaks of word processors become spaces. ``lenient`` replaces control characters by spaces.

    Raises:
        InvalidValue: it has control characters, and ``lenient`` is not set.
    """
    text = text.replace(NEXT_LINE, " ")
    if lenient:
        text = CONTROL.sub(" ", text)
    elif CONTROL.search(text):
        raise InvalidValue("not_text", translatable("Remove the control characters from this text."))
    # Limit the marks first: NFC sorts long runs of marks in quadratic time.
    text = unicodedata.normalize("NFC", limit_marks(INVISIBLE.sub("", text)))
    return " ".join(text.split())


def clean_pasted(text: str) -> str:
    """Return an address without the white space around it and the invisible characters that pasting adds."""
    text = SELECTORS.sub("", INVISIBLE.sub("", text)).strip().strip(JOINERS)
    without_joiners = text.translate(dict.fromkeys(map(ord, JOINERS)))
    # Some scripts need joiners between their letters. ASCII does not.
    return (without_joiners if without_joiners.isascii() else text).strip()


def shorten(text: str, most: int) -> str:
    """Return a text of at most this many characters. A longer one ends after a whole word, if it has spaces."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    words = cut.rsplit(None, 1)[0] if not text[most - 1].isspace() and len(cut.split()) > 1 else cut
    return f"{words.rstrip()}…"


def limit_marks(text: str) -> str:
    """Return the text with at most ``MAX_MARKS`` combining marks in a row."""
    if text.isascii():
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


# White space and what readers cannot see. It is matched from the start, so a long text costs nothing.
BLANK = re.compile(rf"(?:[\s{JOINERS}{BRAILLE_BLANK}]|{INVISIBLE.pattern}|{SELECTORS.pattern})*")


def is_empty(text: str) -> bool:
    """Return whether the text is empty, or has only white space and invisible characters."""
    return BLANK.fullmatch(text) is not None


def has_visible_text(text: str) -> bool:
    """Return whether the text has a visible character: a letter, number, punctuation mark or symbol."""
    return any(unicodedata.category(character)[0] in "LNPS" and character != BRAILLE_BLANK for character in text)
