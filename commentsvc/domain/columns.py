"""Text in columns: of a terminal, or of a plain mail."""

import unicodedata
from collections.abc import Iterator
from typing import Final

COMBINING_CATEGORIES: Final = {"Mn", "Me"}


def wrap_text(text: str, columns: int, *, breaks_words: bool = True) -> list[str]:
    """Split escaped text into rows of at most this many columns, at spaces where possible.

    Without ``breaks_words``, the row of a longer word is longer.
    """
    most = columns if breaks_words else None
    return [row for line in text.split("\n") for row in _wrap_line(line, columns, most)]


def _wrap_line(line: str, columns: int, most: int | None) -> list[str]:
    rows, used = [""], 0
    for piece in _split_pieces(line, most):
        if used and used + text_width(piece) > columns:
            rows.append("")
            used = 0
            if piece.isspace():
                continue
        rows[-1] += piece
        used += text_width(piece)
    return [row.rstrip() for row in rows]


def _split_pieces(line: str, most: int | None) -> Iterator[str]:
    """Yield pieces that are not broken: a word, spaces, or one wide character; none is wider than ``most``."""
    piece = ""
    for cluster in split_clusters(line):
        wide = text_width(cluster) > 1
        apart = wide or cluster.isspace() != piece.isspace()
        if piece and (apart or (most is not None and text_width(piece) + text_width(cluster) > most)):
            yield piece
            piece = ""
        piece += cluster
        if wide:
            yield piece
            piece = ""
    if piece:
        yield piece


def split_clusters(line: str) -> Iterator[str]:
    """Yield characters, each with its combining marks."""
    cluster = ""
    for character in line:
        if cluster and text_width(character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def text_width(text: str) -> int:
    """Return how many columns escaped text takes; wide letters and emoji take two (Unicode, Annex 11)."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in COMBINING_CATEGORIES or character in "\u200c\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
