"""Write the tree of an HTML text as Markdown."""

import html
import re
from collections.abc import Callable, Sequence
from typing import Final

from commentsvc.archives.html_tree import PARAGRAPH_END, Child, Node
from commentsvc.archives.markdown_escapes import escape, escape_lines, escape_start
from commentsvc.domain.links import link_target

_BACKTICKS: Final = re.compile("`+")
_MARKS: Final = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~", "s": "~~", "strike": "~~"}
_CODE: Final = frozenset({"code", "kbd", "samp", "tt", "var"})
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_EMBEDDED: Final = frozenset({"iframe", "video", "audio", "embed", "source"})


class TreeWriter:
    """Writes a tree as Markdown. ``is_plain``: without links and blocks of their own either, only text."""

    def __init__(self, *, has_marks: bool = True, is_plain: bool = False, escapes: bool = True) -> None:
        self._has_marks = has_marks and not is_plain
        self._is_plain = is_plain
        self._escapes = escapes

    def blocks(self, children: Sequence[Child]) -> list[str]:
        """Return the blocks of these nodes, none of them blank."""
        blocks: list[str] = []
        line: list[str] = []

        def end_paragraph() -> None:
            blocks.append(self._paragraph("".join(line)))
            line.clear()

        for child in children:
            if isinstance(child, str):
                line.append(self._text(child))
            elif child.tag == PARAGRAPH_END:
                end_paragraph()
            elif child.has_block or child.tag in _BLOCK_WRITERS:
                end_paragraph()
                blocks += _BLOCK_WRITERS.get(child.tag, TreeWriter.write_container)(self, child)
            elif self._is_code_block(child):
                end_paragraph()
                blocks += self.write_preformatted(child)
            else:
                line.append(self._inline(child))
        end_paragraph()
        return [block for block in blocks if block.strip()]

    def _is_code_block(self, node: Node) -> bool:
        return node.tag in _CODE and self._has_marks and "\n" in _plain(node).strip()

    def _paragraph(self, text: str) -> str:
        lines = [" ".join(line.split()) for line in text.strip().split("\n")]
        lines = [line for line in lines if line]
        return "\n".join(map(escape_start, lines) if self._escapes else lines)

    def _text(self, text: str) -> str:
        text = " ".join(re.split(r"\s+", text))
        return escape(text) if self._escapes else text

    def _inside(self, node: Node) -> str:
        return "".join(self._text(one) if isinstance(one, str) else self._inline(one) for one in node.children)

    def _inline(self, node: Node) -> str:
        tag = node.tag
        if tag in {"br", PARAGRAPH_END}:
            return "\n"
        if tag == "img":
            return self._image(node)
        if tag in _EMBEDDED and (source := node.attributes.get("src")):
            return f" {self._text(source)} {self._inside(node)}"
        return self._marked(node)

    def _marked(self, node: Node) -> str:
        tag = node.tag
        if tag in _CODE and self._has_marks:
            return _code_span(_plain(node))
        inside = f"“{self._inside(node)}”" if tag == "q" else self._inside(node)
        if self._is_plain or not inside.strip():
            return inside
        if tag == "a":
            return self._link(node, inside)
        return _mark(inside, _MARKS[tag]) if tag in _MARKS and self._has_marks else inside

    def _link(self, node: Node, inside: str) -> str:
        written = node.attributes.get("href", "")
        target = link_target(written)
        if target is None or re.search(r"[<>\s\\]", written) or written.strip() == html.unescape(_plain(node)).strip():
            return inside
        return _around(inside, "[", f"](<{written}>)")

    def _image(self, node: Node) -> str:
        shown = node.attributes.get("alt") or node.attributes.get("src", "")
        if not self._is_plain and link_target(node.attributes.get("src", "")):
            source = node.attributes["src"]
            if not re.search(r"[<>\s\\]", source):
                return f"[{escape(' '.join(shown.split()))}](<{source}>)"
        return f" {self._text(shown)} "

    def write_container(self, node: Node) -> list[str]:
        """Return the blocks in an element that has no sign in Markdown."""
        return self.blocks(node.children)

    def write_quote(self, node: Node) -> list[str]:
        """Return a quotation."""
        blocks = self.blocks(node.children)
        if self._is_plain:
            return blocks
        return ["\n".join(f"> {line}".rstrip() for line in "\n\n".join(blocks).split("\n"))] if blocks else []

    def write_preformatted(self, node: Node) -> list[str]:
        """Return code between fences."""
        text = _plain(node).strip("\n")
        if self._is_plain:
            return [escape_lines(text) if self._escapes else text]
        fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
        return [f"{fence}\n{text}\n{fence}"] if text.strip() else []

    def write_list(self, node: Node) -> list[str]:
        """Return a list."""
        items: list[str] = []
        for child in node.children:
            blocks = self.blocks(child.children if isinstance(child, Node) and child.tag == "li" else [child])
            if not blocks:
                continue
            sign = "" if self._is_plain else "- " if node.tag == "ul" else f"{len(items) + 1}. "
            lines = ("\n" if len(blocks) == 1 else "\n\n").join(blocks).split("\n")
            items.append("\n".join([sign + lines[0], *(f"{' ' * len(sign)}{line}".rstrip() for line in lines[1:])]))
        return items if self._is_plain else ["\n".join(items)]

    def write_heading(self, node: Node) -> list[str]:
        """Return a heading, which readers see as bold text."""
        text = " ".join(" ".join(self.blocks(node.children)).split())
        return [text if self._is_plain or not text else f"### {text}"]

    def write_rule(self, _node: Node) -> list[str]:
        """Return a line between blocks."""
        return [] if self._is_plain else ["---"]

    def write_row(self, node: Node) -> list[str]:
        """Return a row of a table as a line."""
        cells = [self.blocks([child]) for child in node.children]
        return [" ".join(" ".join(cell) for cell in cells if cell)]


