"""A filter that learns from decisions: logistic regression over hashed features. It is pure, and knows no database."""

import base64
import math
import struct
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from statistics import NormalDist, fmean
from typing import Final, Self

import msgspec

from commentsvc.spam.features import BUCKETS, Feature, Sample, Trait, bucket_of, list_traits, weigh_features

LEAST_GOOD: Final = 20  # with fewer decisions the filter says nothing
LEAST_SPAM: Final = 5
RATE: Final = 0.7
CAUTION: Final = 0.01  # a feature that was seen once moves slowly
BIAS_RATE: Final = 0.07
REPEATED: Final = 48  # recent examples of each class that are learned again
MOST_REPEATED: Final = 8000  # their features
RECENT: Final = 3000  # comments of each class whose scores give the threshold
ENOUGH: Final = 5  # recent good comments above the threshold, so that it needs no estimate
CAREFUL: Final = 99  # percent of good comments to keep, from which on spam has at least the logit FLOOR
FLOOR: Final = 2.0  # a score of 0.88
# Logits from before the filter had learned so many of each class say nothing about the scores of later comments.
LEAST_KNOWN: Final = (5, 3)
# With fewer good comments, the floor moves with the logits that recent examples of both classes have now: after 20
# approvals in a row all comments score lower than after 10 spams in a row. Found by trying orders of decisions.
FEW_GOOD: Final = 499  # the first number of which ENOUGH are above the threshold for CAREFUL
USUAL_MIDDLE: Final = 1.1
LEAN: Final = 0.6  # with up to FEW_SPAM spams; with more of them the other bounds suffice
FEW_SPAM: Final = 15
LEAST_FLOOR: Final = 1.0  # a score of 0.73
LEAST_RECENT: Final = 10  # of the spams, of which the last quarter is recent
NEARER: Final = 0.5  # share of the upper quartile of spam's logits: nearer to spam than to an unknown text
STEM: Final = 4  # letters with which words of one family begin
WRITTEN: Final = {"word", "words", "name_word", "path_word"}
LEAST_LOST: Final = 0.001  # percent of good comments, even if all are to be kept
ROUNDING: Final = 1e-9
LARGEST: Final = 30.0
Example = tuple[Mapping[int, float], bool]  # the values of features by bucket, and whether it is spam
_ALL: Final = struct.Struct(f"<{BUCKETS}e")


