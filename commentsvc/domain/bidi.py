"""Characters that change the direction of text (UAX #9): keep their effect inside a comment, or show them.

Without this, one such character could turn around what a page, a feed or a moderator reads after it.
"""

import re
from typing import Final

POP_EMBEDDING: Final = "\u202c"
POP_ISOLATE: Final = "\u2069"
# Embeddings and overrides, then isolates, each with the character that ends it. Marks such as U+200E have no range.
_END: Final = dict.fromkeys("\u202a\u202b\u202d\u202e", POP_EMBEDDING) | dict.fromkeys(
    "\u2066\u2067\u2068", POP_ISOLATE
)
CONTROL: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
# A tag with its name, a control, or the end of a line.
_PIECE: Final = re.compile(r'<(/?[a-z0-9]+)(?:[^>"]|"[^"]*")*>|[\u202a-\u202e\u2066-\u2069\n\u2029]')
_BLOCKS: Final = frozenset({"blockquote", "br", "hr", "li", "ol", "p", "pre", "table", "td", "th", "tr", "ul"})


def isolate_controls(html: str) -> str:
    """Return HTML in which each control ends in the line where it begins. Ends without a beginning are removed."""
    return _Isolator(html).text if CONTROL.search(html) else html


def show_controls(text: str) -> str:
    """Return a text with its controls as numbers, ``<U+202E>``, for moderators."""
    return CONTROL.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


class _Isolator:
    def __init__(self, html: str) -> None:
        self._open: list[str] = []  # the ends of the controls that have begun
        self._isolates = 0  # of them
        self.text = _PIECE.sub(self._replace, html) + self._close_all()

    def _replace(self, piece: re.Match[str]) -> str:
        text = piece[0]
        if text.startswith("<"):
            tag = CONTROL.sub("", text)  # also in a title
            return self._close_all() + tag if piece[1].removeprefix("/") in _BLOCKS else tag
        if text in _END:
            self._open.append(_END[text])
            self._isolates += _END[text] == POP_ISOLATE
            return text
        if text == POP_EMBEDDING:
            return self._open.pop() if self._open[-1:] == [POP_EMBEDDING] else ""
        if text == POP_ISOLATE:
            return self._close_isolate()
        return self._close_all() + text

    def _close_isolate(self) -> str:
        if not self._isolates:
            return ""
        while self._open.pop() != POP_ISOLATE:
            pass  # the end of an isolate ends the embeddings in it
        self._isolates -= 1
        return POP_ISOLATE

    def _close_all(self) -> str:
        ends = "".join(reversed(self._open))
        self._open.clear()
        self._isolates = 0
        return ends
