"""Escape text, so that it has no meaning in Markdown."""

import re
from typing import Final

from commentsvc.domain.links import BARE_LINK, find_end

_LINK: Final = re.compile(BARE_LINK, re.IGNORECASE)
_SPECIAL: Final = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)|[*`\[|]|(?<![^\W_])_|_(?![^\W_])|<(?=[a-z/!?])|&(?=#?\w+;)|~(?=~)|(?<=~)~|!(?=$)",
    re.IGNORECASE | re.MULTILINE,
)
_LINE_START: Final = re.compile(r"^(#{1,6}(?=\s|$)|>|[-+](?=[-+\s]|$)|=(?==|\s*$)|\d{1,9}(?=[.)](?:\s|$)))")
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
EMPTY_LINES: Final = re.compile("\n{3,}")


def escape_all(text: str) -> str:
    """Return a text in which no character has a meaning in Markdown."""
    return "\n".join(_PUNCTUATION.sub(r"\\\1", line.strip()) for line in text.split("\n"))


def escape_lines(text: str) -> str:
    """Return a text with the same lines, in which only bare links have a meaning."""
    lines = (escape_start(escape(" ".join(line.split()))) for line in text.split("\n"))
    return EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def escape_start(line: str) -> str:
    """Return a line that begins no list, title or quotation."""
    found = _LINE_START.match(line)
    if found is None:
        return line
    return f"{line[: found.end()]}\\{line[found.end() :]}" if found[1][0].isdigit() else f"\\{line}"


def escape(text: str) -> str:
    """Return a text in which nothing has a meaning in Markdown but bare links."""
    parts, end = [], 0
    while found := _LINK.search(text, end):
        parts.append(_SPECIAL.sub(r"\\\g<0>", text[end : found.start()]))
        end = max(find_end(text, found.start()), found.end())
        parts.append(text[found.start() : end])
    parts.append(_SPECIAL.sub(r"\\\g<0>", text[end:]))
    return "".join(parts)
