"""The initial and the colour of a commenter, shown beside their comments instead of a picture."""

import hashlib
import unicodedata
from typing import Final

from commentsvc.domain.folding import comparable

STEP: Final = 30  # degrees between two hues; people cannot tell closer ones apart


def find_hue(site_id: str, author_id: str, name: str) -> int:
    """Return a commenter's hue in degrees.

    Somebody else with the same name most likely has another one. It depends on nothing private, such as the address.
    """
    digest = hashlib.blake2b("\n".join([site_id, author_id, comparable(name)]).encode(), digest_size=4).digest()
    return int.from_bytes(digest) % (360 // STEP) * STEP


def find_initial(name: str) -> str:
    """Return the first letter or digit of a name as a capital, with its accents; otherwise its first character."""
    text = unicodedata.normalize("NFC", name).strip()
    start = next((place for place, one in enumerate(text) if unicodedata.category(one)[0] in "LN"), 0)
    end = start + 1
    while end < len(text) and unicodedata.category(text[end])[0] == "M":
        end += 1
    initial = text[start:end]
    return initial.upper() if len(initial.upper()) == len(initial) else initial
