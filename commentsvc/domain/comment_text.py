"""A comment's text, with its HTML, its visible text and its digest."""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from commentsvc.domain import markdown
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.folding import comparable, searchable
from commentsvc.domain.visible_text import read_visible_text

MAX_INLINE_LENGTH: Final = 1000  # characters; a longer text could block the event loop for too long
LIST_START: Final = re.compile(r'<ol start="(\d+)">')


@dataclass(frozen=True)
class CommentText:
    """A text, its HTML, and a digest that is equal for texts that readers take for the same."""

    text: str
    html: str
    digest: str


def render_text(text: str) -> CommentText:
    """Return a text with its HTML and digest. Call it before a unit of work, never inside one."""
    html = markdown.render(text)
    search_words(text, html)  # up to 40 ms of work, which the unit that stores the text then finds done
    return CommentText(text, html, visible_digest(html))


@lru_cache(maxsize=16)  # up to 3 ms of work, which rules in the unit then find done
def visible_digest(html: str) -> str:
    """Return the digest of what readers see in a comment's HTML: words, link targets, first numbers of lists."""
    visible = read_visible_text(html)
    return text_digest(comparable(visible.text), visible.targets, " ".join(LIST_START.findall(html)))


@lru_cache(maxsize=16)
def search_words(text: str, html: str) -> str:
    """Return what a search reads of a comment: its source, and a line with its visible text if that differs."""
    source, visible = searchable(text), searchable(read_visible_text(html).text)
    return source if visible in source else f"{source}\n{visible}"


async def render(text: str) -> CommentText:
    """Return a text with its HTML and digest; render a long text in a worker thread."""
    return await asyncio.to_thread(render_text, text) if len(text) > MAX_INLINE_LENGTH else render_text(text)
