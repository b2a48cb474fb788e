"""A person at a terminal: what they sit at, and how words of strangers are shown there without doing anything."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from commentsvc.cli.escape import STACKED, escaped, unruly


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
    return "".join(escaped(character) if unruly(character) else character for character in text)


BOLD: Final = "1"
DIM: Final = "2"
YELLOW: Final = "33"


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
