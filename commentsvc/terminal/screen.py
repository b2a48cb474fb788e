"""A person at a terminal: what they sit at, and how words of strangers are shown there without doing anything."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Protocol

import msgspec

from commentsvc.fields import MARKS_KEPT, TRICKS


class Keys(Protocol):
    """Where keys come from."""

    async def next(self) -> str:
        """The next key pressed, or "" at the end of them. What is no single character is no key of ours."""

    def forget(self) -> None:
        """Let what was pressed so far count for nothing: it was not meant for what comes now."""


@dataclass(frozen=True)
class Terminal:
    """Somebody's terminal, or the pipes and files in its place."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    lines: Callable[[], Iterable[str]]  # of the standard input
    keys: Callable[[], AbstractAsyncContextManager[Keys]]
    columns: Callable[[], int]
    colour: bool = False

    def paint(self, text: str, style: str) -> str:
        """A text in a style (ECMA-48, 8.3.117), where colours are wanted."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text


@dataclass(frozen=True)
class Answer:
    """What came of a command: for programs the API's own shape, for people a text, and what could not be done."""

    shape: Any
    text: str
    refused: str = ""


def as_json(shape: Any) -> str:
    """A shape as a line of JSON that means no more to a terminal than its letters."""
    text: str = msgspec.json.encode(shape).decode()
    return "".join(_escaped(character) if _unruly(character) else character for character in text)


BOLD: Final = "1"
DIM: Final = "2"
YELLOW: Final = "33"


# --------------------------------------------------------------------------------- harmless

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
    if _unruly(character):
        return f"<U+{ord(character):04X}>" if number == 1 else f"<U+{ord(character):04X} ×{number:,}>"
    return (" " if unicodedata.category(character) == "Zs" else character) * number


def _unruly(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    if unicodedata.category(character) in SHOWN_BY_NUMBER:
        return True
    return TRICKS.match(character) is not None or SELECTORS.match(character) is not None


def _unpiled(text: str) -> Iterator[str]:
    """No more marks on a letter than languages need, and none on what is not a stranger's."""
    before = "\n"
    for stacked, run in groupby(text, key=lambda character: unicodedata.category(character) in STACKED):
        characters = "".join(run)
        if stacked:
            yield NOTHING_BELOW if before in "\n >" else ""
            yield characters[:MARKS_KEPT]
            yield f"<{len(characters) - MARKS_KEPT:,} more marks>" if len(characters) > MARKS_KEPT else ""
        else:
            yield characters
        before = characters[-1]


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# --------------------------------------------------------------------------------- wrapped


def wrapped(text: str, columns: int) -> list[str]:
    """A harmless text in rows of at most so many columns, broken at spaces where it can be."""
    return [row for line in text.split("\n") for row in _rows(line, columns)]


def _rows(line: str, columns: int) -> list[str]:
    rows, used = [""], 0
    for piece in _pieces(line, columns):
        if used and used + width(piece) > columns:
            rows.append("")
            used = 0
            if piece.isspace():
                continue
        rows[-1] += piece
        used += width(piece)
    return [row.rstrip() for row in rows]


def _pieces(line: str, columns: int) -> Iterator[str]:
    """What is not broken: a word, spaces between words, or one wide character; none is wider than a row."""
    piece = ""
    for cluster in _clusters(line):
        apart = width(cluster) > 1 or cluster.isspace() != piece.isspace() or width(piece) + width(cluster) > columns
        if piece and apart:
            yield piece
            piece = ""
        piece += cluster
        if width(cluster) > 1:
            yield piece
            piece = ""
    if piece:
        yield piece


def _clusters(line: str) -> Iterator[str]:
    """Characters, each with the marks on it."""
    cluster = ""
    for character in line:
        if cluster and width(character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def width(text: str) -> int:
    """How many columns a harmless text takes; wide letters and emoji take two (Unicode, Annex 11)."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in STACKED or character in "\u200c\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
