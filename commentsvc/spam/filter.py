"""A filter that learns from decisions: logistic regression over hashed features. It is pure, and knows no database."""

import base64
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

import msgspec

from commentsvc.spam.features import Feature, Sample, bucket_of, list_features

LEAST_GOOD: Final = 20  # with fewer decisions the filter says nothing
LEAST_SPAM: Final = 5
RATE: Final = 2.0
Example = tuple[Mapping[int, float], bool]  # the values of features by bucket, and whether it is spam


class SpamFilter:
    """The weights of a site's filter, and the numbers of decisions it has learned from."""

    def __init__(self) -> None:
        self.good = 0
        self.spam = 0
        self._weights: dict[int, float] = {}
        self._bias = 0.0
        self._good_scores: list[float] = []  # of good comments, each before the filter learned it

    @property
    def is_ready(self) -> bool:
        """Tell whether it has learned from enough decisions."""
        return self.good >= LEAST_GOOD and self.spam >= LEAST_SPAM

    def learn(self, examples: Iterable[Example]) -> None:
        """Learn from decisions, oldest first. Each is scored before it is learned, for ``threshold``."""
        for values, is_spam in examples:
            before = self.score(values)
            self.spam, self.good = self.spam + is_spam, self.good + (not is_spam)
            if not is_spam:
                self._good_scores.append(before)
            step = RATE * (is_spam - before)
            self._bias += step / 10
            for bucket, value in values.items():
                self._weights[bucket] = self._weights.get(bucket, 0.0) + step * value

    def score(self, values: Mapping[int, float]) -> float:
        """Return how likely a comment is spam, from 0 to 1."""
        total = self._bias + sum(self._weights.get(bucket, 0.0) * value for bucket, value in values.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))

    def threshold(self, keep: float) -> float:
        """Return the score from which a comment counts as spam, so that this percentage of good comments is kept."""
        scores = sorted(self._good_scores)
        return max(0.5, scores[min(len(scores) - 1, math.ceil(len(scores) * keep / 100))]) if scores else 1.0

    def strongest(self, sample: Sample, most: int = 5) -> Sequence[Feature]:
        """Return the features that raise a comment's score the most, the strongest first."""
        found = {feature: self._weights.get(bucket_of(feature), 0.0) for feature in list_features(sample)}
        ordered = sorted(found, key=lambda feature: (-found[feature], feature))
        return [feature for feature in ordered[:most] if found[feature] > 0]

    def encode(self) -> str:
        """Return the filter as text, to be stored."""
        state = (self.good, self.spam, self._bias, self._weights, self._good_scores)
        return base64.b85encode(zlib.compress(msgspec.msgpack.encode(state))).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return a filter that ``encode`` has made a text of."""
        state = msgspec.msgpack.decode(zlib.decompress(base64.b85decode(text)))
        made = cls()
        made.good, made.spam, made._bias, made._weights, made._good_scores = state
        return made
