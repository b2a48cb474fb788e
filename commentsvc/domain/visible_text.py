"""The text of a comment as readers see it, taken from its HTML."""

import html
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from commentsvc.domain.text import INVISIBLE, JOINERS, has_visible_text

_BREAK: Final = re.compile(r"<br ?/?>|</?(?:p|li|ul|ol|pre|blockquote|hr|table|tr|t[dh])\b[^>]*>")
_TAG: Final = re.compile(r'<(?:[^>"]|"[^"]*")*>')
_LINK: Final = re.compile(r'<a ((?:[^>"]|"[^"]*")*)>.*?</a>', re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'\b(?:href|title)="([^"]*)"')
_ADDRESS: Final = re.compile(r'\bhref="([^"]*)"')
_UNSEEN: Final = re.compile(f"{INVISIBLE.pattern}|[{JOINERS}]")
# A web address in running text, even without a link.
ADDRESS: Final = re.compile(r"(?<![a-z0-9])(?:https?://|www\.)[^\s<>]", re.IGNORECASE)
# Texts whose forms are cached: as many as are stored together, since each form is needed before and inside the unit.
TEXTS_IN_WORK: Final = 80


@dataclass(frozen=True)
class VisibleText:
    """The text that readers see: its words, its number of links, and the link targets and titles.

    ``addresses`` are where the links lead. Nothing that is only written in a target or a title is among them:
    otherwise a link to one host could teach the filter about another one, and moderators would not see it.
    """

    text: str
    links: int
    targets: str  # one a line, also without percent-encoding
    addresses: tuple[str, ...] = ()


@lru_cache(maxsize=TEXTS_IN_WORK)
def read_visible_text(comment_html: str) -> VisibleText:
    """Return the visible text of a comment's HTML."""
    links = _LINK.findall(comment_html)
    written = (html.unescape(value) for link in links for value in _ATTRIBUTE.findall(link))
    targets = dict.fromkeys(target for value in written for target in (value, unquote(value)))
    addresses = tuple(html.unescape(value) for link in links for value in _ADDRESS.findall(link))
    outside = _UNSEEN.sub("", plain_text(_LINK.sub(" ", comment_html)))
    return VisibleText(
        plain_text(comment_html), len(links) + len(ADDRESS.findall(outside)), "\n".join(targets), addresses
    )


def plain_text(comment_html: str) -> str:
    """Return the text of HTML that ``markdown`` made. Paragraphs and line breaks end a line."""
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", comment_html.replace("<br>\n", "\n")))).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())


def visible_length(text: str) -> int:
    """Return the number of characters that readers see. White space counts as one between words."""
    return len(" ".join(_UNSEEN.sub("", text).split()))


def is_blank(comment_html: str) -> bool:
    """Return whether readers would see nothing."""
    return not has_visible_text(INVISIBLE.sub("", plain_text(comment_html)))
