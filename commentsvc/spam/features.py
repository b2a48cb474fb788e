"""The features of a comment that the learned filter weighs. The email address is never one of them."""

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from commentsvc.domain.confusables import drawn
from commentsvc.domain.folding import folded
from commentsvc.domain.links import linked_host
from commentsvc.domain.visible_text import read_visible_text
from commentsvc.spam.text_shape import list_character_features

BUCKETS: Final = 1 << 16
# A kind, such as ``word`` or ``link``, and its value. ``domain/feature_wording.py`` has each in words.
Feature: TypeAlias = tuple[str, str]

# Bounds of the work. The rest of a longer text is ignored, between its beginning and its end.
BEGINNING: Final = 800  # characters
END: Final = 400
MOST_NAME: Final = 200
MOST_LETTERS: Final = 24  # of a word
MOST_KEPT: Final = 40  # of a word whose hashes are kept in memory
MOST_HOSTS: Final = 20
MOST_PATH_WORDS: Final = 10
MOST_LINKS: Final = 4  # from which on their number is the same feature
MOST_BITS: Final = 8
MOST_NAME_WORDS: Final = 5
PART: Final = 5  # characters of a part of a word, with the spaces around the word
MIX: Final = 31  # of the hashes of two words
SPACED: Final = 3  # single letters in a row that are one word: "w i n"

