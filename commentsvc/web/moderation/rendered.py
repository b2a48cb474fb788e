"""A comment as readers will see it, for moderators: no link can be clicked, and each shows where it leads.

The page is built again from the tags below, without their attributes, so it is safe whatever is stored.
"""

import html
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

from markupsafe import Markup, escape

from commentsvc.domain.bidi import show_controls
from commentsvc.domain.urls import normalise_host

BLOCKS: Final = frozenset(
    {"blockquote", "br", "hr", "li", "ol", "p", "pre", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
INLINE: Final = frozenset({"code", "del", "em", "strong"})
VOID: Final = frozenset({"br", "hr"})
PIECE: Final = re.compile(r'<(/?)([a-z0-9]+)((?:[^>"]|"[^"]*")*)>|([^<]+)')
ATTRIBUTE: Final = re.compile(r' ([a-z-]+)(?:="([^"]*)")?')
MAX_PATH: Final = 40  # characters of a path that are shown after its host; the source has all
# Characters in a line of a card, and lines that are shown at once: the stylesheet clamps at these.
PHONE: Final = (38, 6)
DESK: Final = (80, 12)


@dataclass
class _Page:
    """The HTML that is shown, and its text."""

    shown: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    link: tuple[int, str] | None = None  # where the open link begins, and its target
    is_plain: bool = True  # paragraphs and line breaks only
    is_complete: bool = True  # the source says nothing more than what is shown


@dataclass(frozen=True)
class Rendered:
    """A comment's HTML for moderators, and what its card needs to know about it."""

    html: Markup
    text: str
    is_plain: bool
    is_complete: bool

    def exceeds(self, width: int, lines: int) -> bool:
        """Return whether the text has more lines than this, at so many characters a line, by about one line."""
        return sum(max(1, -(-len(line) // width)) for line in self.text.split("\n")) > lines + 1

    def hides(self, source: str) -> bool:
        """Return whether the source says more than the text, or something else."""
        return not self.is_complete or (self.is_plain and self.text.split() != show_controls(source).split())

    @property
    def length_class(self) -> str:
        """Return the class that clamps the text: on any screen, on phones, or not at all."""
        return "long" if self.exceeds(*DESK) else "long-on-phones" if self.exceeds(*PHONE) else ""


@lru_cache(maxsize=512)
def show_html(source: str) -> Rendered:
    """Return the HTML of a comment as moderators see it."""
    page = _Page()
    for closing, tag, attributes, text in PIECE.findall(source):
        if text:
            plain = show_controls(html.unescape(text))
            page.text.append(plain)
            page.shown.append(str(escape(plain)))
        else:
            _add_tag(page, tag, attributes, closing=bool(closing))
    page.shown += [f"</{tag}>" for tag in reversed(page.open)]
    lines = "\n".join(filter(None, map(str.strip, "".join(page.text).split("\n"))))
    return Rendered(Markup("".join(page.shown)), lines, page.is_plain, page.is_complete)  # noqa: S704 -- see above


def _add_tag(page: _Page, tag: str, attributes: str, *, closing: bool) -> None:
    if tag in BLOCKS and page.text:
        page.text.append("\n")
    page.is_plain &= tag in {"p", "br"}
    page.is_complete &= tag in INLINE | {"a", "br", "p"} and " title=" not in attributes
    if tag == "a":
        _close_link(page) if closing else _open_link(page, attributes)
    elif tag == "input":  # of a task list
        page.shown.append("☑ " if " checked" in attributes else "☐ ")
    elif tag not in BLOCKS | INLINE:
        return
    elif not closing:
        start = re.search(r' start="(\d{1,9})"', attributes) if tag == "ol" else None
        page.shown.append(f'<{tag} start="{start[1]}">' if start else f"<{tag}>")
        page.open += [] if tag in VOID else [tag]
    elif page.open[-1:] == [tag]:
        page.open.pop()
        page.shown.append(f"</{tag}>")


def _open_link(page: _Page, attributes: str) -> None:
    target = next((value for name, value in ATTRIBUTE.findall(attributes) if name == "href"), "")
    page.link = len(page.shown), html.unescape(target)
    page.shown.append("")
    page.text.append("")


def _close_link(page: _Page) -> None:
    """Underline the words of a link, and write after them where it leads."""
    if page.link is None:
        return
    begin, target = page.link
    page.link = None
    words = Markup("".join(page.shown[begin + 1 :])).striptags()  # noqa: S704 -- only compared
    is_plain = words in {target, target.partition("://")[2], target.removeprefix("mailto:")}
    if is_plain and target.isascii() and "@" not in target.partition("://")[2].partition("/")[0]:
        page.shown[begin] = "<mark>"
        page.shown.append("</mark>")
        return
    page.shown[begin] = "<u>"
    described = describe_target(target)
    page.is_complete &= not described.endswith("…")
    page.shown.append(f'</u> <mark dir="ltr">{escape(show_controls(described))}</mark>')


def describe_target(target: str) -> str:
    """Return the real host of an address, with the beginning of its path: ``shop.example/3x``."""
    if target.startswith("mailto:"):
        return target.removeprefix("mailto:")
    try:
        parts = urlsplit(target)
        host = unquote(parts.hostname or "")
        real = host if host.isascii() else f"{normalise_host(host)} ({host})"
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return target
    rest = target.partition("://")[2].partition("/")[2]
    path = f"/{rest}" if rest else ""
    return f"{real}{port}{path[:MAX_PATH]}{'…' if len(path) > MAX_PATH else ''}"
