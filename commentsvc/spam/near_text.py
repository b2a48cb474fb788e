"""Fingerprints of comments: the same text, texts that are nearly the same, and linked hosts.

Nearly the same is found with min-hash: the fingerprint keeps the lowest hash in each of ``BINS`` classes of short
pieces of the text, and groups them into bands. Two texts that share a band are much alike
(https://en.wikipedia.org/wiki/MinHash). Nothing here is stored as it is: see ``spam/keys.py``.
"""

import asyncio
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final
from urllib.parse import urlsplit

from commentsvc.domain.comment_text import MAX_INLINE_LENGTH
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.meter import metered
from commentsvc.domain.urls import normalise_host
from commentsvc.domain.visible_text import read_visible_text, visible_length

EXACT_LENGTH: Final = 20  # visible characters: many people write the same shorter text
# A piece has four letters or digits: short enough for texts without spaces. Its hash is a product modulo a prime.
FACTOR: Final = 0xBF58476D1CE4E5B9
PRIME: Final = (1 << 61) - 1
BINS: Final = 24
# A band of three matches texts with about 70 % of their pieces in common. Short texts must have all of them in common:
# on YouTube, people write much the same about a song. bench/spam.py measures both.
ROWS: Final = 3
MANY_PIECES: Final = 40
LEAST_PIECES: Final = 15
MOST_LETTERS: Final = 3000  # of a text: 1 ms of work
MOST_HOSTS: Final = 20
TEXTS_KEPT: Final = 256  # more than a page of the queue


@dataclass(frozen=True)
class Fingerprint:
    """The parts of a comment that memory compares. Texts that look alike have the same ``text``."""

    text: str
    length: int  # characters that readers see
    bands: tuple[tuple[int, ...], ...]
    hosts: tuple[str, ...]  # of links
    website: str | None  # host of the commenter's website

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """The hosts of links and of the website, each once."""
        return tuple(dict.fromkeys((*self.hosts, *([self.website] if self.website else []))))


@lru_cache(maxsize=TEXTS_KEPT)
def read_fingerprint(html: str, website: str | None) -> Fingerprint:
    """Return the fingerprint of a comment. It takes up to 5 ms: call ``prepare_fingerprint`` before a unit."""
    visible = read_visible_text(html)
    text = skeleton(visible.text)
    hosts = filter(None, map(_host_of, visible.targets.split("\n")))
    return Fingerprint(
        text,
        visible_length(visible.text),
        find_bands(text),
        tuple(dict.fromkeys(hosts))[:MOST_HOSTS],
        _host_of(website) if website else None,
    )


async def prepare_fingerprint(html: str, website: str | None) -> None:
    """Do the work of ``read_fingerprint``, which then finds it done; for a long text, in a thread."""
    if len(html) <= MAX_INLINE_LENGTH:
        read_fingerprint(html, website)
    else:
        await asyncio.to_thread(metered(partial(read_fingerprint, html, website)))


def find_bands(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the bands of a folded text: none if it is short, one if it has few pieces, else eight."""
    pieces = _list_pieces("".join(filter(str.isalnum, text))[:MOST_LETTERS])
    if len(pieces) < LEAST_PIECES:
        return ()
    lowest = _find_lowest(pieces)
    # An empty bin takes the next one that is not, and how far away it is (Shrivastava and Li, 2014).
    filled = [_next_filled(lowest, at) for at in range(BINS)]
    size = ROWS if len(pieces) >= MANY_PIECES else BINS
    return tuple((at, *(value for pair in filled[at : at + size] for value in pair)) for at in range(0, BINS, size))


def _list_pieces(letters: str) -> set[int]:
    """Return every four letters that follow each other, as one number: they are 8 bytes in UTF-16."""
    coded = letters.encode("utf-16-le")
    ends = ((start, start + (len(coded) - start) // 8 * 8) for start in range(0, 8, 2))
    return set().union(*(memoryview(coded)[start:end].cast("Q") for start, end in ends if end > start))


def _find_lowest(pieces: set[int]) -> dict[int, int]:
    """Return the lowest hash in each bin. In order, a hundred of them fill all bins, however many there are."""
    lowest: dict[int, int] = {}
    for number in sorted([piece * FACTOR % PRIME for piece in pieces]):
        lowest.setdefault(number % BINS, number)
        if len(lowest) == BINS:
            break
    return lowest


def _next_filled(lowest: dict[int, int], at: int) -> tuple[int, int]:
    distance = 0
    while (at + distance) % BINS not in lowest:
        distance += 1
    return lowest[(at + distance) % BINS], distance


def _host_of(address: str) -> str | None:
    if not address.startswith(("http://", "https://")):
        return None
    try:
        host = normalise_host(urlsplit(address).hostname or "")
    except ValueError:
        return None
    return host.removeprefix("www.") or None
