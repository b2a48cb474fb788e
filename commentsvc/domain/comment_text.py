"""A comment's text, with its HTML, its visible text and its digest."""

import asyncio
from dataclasses import dataclass
from typing import Final

from commentsvc.domain import markdown
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.text import comparable
from commentsvc.domain.visible_text import read_visible_text

MAX_INLINE_LENGTH: Final = 1000  # characters; a longer text could block the event loop for too long


@dataclass(frozen=True)
class CommentText:
    """A text, its HTML, and the digest of its visible text: equal for texts that readers take for the same."""

    text: str
    html: str
    digest: str


def render_text(text: str) -> CommentText:
    """Return a text with its HTML and digest. Call it before a unit of work, never inside one."""
    html = markdown.render(text)
    return CommentText(text, html, visible_digest(html))


def visible_digest(html: str) -> str:
    """Return the digest of the text that readers see in a comment's HTML."""
    return text_digest(comparable(read_visible_text(html).text))


async def render(text: str) -> CommentText:
    """Return a text with its HTML and digest; render a long text in a worker thread."""
    return await asyncio.to_thread(render_text, text) if len(text) > MAX_INLINE_LENGTH else render_text(text)
