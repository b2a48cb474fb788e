"""The features of a comment that the learning filter weighs. The email address is never one of them."""

import itertools
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from commentsvc.domain.folding import comparable

BUCKETS: Final = 1 << 18
# A kind, such as ``word`` or ``link``, and its value. ``spam/wording.py`` says each in words.
Feature: TypeAlias = tuple[str, str]
WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The facts about a comment that the filter may use."""

    text: str  # as readers see it
    name: str
    website_host: str = ""
    link_hosts: tuple[str, ...] = ()
    thread_age_days: float = 0.0


def list_features(sample: Sample) -> Iterator[Feature]:
    """Yield the features of a comment. The same one may come several times."""
    words = WORD.findall(comparable(sample.text))
    for word in words:
        yield "word", word
    for first, second in itertools.pairwise(words):
        yield "words", f"{first} {second}"
    for word in WORD.findall(comparable(sample.name)):
        yield "name_word", word
    yield "links", str(min(len(sample.link_hosts), 5))
    for host in sample.link_hosts:
        yield "link", host
    if sample.website_host:
        yield "website", sample.website_host


def bucket_of(feature: Feature) -> int:
    """Return the number under which the weight of a feature is kept. Several features may share one."""
    return zlib.crc32("\0".join(feature).encode()) % BUCKETS


def weigh_features(sample: Sample) -> Mapping[int, float]:
    """Return the values of a comment's features by bucket; the squares of all values have the sum 1."""
    found = {bucket_of(feature) for feature in list_features(sample)}
    return dict.fromkeys(found, len(found) ** -0.5)