class SpamFilter:
    """The weights of a site's filter, and the numbers of decisions it has learned from.

    It depends on the examples and their order only: not on how they were divided into calls of ``learn``, nor on
    ``encode`` and ``decode`` between them.
    """

    def __init__(self) -> None:
        self.good = 0
        self.spam = 0
        self._bias = 0.0
        # Both in half precision, so that a stored filter is the same.
        self._weights = array("f", bytes(4 * BUCKETS))
        self._moved = array("f", bytes(4 * BUCKETS))  # the sum of squared gradients
        # By class, good first, oldest first. Logits are those of a comment before the filter learned it.
        self._logits: tuple[list[float], list[float]] = ([], [])
        self._recent: tuple[list[dict[int, float]], list[dict[int, float]]] = ([], [])
        self._middle: float | None = None  # of the logits of recent examples; None: not computed since it learned

    @property
    def is_ready(self) -> bool:
        """Tell whether it has learned from enough decisions."""
        return self.good >= LEAST_GOOD and self.spam >= LEAST_SPAM

    def learn(self, examples: Iterable[Example]) -> None:
        """Learn from decisions, oldest first. Each is scored before it is learned, for ``threshold``.

        A recent example of the other class and one of the same are learned again with each. So the classes are
        balanced, few decisions count more than once, and a moderator who clears a hundred spams in a row does not
        make all comments look like spam.
        """
        for values, is_spam in examples:
            self._note_logit(values, is_spam)
            self.spam, self.good = self.spam + is_spam, self.good + (not is_spam)
            self._step(values, is_spam)
            for label in (not is_spam, is_spam):
                if recent := self._recent[label]:
                    self._step(recent[(self.good + self.spam) % len(recent)], label)
            self._keep(values, is_spam)
        self._middle = None

    def _note_logit(self, values: Mapping[int, float], is_spam: bool) -> None:  # noqa: FBT001
        if self.good >= LEAST_KNOWN[False] and self.spam >= LEAST_KNOWN[True]:
            logits = self._logits[is_spam]
            logits += _round([self._logit(values)])
            del logits[:-RECENT]

    def _step(self, values: Mapping[int, float], is_spam: bool) -> None:  # noqa: FBT001
        """Move the weights of features against the error; AdaGrad: the more a feature has moved, the slower."""
        weights, moved = self._weights, self._moved
        error = is_spam - _share(self._logit(values))
        new = []
        for bucket, value in values.items():
            gradient = error * value
            squares = moved[bucket] + gradient * gradient
            new += [weights[bucket] + RATE * gradient / math.sqrt(CAUTION + squares), squares]
        rounded = iter(_round(new))
        for bucket in values:
            weights[bucket], moved[bucket] = islice(rounded, 2)
        self._bias += BIAS_RATE * error

    def _keep(self, values: Mapping[int, float], is_spam: bool) -> None:  # noqa: FBT001
        recent = self._recent[is_spam]
        recent.append(dict(zip(values, _round([*values.values()]), strict=True)))
        while len(recent) > REPEATED or sum(map(len, recent)) > MOST_REPEATED:
            del recent[0]

    def _logit(self, values: Mapping[int, float]) -> float:
        weights = self._weights
        return self._bias + sum([weights[bucket] * value for bucket, value in values.items()])

    def score(self, values: Mapping[int, float]) -> float:
        """Return how likely a comment is spam, from 0 to 1."""
        return _share(self._logit(values))

    def threshold(self, keep: float) -> float:
        """Return the score from which a comment counts as spam, so that this percentage of good comments is kept.

        It is a score of recent good comments if there are enough of them, and at least 0.88 if 99 % or more are to be
        kept. Otherwise it is estimated, with care for comments that resemble none before: a score must be nearer to
        that of spam.
        """
        if not self.is_ready:
            return 1.0
        lost = max(100 - keep, LEAST_LOST) / 100
        good = sorted(self._logits[0][-math.ceil(ENOUGH / lost) :], reverse=True)
        above = int((len(good) + 1) * lost + ROUNDING)  # as many of the next n + 1 good comments may be above it
        if above >= ENOUGH:
            return _just_above(max(good[above - 1], FLOOR if keep >= CAREFUL else -LARGEST))
        bounds = [self._find_floor()]
        if good:
            mean = fmean(good)
            spread = math.sqrt(fmean([(logit - mean) ** 2 for logit in good]) * (1 + 1 / len(good)))
            bounds += [mean + NormalDist().inv_cdf(1 - lost) * spread, good[max(above - 1, 0)]]
        # Not the first ones: scores spread the more, the more it has learned.
        if spam := sorted(self._logits[1][-max(LEAST_RECENT, len(self._logits[1]) // 4) :]):
            bounds.append(NEARER * spam[len(spam) * 3 // 4])
        return _just_above(max(bounds))

    def _find_floor(self) -> float:
        if len(self._logits[0]) >= FEW_GOOD:
            return FLOOR
        if self._middle is None:
            self._middle = fmean(fmean(map(self._logit, one)) for one in self._recent)
        lean = LEAN * min(1, FEW_SPAM / self.spam)
        return max(LEAST_FLOOR, FLOOR + lean * (self._middle - USUAL_MIDDLE))

    def strongest(self, sample: Sample, most: int = 5, *, good: bool = False) -> Sequence[Feature]:
        """Return the features that raise a comment's score the most, the strongest first; with ``good``, lower it.

        Each says something new: "free" is not among them beside "free shipping".
        """
        values = weigh_features(sample)
        sign = -1 if good else 1
        found = {trait.shown: sign * self._weigh(trait, values) for trait in list_traits(sample)}
        chosen: list[Feature] = []
        for feature in sorted(found, key=lambda feature: (-found[feature], feature)):
            if len(chosen) == most or found[feature] <= 0:
                break
            if not any(_overlap(feature, other) for other in chosen):
                chosen.append(feature)
        return chosen

    def _weigh(self, trait: Trait, values: Mapping[int, float]) -> float:
        return sum(self._weights[bucket] * values[bucket] for bucket in {*map(bucket_of, trait.features)})

    def encode(self) -> str:
        """Return the filter as text, to be stored: at most about 400,000 characters."""
        recent = [[_pack(values) for values in one] for one in self._recent]
        logits = [_pack_numbers(one) for one in self._logits]
        weights, moved = _ALL.pack(*self._weights), _ALL.pack(*self._moved)
        state = (self.good, self.spam, self._bias, logits, recent, weights, moved)
        return base64.b85encode(zlib.compress(msgspec.msgpack.encode(state))).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return a filter that ``encode`` has made a text of."""
        state = msgspec.msgpack.decode(zlib.decompress(base64.b85decode(text)))
        made = cls()
        made.good, made.spam, made._bias, logits, recent, weights, moved = state
        good_logits, spam_logits = map(_unpack_numbers, logits)
        made._logits = good_logits, spam_logits
        good, spam = ([_unpack(values) for values in one] for one in recent)
        made._recent = good, spam
        made._weights, made._moved = (array("f", _ALL.unpack(packed)) for packed in (weights, moved))
        return made


def _overlap(one: Feature, other: Feature) -> bool:
    """Return whether two features say the same: "casino" and "casinos", or "free" and "free shipping"."""
    if not {one[0], other[0]} <= WRITTEN:
        return False
    return any(
        first == second or (min(len(first), len(second)) >= STEM and first[:STEM] == second[:STEM])
        for first in one[1].split()
        for second in other[1].split()
    )


def _just_above(logit: float) -> float:
    return math.nextafter(_share(logit), 2)


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-LARGEST, min(LARGEST, logit))))


def _round(numbers: Sequence[float]) -> Sequence[float]:
    return _unpack_numbers(_pack_numbers(numbers))


def _pack_numbers(numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}e", *numbers)


def _unpack_numbers(packed: bytes) -> list[float]:
    return [*struct.unpack(f"<{len(packed) // 2}e", packed)]


def _pack(values: Mapping[int, float]) -> bytes:
    return struct.pack(f"<{len(values)}H{len(values)}e", *values, *values.values())


def _unpack(packed: bytes) -> dict[int, float]:
    count = len(packed) // 4
    numbers = struct.unpack(f"<{count}H{count}e", packed)
    return dict(zip(numbers[:count], numbers[count:], strict=True))
