"""A comment's text, with its HTML, its visible text and its digest."""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from commentsvc.domain import markdown
from commentsvc.domain.confusables import drawn
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.folding import comparable
from commentsvc.domain.meter import metered
from commentsvc.domain.search_tokens import tokens
from commentsvc.domain.visible_text import TEXTS_IN_WORK, read_visible_text

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


@lru_cache(maxsize=TEXTS_IN_WORK)  # up to 3 ms of work, which rules in the unit then find done
def visible_digest(html: str) -> str:
    """Return the digest of what readers see in a comment's HTML: words, link targets, first numbers of lists.

    Letters that look alike are equal, so that a spammer cannot send a text again with a Cyrillic o in it.
    """
    visible = read_visible_text(html)
    return text_digest(drawn(comparable(visible.text)), visible.targets, " ".join(LIST_START.findall(html)))


@lru_cache(maxsize=TEXTS_IN_WORK)
def search_words(text: str, html: str) -> tuple[str, ...]:
    """Return the tokens that a search finds in a comment: those of its source and of its visible text."""
    return tuple(tokens(f"{text}\n{read_visible_text(html).text}"))


async def render_html(text: str) -> str:
    """Return a text as HTML; render a long text in a worker thread."""
    if len(text) <= MAX_INLINE_LENGTH:
        return markdown.render(text)
    return await asyncio.to_thread(metered(partial(markdown.render, text)))


async def render(text: str) -> CommentText:
    """Return a text with its HTML and digest; render a long text in a worker thread."""
    if len(text) <= MAX_INLINE_LENGTH:
        return render_text(text)
    return await asyncio.to_thread(metered(partial(render_text, text)))
