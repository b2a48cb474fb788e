"""The features of a comment that made a learned filter score it high: as a text to store, and in words.

A reason stores them as a text, one a line: the kind of a feature, a space, and its value.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Final

from commentsvc.domain.messages import FormattedMessage, Message, translatable, translatable_format

MAX_VALUE: Final = 60  # characters
# By kind: see ``spam/features.py``. Some have a sentence for each value.
TEMPLATES: Final[dict[str, str | dict[str, str]]] = {
    "word": translatable("“%(value)s”"),
    "words": translatable("“%(value)s”"),
    "length": {
        "0": translatable("text without words"),
        "1": translatable("text of one word"),
        "2": translatable("text of 2 or 3 words"),
        "3": translatable("text of 4 to 7 words"),
        "4": translatable("text of 8 to 15 words"),
        "5": translatable("text of 16 to 31 words"),
        "6": translatable("text of 32 to 63 words"),
        "7": translatable("text of 64 to 127 words"),
        "8": translatable("text of 128 words or more"),
    },
    "capitals": {
        "0": translatable("no capital letters"),
        "1": translatable("few capital letters"),
        "2": translatable("many capital letters"),
        "3": translatable("mostly capital letters"),
    },
    "digits": {
        "0": translatable("no digits in the text"),
        "1": translatable("few digits in the text"),
        "2": translatable("many digits in the text"),
        "3": translatable("very many digits in the text"),
    },
    "script": translatable("mostly in %(value)s script"),
    "emoji": {
        "1": translatable("one emoji"),
        "2": translatable("2 or 3 emoji"),
        "3": translatable("4 emoji or more"),
    },
    "disguised": translatable("look-alike letters"),
    "code": translatable("contains code"),
    "name_word": translatable("name with “%(value)s”"),
    "name_words": {
        "0": translatable("name without words"),
        "1": translatable("name with one word"),
        "2": translatable("name with 2 words"),
        "3": translatable("name with 3 words"),
        "4": translatable("name with 4 words"),
        "5": translatable("name with 5 words or more"),
    },
    "name_digit": translatable("name with a number"),
    "website": translatable("website %(value)s"),
    "website_is": {
        "none": translatable("no website"),
        "home": translatable("website address without a path"),
        "page": translatable("website address with a path"),
    },
    "path_word": translatable("website address with “%(value)s”"),
    "link": translatable("link to %(value)s"),
    "links": {
        "0": translatable("no link"),
        "1": translatable("one link"),
        "2": translatable("2 links"),
        "3": translatable("3 links"),
        "4": translatable("4 links or more"),
    },
    "words_a_link": {
        "0": translatable("more links than words"),
        "1": translatable("one link for each word"),
        "2": translatable("one link in 2 or 3 words"),
        "3": translatable("one link in 4 to 7 words"),
        "4": translatable("one link in 8 to 15 words"),
        "5": translatable("one link in 16 to 31 words"),
        "6": translatable("one link in 32 to 63 words"),
        "7": translatable("one link in 64 to 127 words"),
        "8": translatable("one link in 128 words or more"),
    },
    "thread_age": {
        "day": translatable("thread less than a day old"),
        "week": translatable("thread less than a week old"),
        "month": translatable("thread less than a month old"),
        "year": translatable("thread less than a year old"),
        "older": translatable("thread more than a year old"),
    },
}
NONE: Final = translatable("many weak signs")


def write_features(features: Iterable[tuple[str, str]]) -> str:
    """Return features, each a kind and a value, as the text that a reason stores."""
    return "\n".join(f"{kind} {_shorten(value)}" for kind, value in features)


def word_features(text: str) -> Message:
    """Return stored features in words, to translate."""
    found = [_word_feature(*line.partition(" ")[::2]) for line in text.splitlines()]
    if not found:
        return NONE
    return reduce(lambda first, rest: translatable_format("%(first)s, %(rest)s", first=first, rest=rest), found)


def _word_feature(kind: str, value: str) -> Message:
    """Return one feature in words. A kind of another version of the service is shown as it is stored."""
    template = TEMPLATES.get(kind)
    if isinstance(template, dict):
        template = template.get(value)
    if template is None:
        return f"{kind} {value}".strip()
    return FormattedMessage(template, {"value": value if value == "CJK" or kind != "script" else value.title()})


def _shorten(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= MAX_VALUE else f"{line[:MAX_VALUE]}…"
