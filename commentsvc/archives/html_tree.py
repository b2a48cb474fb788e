"""Read the HTML of comments into a tree. Nothing is refused: the result is about what a browser makes of it."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

# The alternatives exclude each other, so the time is linear in the length of the text.
_TOKEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<!(?:[a-z][^<>]*)?>|<\?[^<>]*>"
    r"|<(?P<close>/?)(?P<tag>[a-z][a-z0-9:-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>"
    r"|(?P<text>[^<]+|<)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(r"""([a-z][\w:-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""", re.IGNORECASE)
_UNSEEN: Final = re.compile(r"<(script|style|template)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_EMPTY_LINE: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
MAX_DEPTH: Final = 16  # of elements in elements; deeper ones are read as if they were not there
VOID: Final = frozenset({"br", "hr", "img", "input", "col", "wbr", "source", "embed", "param", "area", "link", "meta"})
# fmt: off
CONTAINERS: Final = frozenset({
    "address", "article", "aside", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "header", "li", "main", "nav", "p", "section", "summary", "table", "tbody", "td", "tfoot", "th",
    "thead",
})
# fmt: on
BLOCKS: Final = CONTAINERS | {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "pre", "tr", "ul"}
PARAGRAPH_END: Final = "#end"  # the tag of a node that ends a paragraph, such as an empty line
# Elements that an opening tag ends, since their closing tags may be left out.
_ENDS: Final = {
    "p": {"p"},
    "li": {"p", "li"},
    "dt": {"p", "dt", "dd"},
    "dd": {"p", "dt", "dd"},
    "tr": {"td", "th", "tr"},
    "td": {"td", "th"},
    "th": {"td", "th"},
} | {tag: {"p"} for tag in BLOCKS - {"p", "li", "dt", "dd", "tr", "td", "th"}}
_SCOPES: Final = frozenset({"ul", "ol", "dl", "table", "blockquote", "div"})  # which no opening tag ends


@dataclass
class Node:
    """An element with its children: texts and elements."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: "list[Child]" = field(default_factory=list)
    has_block: bool = False  # somewhere below it


Child: TypeAlias = Node | str


def read_html(text: str, *, breaks_lines: bool = False) -> Node:
    """Return the tree of a text. ``breaks_lines``: a line break is a <br>, and an empty line ends a paragraph."""
    reader = _Reader(breaks_lines=breaks_lines)
    for found in _TOKEN.finditer(_UNSEEN.sub("", text)):
        if found["text"]:
            reader.add_text(html.unescape(found["text"]))
        elif found["tag"]:
            reader.add_tag(found["tag"].lower(), found["attributes"], closes=bool(found["close"]))
    return reader.root


class _Reader:
    def __init__(self, *, breaks_lines: bool) -> None:
        self.root = Node("")
        self._open = [self.root]
        self._ignored: list[str] = []  # open elements that are too deep
        self._breaks_lines = breaks_lines

    def add_text(self, text: str) -> None:
        children = self._open[-1].children
        if not self._breaks_lines or any(node.tag == "pre" for node in self._open):
            children.append(text)
            return
        for number, paragraph in enumerate(_EMPTY_LINE.split(text)):
            if number:
                children.append(Node(PARAGRAPH_END))
            for place, line in enumerate(paragraph.split("\n")):
                children += [Node("br"), line] if place else [line]

    def add_tag(self, tag: str, attributes: str, *, closes: bool) -> None:
        if closes:
            self._close(tag)
            return
        self._end_open(tag)
        if tag not in VOID and len(self._open) > MAX_DEPTH:
            self._ignored.append(tag)
            return
        node = Node(tag, dict(_attributes(attributes)))
        if tag in BLOCKS:
            for above in self._open:
                above.has_block = True
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def _end_open(self, tag: str) -> None:
        ended = _ENDS.get(tag, set())
        while len(self._open) > 1 and self._open[-1].tag in ended and self._open[-1].tag not in _SCOPES:
            self._open.pop()

    def _close(self, tag: str) -> None:
        if self._ignored and self._ignored[-1] == tag:
            self._ignored.pop()
            return
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return
        if tag in {"p", "br"}:
            self._open[-1].children.append(Node(PARAGRAPH_END if tag == "p" else "br"))


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for name, *values in _ATTRIBUTE.findall(text):
        yield name.lower(), html.unescape("".join(values)).strip()