_BLOCK_WRITERS: Final[dict[str, Callable[[TreeWriter, Node], list[str]]]] = {
    "blockquote": TreeWriter.write_quote,
    "pre": TreeWriter.write_preformatted,
    "ul": TreeWriter.write_list,
    "ol": TreeWriter.write_list,
    "hr": TreeWriter.write_rule,
    "tr": TreeWriter.write_row,
    **dict.fromkeys(_HEADINGS, TreeWriter.write_heading),
    **dict.fromkeys(
        [
            "address",
            "article",
            "aside",
            "center",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "header",
            "li",
            "main",
            "nav",
            "p",
            "section",
            "summary",
            "table",
            "tbody",
            "td",
            "tfoot",
            "th",
            "thead",
        ],
        TreeWriter.write_container,
    ),
}


def read_seen(node: Node) -> str:
    """Return the characters of a tree that readers see, in their order. White space says nothing."""
    parts = []
    for child in node.children:
        if isinstance(child, str):
            parts.append(child)
        elif child.tag == "img":
            parts.append(child.attributes.get("alt") or child.attributes.get("src", ""))
        elif child.tag == "q":
            parts.append(f"“{read_seen(child)}”")
        elif child.tag in _EMBEDDED:
            parts += [child.attributes.get("src", ""), read_seen(child)]
        else:
            parts.append(read_seen(child))
    return "".join(parts)


def _plain(node: Node) -> str:
    """Return the text of a node as it is, with line breaks."""
    parts = []
    for child in node.children:
        if isinstance(child, str):
            parts.append(child)
        elif child.tag in {"br", PARAGRAPH_END}:
            parts.append("\n")
        else:
            parts.append(_plain(child))
    return "".join(parts)


def _around(inside: str, before: str, after: str) -> str:
    # Marks do not count beside white space, so it stays outside.
    text = inside.strip()
    start = inside[: len(inside) - len(inside.lstrip())]
    return f"{start}{before}{text}{after}{inside[len(inside.rstrip()) :]}" if text else inside


def _mark(inside: str, mark: str) -> str:
    return _around(inside, mark, mark)


def _code_span(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
    edge = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{edge}{text}{edge}{fence}"
