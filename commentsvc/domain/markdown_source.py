"""Prepare the source of a comment for the Markdown renderer, so that readers lose nothing that was typed.

The renderer would drop link definitions that are not used, glue the lines of HTML, strike out text between single
tildes, and end bare links too late. Control characters that no comment may contain keep it from that: they mark places
in the source, bare links, and the targets of definitions. ``markdown`` replaces them in the HTML.
"""

import html
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from commentsvc.domain.links import BARE_LINK, find_end, link_target

# Characters that HTML and XML do not allow (XML 1.0, 2.2), and the two that reverse the order of letters: readers would
# see other words than rules do. The stored source keeps them.
ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ufffe\uffff]")
# Line breaks of word processors (UAX #14, BK and NL).
_LINE_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
SHIELD: Final = "\x82"  # shows nothing; the character after it has no meaning in Markdown
TILDE: Final = "\x86"  # a tilde without a meaning in Markdown
REFERENCE: Final = re.compile("\x80([0-9]{1,6})\x81|\x83([0-9]{1,6})\x84")

_CONTAINERS: Final = r"[ \t]*(?:(?:>|[-+*]|[0-9]{1,9}[.)])[ \t]*)*"
_BLOCK_START: Final = re.compile(rf"({_CONTAINERS})([<\[])")
_TITLE_START: Final = re.compile(rf"({_CONTAINERS})([\"'(])")
_TASK: Final = re.compile(r"\[[ xX]\](?:[ \t]|$)")
_DEFINITION: Final = re.compile(
    r"(\[(?=[^\]]*[^\]\s])(?:[^\[\]\\]|\\.){1,999}\]:[ \t]*)(<[^<>]*>|[^\s<]\S*)"
    r"""((?:[ \t]+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?[ \t]*)"""
)
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_ATTRIBUTE: Final = r"""[ \t]+[a-z_:][\w.:-]*(?:[ \t]*=[ \t]*(?:"[^"\n]*"|'[^'\n]*'|[^\s"'=<>`]+))?"""
_SPECIAL: Final = re.compile(
    rf"(?P<kept><https?://[^\s<>]*>|</?[a-z][a-z0-9-]*(?:{_ATTRIBUTE})*[ \t]*/?>|<!--(?:[^\n<>])*?-->|\\.)"
    rf"|(?P<open><)|(?P<tildes>~+)|(?P<link>{BARE_LINK})",
    re.IGNORECASE,
)


@dataclass
class Source:
    """A comment's source. ``prepare`` makes it ready for the renderer; ``expand`` gives back what was typed."""

    text: str
    links: dict[str, int] = field(default_factory=dict)
    definitions: dict[int, str] = field(default_factory=dict)  # the written target, by line

    def prepare(self, used: Collection[int] | None = None) -> str:
        """Return the source for the renderer, with the definitions in these lines; None means all that are valid."""
        lines = self.text.split("\n")
        prepared: list[str] = []
        after = ""  # the kind of the line before: a definition, a shown definition, or neither
        for number, line in enumerate(lines):
            kind, new = self._prepare_line(number, line, used)
            if after == "definition" and kind != "definition":
                new = _TITLE_START.sub(rf"\1{SHIELD}\2", new, count=1) if _TITLE_START.match(new) else new
            if after == "shown" and kind == "definition":
                prefix = _BLOCK_START.match(line)
                prepared.append(re.sub("[^>]", " ", prefix[1]) if prefix else "")  # else it continues a paragraph
            prepared.append(new)
            after = kind
        return "\n".join(prepared)

    def expand(self, text: str) -> list[tuple[str, bool]]:
        """Return the text in parts as typed, each with whether it is a bare link."""
        by_number = list(self.links)
        parts: list[tuple[str, bool]] = []
        end = 0
        for found in REFERENCE.finditer(text):
            parts.append((text[end : found.start()], False))
            end = found.end()
            if found[1]:
                parts += [(link, True) for link in by_number[int(found[1]) : int(found[1]) + 1]]
            else:
                parts += self.expand(self.definitions.get(int(found[2]), ""))
        parts.append((text[end:], False))
        return parts

    def expand_plain(self, text: str) -> str:
        """Return the text as typed."""
        if not REFERENCE.search(text):
            return text.replace(SHIELD, "").replace(TILDE, "~")
        return "".join(part for part, _ in self.expand(text)).replace(SHIELD, "").replace(TILDE, "~")

    def _prepare_line(self, number: int, line: str, used: Collection[int] | None) -> tuple[str, str]:
        start = _BLOCK_START.match(line)
        if not start:
            return "", line
        begin = start.end(1)
        if _TASK.match(line, begin):
            return "", line
        definition = _DEFINITION.fullmatch(line, begin)
        if definition and (used is None or number in used) and self._is_valid(definition[2]):
            self.definitions[number] = definition[2]
            return "definition", f"{start[1]}{definition[1]}\x83{number}\x84{definition[3]}"
        if definition:
            # A label with a shield in it is another label than that of a definition in use.
            return "shown", f"{start[1]}{SHIELD}[{SHIELD}{line[begin + 1 :]}"
        return "", f"{start[1]}{SHIELD}{line[begin:]}"

    def _is_valid(self, written: str) -> bool:
        return link_target(self.target(written)) is not None

    def target(self, written: str) -> str:
        """Return the target that a definition writes, without escapes."""
        plain = self.expand_plain(written)
        if plain.startswith("<") and plain.endswith(">"):
            plain = plain[1:-1]
        return html.unescape(_ESCAPED.sub(r"\1", plain))


def read_source(text: str) -> Source:
    """Return a comment's text as a source, with references in the place of bare links."""
    source = Source("")
    text = ILLEGAL.sub("", _LINE_BREAKS.sub("\n", text))
    parts: list[str] = []
    end = 0
    while found := _SPECIAL.search(text, end):
        parts.append(text[end : found.start()])
        end = found.end()
        if found["link"]:
            end = find_end(text, found.start())
            link = text[found.start() : end]
            is_link = link_target(html.unescape(link)) is not None
            parts.append(f"\x80{source.links.setdefault(link, len(source.links))}\x81" if is_link else link)
        elif found["open"]:
            parts.append(f"<{SHIELD}")
        else:
            parts.append(TILDE if found[0] == "~" else found[0])
    parts.append(text[end:])
    source.text = "".join(parts)
    return source
