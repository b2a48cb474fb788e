"""Check comments against a word list, and tell which of its lines matched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import unquote

from commentsvc.domain.models import Draft
from commentsvc.domain.reasons import Reason, mask_personal_data
from commentsvc.rules.context import Context
from commentsvc.rules.word_list import WordList

# Four or more letters with the same sign between them: "c.a.s.i.n.o".
_SPELLED: Final = re.compile(r"(?<![^\W_])[^\W\d_]([ .,_*+~|/·•-])[^\W\d_](?:\1[^\W\d_]){2,}(?![^\W_])")
MAX_NAMED: Final = 3  # lines in a reason, each of at most ``MAX_ENTRY_LENGTH`` characters


@dataclass(frozen=True)
class WordCheck:
    """Matches listed words or phrases in the text, its link targets, the name or the website."""

    words: WordList

    def __call__(self, draft: Draft, context: Context) -> Reason | None:
        """Return the reason to act: the first lines that match."""
        if not any(self.words.find_first(part) is not None for part in _searched_parts(draft, context)):
            return None
        lines = dict.fromkeys(line for part in _searched_parts(draft, context) for line in self.words.find_all(part))
        words, more = ", ".join(map(mask_personal_data, islice(lines, MAX_NAMED))), len(lines) - MAX_NAMED
        if more > 0:
            return Reason("words_listed", {"words": words, "more": more})
        return Reason("word_listed", {"word": words})

    def list_lines(self, draft: Draft, context: Context) -> set[str]:
        """Return every line that matches, as written in the list."""
        return {line for part in _searched_parts(draft, context) for line in self.words.find_all(part)}


def compile_words(text: str) -> WordCheck:
    """Compile a list with one word or phrase a line.

    Raises:
        ValueError: see ``WordList``.
    """
    return WordCheck(WordList.from_text(text))


def _searched_parts(draft: Draft, context: Context) -> Iterator[str]:
    texts = [*context.texts_of(draft), draft.name]
    yield from texts
    yield "\n".join(found[0].replace(found[1], "") for text in texts for found in _SPELLED.finditer(text))
    website = draft.website or ""
    yield from (context.visible.targets if context.visible else "", website, unquote(website))
