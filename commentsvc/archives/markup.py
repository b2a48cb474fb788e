"""Convert the texts of archives to Markdown, such that readers see what they saw before.

Each text is converted in up to four ways, from the richest to the plainest. The first one is taken whose HTML shows
exactly the words of the original, so no word is lost.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from commentsvc.archives.html_tree import Node, read_html
from commentsvc.archives.markdown_escapes import EMPTY_LINES, escape_all, escape_lines
from commentsvc.archives.markdown_writer import TreeWriter, read_seen
from commentsvc.archives.mixed_markup import render_mixed
from commentsvc.archives.records import Markup
from commentsvc.domain import markdown
from commentsvc.domain.markdown_source import ILLEGAL
from commentsvc.domain.text import INVISIBLE, has_visible_text
from commentsvc.domain.visible_text import is_blank, plain_text

# Paragraphs of lines that have no meaning in Markdown.
_LINE: Final = r"(?!\d{1,9}[.)](?:\s|$))[^\W_](?:[^\W_]|[ ,.;:?!'\"()%$/@=+-])*"
_LITERAL: Final = re.compile(rf"{_LINE}(?:\n\n?{_LINE})*")
# Pictures as data: kilobytes that nobody can read.
_DATA: Final = r"data:image/[\w.+-]{1,40}(?:;[\w=.-]{1,40}){0,4};base64,[\w+/=%-]*+"
_PICTURE: Final = re.compile(rf"!\[([^\[\]\n]{{0,500}})\]\(<?{_DATA}>?[^()\n]{{0,500}}\)|{_DATA}")
_LINE_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def drop_pictures(text: str) -> str:
    """Return a text without pictures that are in it as data; of those in Markdown, the description stays."""
    return _PICTURE.sub(lambda found: found[1] or "", text) if ";base64," in text else text


def convert(text: str, markup: Markup) -> tuple[str, str]:
    """Return a text as Markdown and as HTML, both empty if readers would see nothing."""
    text = _LINE_BREAKS.sub("\n", text)
    if markup is Markup.MIXED:
        return _convert_mixed(ILLEGAL.sub("", text))
    if markup is not Markup.MARKDOWN and _is_literal(lines := _clean_lines(text, markup)):
        return lines, _render_literal(lines)  # most comments
    text = ILLEGAL.sub("", text).strip("\n")
    if markup is Markup.MARKDOWN:
        rendered = markdown.render(text)
        return ("", "") if is_blank(rendered) else (text, rendered)
    if markup is Markup.PLAIN or ("<" not in text and "&" not in text):
        lines = text if markup is not Markup.HTML else " ".join(text.split())
        ways: Sequence[Callable[[], str]] = (lambda: escape_lines(lines), lambda: escape_all(lines))
        return _first_faithful(lines, ways)
    return _convert_tree(read_html(text, breaks_lines=markup is Markup.WORDPRESS))


def _convert_mixed(text: str) -> tuple[str, str]:
    rendered = render_mixed(text)
    return convert(text, Markup.MARKDOWN) if rendered is None else _convert_tree(read_html(rendered))


def _convert_tree(tree: Node) -> tuple[str, str]:
    return _first_faithful(
        read_seen(tree),
        (
            lambda: "\n\n".join(TreeWriter().blocks(tree.children)),
            lambda: "\n\n".join(TreeWriter(has_marks=False).blocks(tree.children)),
            lambda: "\n\n".join(TreeWriter(is_plain=True).blocks(tree.children)),
            lambda: escape_all("\n\n".join(TreeWriter(is_plain=True, escapes=False).blocks(tree.children))),
        ),
    )


def _first_faithful(seen: str, ways: Sequence[Callable[[], str]]) -> tuple[str, str]:
    words = _squeeze(seen)
    if not has_visible_text(words):
        return "", ""
    for way in ways:
        text = way()
        rendered = markdown.render(text)
        if _squeeze(plain_text(rendered)) == words:
            break
    return text, rendered


def _clean_lines(text: str, markup: Markup) -> str:
    if markup is Markup.HTML:
        return " ".join(text.split())
    return EMPTY_LINES.sub("\n\n", "\n".join([" ".join(line.split()) for line in text.split("\n")])).strip("\n")


def _is_literal(lines: str) -> bool:
    return "://" not in lines and _LITERAL.fullmatch(lines) is not None and "www." not in lines.lower()


def _render_literal(text: str) -> str:
    """Return the HTML of a text without any marks, as ``markdown.render`` does in ten times as long."""
    paragraphs = (paragraph.replace("\n", "<br>\n") for paragraph in text.split("\n\n"))
    return "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)


def _squeeze(text: str) -> str:
    return "".join(INVISIBLE.sub("", text).split())
