"""A comment's text with what is derived from it: the HTML that readers see, and the digest that finds it again."""

import asyncio
from dataclasses import dataclass
from typing import Final

from commentsvc.domain import markdown
from commentsvc.domain.crypto import text_digest
from commentsvc.domain.text import collapse_whitespace

LONG: Final = 1000  # characters; rendering more can take longer than other requests should wait


@dataclass(frozen=True)
class CommentText:
    """A text, its HTML, and the digest of the text without its white space."""

    text: str
    html: str
    digest: str


def render_text(text: str) -> CommentText:
    """Render a text. Do it before a unit of work, never inside one."""
    return CommentText(text, markdown.render(text), text_digest(collapse_whitespace(text)))


async def render(text: str) -> CommentText:
    """Render a text; a long one in a thread of its own."""
    return await asyncio.to_thread(render_text, text) if len(text) > LONG else render_text(text)