PAIR: Final = "words"  # the kind of two words in a row
DIGITS: Final = 6  # of a value, so that a stored one is the same
# Kinds whose features share their weight: a host is the same in a link and in the website field.
_SAME: Final = {"website": "host", "link": "host"}
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Letters of scripts without spaces between words: each two neighbours count as a word.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)
_HOST_WORD: Final = re.compile(r"[.-]")
_STRETCHED: Final = re.compile(r"(.)\1{2,}")
_DIGIT: Final = re.compile(r"\d")
_NUMBERS: Final = tuple(range(BUCKETS))  # each once in memory, however many words have it
_AGES: Final = ((1, "day"), (7, "week"), (31, "month"), (366, "year"))  # of a thread, in days


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The facts about a comment that the filter may use."""

    text: str  # as readers see it
    name: str
    website_host: str = ""
    website_path: str = ""
    link_hosts: tuple[str, ...] = ()
    links: int = 0  # with those that lead to the same host
    has_code: bool = False
    thread_age_days: float = 0.0


class Trait(NamedTuple):
    """A feature that people can read, and the features that count with it, such as the parts of a word."""

    shown: Feature
    features: Sequence[Feature]


class _HashedWord(NamedTuple):
    hash: int
    buckets: Sequence[int]  # of the word, its parts and its form


def sample_of(name: str, website: str | None, html: str, thread_age_days: float) -> Sample:
    """Return the sample of a comment as it is stored, with its HTML."""
    visible = read_visible_text(html)
    targets = filter(None, map(linked_host, visible.addresses))
    return Sample(
        text=visible.text,
        name=name,
        website_host=(linked_host(website) if website else None) or "",
        website_path=_read_path(website or ""),
        link_hosts=tuple(itertools.islice(dict.fromkeys(targets), MOST_HOSTS)),
        links=visible.links,
        has_code="<code" in html,
        thread_age_days=thread_age_days,
    )


def _read_path(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}".strip("/?")


def weigh_features(sample: Sample) -> Mapping[int, float]:
    """Return the values of a comment's features by bucket.

    The groups of features (text, name, addresses, shape) count alike: in each, the squares of the values have the
    sum 1. So a long text does not hide what the name says.
    """
    drawn_text = _draw(_ends(sample.text))
    words = _split(drawn_text)
    # Only short words are kept in memory, which strangers could fill with long ones.
    hashed = {word: (_hash_word if len(word) <= MOST_KEPT else _hash_word.__wrapped__)(word) for word in words}
    text = set().union(*[word.buckets for word in hashed.values()])
    hashes = [hashed[word].hash for word in words]
    text.update([(first * MIX + second) % BUCKETS for first, second in itertools.pairwise(hashes)])
    text.update(map(_bucket_of_sign, _signs(drawn_text)))
    name = split_words(sample.name[:MOST_NAME])
    groups = (
        set().union(*map(_buckets_of_name_word, name)),
        {bucket_of(feature) for trait in _addresses(sample) for feature in trait.features},
        {*map(bucket_of, _shape(sample, len(words), len(name)))},
    )
    values = dict.fromkeys(text, _value(len(text)))
    for buckets in groups:
        value = _value(len(buckets))
        for bucket in buckets:
            values[bucket] = round(values[bucket] + value, DIGITS) if bucket in values else value
    return values


def _ends(text: str) -> str:
    return text if len(text) <= BEGINNING + END else f"{text[:BEGINNING]}\n{text[-END:]}"


def _value(count: int) -> float:
    return round(count**-0.5, DIGITS) if count else 0.0


def list_features(sample: Sample) -> Iterator[Feature]:
    """Yield the features of a comment. The same one may come several times."""
    for trait in list_traits(sample):
        yield from trait.features


def list_traits(sample: Sample) -> Iterator[Trait]:
    """Yield what people can read about the features of a comment. The same one may come several times."""
    drawn_text = _draw(_ends(sample.text))
    words, name = _split(drawn_text), split_words(sample.name[:MOST_NAME])
    yield from (_word("word", word) for word in words)
    yield from _pairs(words)
    yield from (Trait(("word", sign), [("word", sign)]) for sign in _signs(drawn_text))
    yield from (_word("name_word", word) for word in name)
    yield from _addresses(sample)
    yield from (Trait(feature, [feature]) for feature in _shape(sample, len(words), len(name)))


@lru_cache(maxsize=1 << 13)
def bucket_of(feature: Feature) -> int:
    """Return the number under which the weight of a feature is kept. Several features may share one."""
    return _hash(feature) % BUCKETS


def _hash(feature: Feature) -> int:
    kind, value = feature
    if kind == PAIR:
        first, second = value.split(" ")
        return _hash(("word", first)) * MIX + _hash(("word", second))
    return zlib.crc32(value.encode("utf-8", "replace"), _hash_kind(kind))


@cache
def _hash_kind(kind: str) -> int:
    return zlib.crc32(f"{_SAME.get(kind, kind)}\0".encode())


def split_words(text: str) -> Sequence[str]:
    """Return the words of a text by their looks. Scripts without spaces have pairs of letters instead."""
    return _split(_draw(text))


def _draw(text: str) -> str:
    return drawn(folded(text))


def _split(drawn_text: str) -> Sequence[str]:
    found: list[str] = _WORD.findall(drawn_text)
    if b"\1" * SPACED in bytes([len(word) == 1 for word in found]):
        found = [*_join_letters(found)]
    if drawn_text.isascii() or not _UNSPACED.search(drawn_text):
        return found
    words = []
    for word in found:
        if _UNSPACED.search(word):
            words += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            words.append(word)
    return words


def _join_letters(words: Iterable[str]) -> Iterator[str]:
    """Join letters that were written apart: "w i n" is a word."""
    for is_letter, group in itertools.groupby(words, lambda word: len(word) == 1):
        letters = [*group]
        if is_letter and len(letters) >= SPACED:
            yield "".join(letters)
        else:
            yield from letters


def _signs(drawn_text: str) -> Iterable[str]:
    """Return the emoji and punctuation marks of a text, in an order that is the same in each process."""
    return sorted([sign for sign in set(drawn_text) if not (sign.isalnum() or sign.isspace())])


@lru_cache(maxsize=1 << 12)
def _bucket_of_sign(sign: str) -> int:
    return _hash(("word", sign)) % BUCKETS


@lru_cache(maxsize=1 << 15)  # most words of a comment are frequent ones; 10 MB
def _hash_word(word: str) -> _HashedWord:
    features = _word("word", word).features
    return _HashedWord(_hash(features[0]), _buckets(features))


@lru_cache(maxsize=1 << 12)
def _buckets_of_name_word(word: str) -> Sequence[int]:
    return _buckets(_word("name_word", word).features)


def _buckets(features: Iterable[Feature]) -> Sequence[int]:
    hashes = [zlib.crc32(value.encode("utf-8", "replace"), _hash_kind(kind)) for kind, value in features]
    return tuple([_NUMBERS[number % BUCKETS] for number in hashes])


def _shorten(word: str) -> str:
    return _STRETCHED.sub(r"\1\1", word)


def _word(kind: str, word: str) -> Trait:
    shown, framed, part = (kind, word[:MOST_LETTERS]), f" {_shorten(word)} ", f"{kind}_part"
    parts = [(part, framed[at : at + PART]) for at in range(len(framed) - PART + 1)]
    if len(framed) < len(word) + 2:  # "sooooo" is "soo" too
        parts += [(kind, framed[1:-1][:MOST_LETTERS]), ("stretched", "")]
    if not word.isalpha() and _DIGIT.search(word):  # an amount, a date or a name with another number
        parts.append((f"{kind}_form", _DIGIT.sub("0", word[:MOST_LETTERS])))
    return Trait(shown, [shown, *parts])


def _pairs(words: Iterable[str]) -> Iterator[Trait]:
    for first, second in itertools.pairwise(words):
        feature = PAIR, f"{first[:MOST_LETTERS]} {second[:MOST_LETTERS]}"
        yield Trait(feature, [feature])


def _addresses(sample: Sample) -> Iterator[Trait]:
    if sample.website_host:
        yield _host("website", sample.website_host)
        for word in split_words(sample.website_path[:MOST_NAME])[:MOST_PATH_WORDS]:
            feature = "path_word", word
            yield Trait(feature, [feature])
    for host in sample.link_hosts[:MOST_HOSTS]:
        yield _host("link", host)


def _host(kind: str, host: str) -> Trait:
    # Not the top-level domain: .com is soon what most spam has in common, and many good comments.
    words = filter(None, _HOST_WORD.split(host.rpartition(".")[0]))
    return Trait((kind, host), [(kind, host), *(("host_word", word) for word in words)])


def _shape(sample: Sample, words: int, name_words: int) -> Iterator[Feature]:
    links = max(sample.links, len(sample.link_hosts))
    yield "length", _power(words)
    yield "links", str(min(links, MOST_LINKS))
    if links:
        yield "words_a_link", _power(words // links)
    yield from list_character_features(_ends(sample.text))
    if sample.has_code:
        yield "code", ""
    yield "name_words", str(min(name_words, MOST_NAME_WORDS))
    if any(map(str.isdigit, sample.name)):
        yield "name_digit", ""
    yield "website_is", ("page" if sample.website_path else "home") if sample.website_host else "none"
    yield "thread_age", next((name for days, name in _AGES if sample.thread_age_days < days), "older")


def _power(count: int) -> str:
    """Return the bits of a number: 8 is from 128 on."""
    return str(min(count.bit_length(), MOST_BITS))
