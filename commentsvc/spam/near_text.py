"""Fingerprints of comments: the same text, texts that are nearly the same, and linked hosts.

Nearly the same is found with min-hash: the fingerprint keeps the lowest hash in each of ``BINS`` ranges of the
hashes of short pieces of the text, and groups them into bands. Two texts that share a band are much alike
(https://en.wikipedia.org/wiki/MinHash). Nothing here is stored as it is: see ``spam/keys.py``.
"""

import asyncio
import struct
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from commentsvc.domain.comment_text import MAX_INLINE_LENGTH
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.links import linked_host
from commentsvc.domain.meter import metered
from commentsvc.domain.visible_text import read_visible_text, visible_length

EXACT_LENGTH: Final = 20  # visible characters: many people write the same shorter text
PIECE: Final = 4  # letters or digits: short enough for texts without spaces
# Hashes are computed with numbers that have a value in every 64 bits: see ``_hash_pieces``. The four constants have 40
# bits and a letter has 21, so a sum of products never overflows. Python sorts numbers of 30 bits the fastest.
DIGIT: Final = 64
FACTOR: Final = 0x07DADE1613_000000_F06DC5E497_000000_42365DA81D_000000_D258677C15
MIXING: Final = (0x9E3779B1, 0x85EBCA6B)
HASH_BITS: Final = 30
MIDDLE: Final = 24  # these bits of a product are mixed the best
BINS: Final = 24
# A band of three matches texts with about 70 % of their pieces in common. Short texts must have all of them in common:
# on YouTube, people write much the same about a song. bench/spam.py measures both.
ROWS: Final = 3
MANY_PIECES: Final = 40
LEAST_PIECES: Final = 15
MOST_LETTERS: Final = 3000  # of a text: 1 ms of work
MOST_HOSTS: Final = 20
TEXTS_KEPT: Final = 256  # more than a page of the queue
_ONES: Final = ((1 << DIGIT * MOST_LETTERS) - 1) // ((1 << DIGIT) - 1)  # 1 in every digit
_HALVES: Final = _ONES * ((1 << DIGIT // 2) - 1)
_HASHES: Final = _ONES * ((1 << HASH_BITS) - 1)
_BINS: Final = struct.Struct(f"<{BINS}I")
_STARTS: Final = [-(-(at << HASH_BITS) // BINS) for at in range(BINS)]  # the least hash of each bin


@dataclass(frozen=True)
class Fingerprint:
    """The parts of a comment that memory compares. Texts that look alike have the same ``text``."""

    text: str
    length: int  # characters that readers see
    bands: tuple[bytes, ...]
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
    hosts = filter(None, map(linked_host, visible.addresses))
    return Fingerprint(
        text,
        visible_length(visible.text),
        find_bands(text),
        tuple(dict.fromkeys(hosts))[:MOST_HOSTS],
        linked_host(website) if website else None,
    )


async def prepare_fingerprint(html: str, website: str | None) -> None:
    """Do the work of ``read_fingerprint``, which then finds it done; for a long text, in a thread."""
    if len(html) <= MAX_INLINE_LENGTH:
        read_fingerprint(html, website)
    else:
        await asyncio.to_thread(metered(partial(read_fingerprint, html, website)))


def find_bands(text: str) -> tuple[bytes, ...]:
    """Return the bands of a folded text: none if it is short, one if it has few pieces, else eight."""
    pieces = _hash_pieces("".join(filter(str.isalnum, text))[:MOST_LETTERS])
    if len(pieces) < LEAST_PIECES:
        return ()
    # An empty bin takes the hash of the next one that is not (Shrivastava and Li, 2014).
    following = [*pieces, pieces[0]]
    lowest = _BINS.pack(*[following[bisect_left(pieces, start)] for start in _STARTS])
    size = (ROWS if len(pieces) >= MANY_PIECES else BINS) * _BINS.size // BINS
    return tuple(bytes([at]) + lowest[at : at + size] for at in range(0, len(lowest), size))


def _hash_pieces(letters: str) -> list[int]:
    """Return the hashes of every four letters that follow each other: each once, the lowest first.

    A product of two large numbers hashes all of them. The first number has a letter in every ``DIGIT`` bits, the second
    one four constants. So every ``DIGIT`` bits of the product are the sum of four letters, each times another constant.
    """
    count = max(0, len(letters) - PIECE + 1)
    number = int.from_bytes(struct.pack(f"<{len(letters)}Q", *map(ord, letters)), "little")
    sums = (number * FACTOR >> DIGIT * (PIECE - 1) + MIDDLE & _HALVES) * MIXING[0]
    mixed = ((sums ^ sums >> MIDDLE) & _HALVES) * MIXING[1] >> MIDDLE & _HASHES
    return sorted({*struct.unpack_from(f"<{count}Q", mixed.to_bytes(DIGIT // 8 * (len(letters) + 2), "little"))})
