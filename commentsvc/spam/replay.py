"""Replay decisions in order of time: each comment is judged by a filter that learned only from decisions before it.

A random split would be wrong: spam comes in waves of equal texts, and a filter that has seen half of a wave finds the
other half easily. Here it knows no more than it would have known at the time. It is pure, and knows no database.
"""

import bisect
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commentsvc.spam.features import Feature, Sample, weigh_features
from commentsvc.spam.filter import LEAST_GOOD, LEAST_SPAM, SpamFilter

# Percentages of good comments to keep, at which each comment is tried: the points of the curve.
SHARES: Final = tuple(number / 10 for number in range(980, 1001))
MOST_NAMED: Final = 100  # newest comments of each label in which the strongest features are counted
MOST_FEATURES: Final = {True: 4, False: 3}  # of spam and of good comments


class ReplayTooSlow(Exception):  # noqa: N818 -- the caller raises what its users see
    """The replay took longer than its time limit."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A comment that a person or an import decided on, as the filter sees it."""

    comment_id: str
    site_id: str
    sample: Sample
    is_spam: bool


@dataclass(frozen=True)
class Judged:
    """A replayed comment: its score, and at how many shares of good comments to keep it would have been caught.

    ``strongest`` are the features behind a wrong judgement of a good comment.
    """

    comment_id: str
    is_spam: bool
    score: float
    caught_shares: int
    strongest: Sequence[Feature] = ()


@dataclass(frozen=True)
class Replay:
    """The result of a replay: the judged comments, oldest first, and what the filters look at in the end."""

    shares: Sequence[float]
    judged: Sequence[Judged]
    good: int  # decisions that the filters have learned from in the end
    spam: int
    missing: tuple[int, int]  # good and spam decisions until the first filter speaks
    spam_features: Sequence[Feature] = ()
    good_features: Sequence[Feature] = ()

    def list_caught(self, keep: float, *, spam: bool) -> list[Judged]:
        """Return the spam or the good comments that were caught with one of the shares to keep."""
        at = self.shares.index(keep)
        return [one for one in self.judged if one.is_spam is spam and one.caught_shares > at]


class _Site:
    """The filter of a site while its decisions are replayed."""

    def __init__(self, shares: Sequence[float]) -> None:
        self.filter = SpamFilter()
        self._shares = shares

    def judge(self, one: Decided, values: Mapping[int, float]) -> Judged:
        """Return what the filter says now about a comment."""
        score = self.filter.score(values)
        caught = self._count_shares(score)
        strongest = self.filter.strongest(one.sample) if caught and not one.is_spam else ()
        return Judged(one.comment_id, one.is_spam, score, caught, strongest)

    def _count_shares(self, score: float) -> int:
        """Return at how many shares a score is caught. The threshold grows with them, so halving finds it."""
        if score < self.filter.threshold(self._shares[0]):
            return 0
        return bisect.bisect_left(self._shares, True, key=lambda share: score < self.filter.threshold(share))


def replay_decisions(
    history: Sequence[Decided],
    last: int,
    seconds: float,
    shares: Sequence[float] = SHARES,
    clock: Callable[[], float] = time.monotonic,
) -> Replay:
    """Judge the last of these decisions, which are in order of time; the filters learn from all of them.

    Each site has its own filter. Comments from the time when a filter knew too few decisions are not judged.
    ``shares`` are the percentages of good comments to keep that are tried, in ascending order.

    Raises:
        ReplayTooSlow: it took longer than these seconds.
    """
    until = clock() + seconds
    sites: dict[str, _Site] = defaultdict(lambda: _Site(shares))
    judged: list[Judged] = []
    for number, one in enumerate(history):
        if clock() > until:
            raise ReplayTooSlow
        values, site = weigh_features(one.sample), sites[one.site_id]
        if number >= len(history) - last and site.filter.is_ready:
            judged.append(site.judge(one, values))
        site.filter.learn([(values, one.is_spam)])
    filters = {site_id: site.filter for site_id, site in sites.items()}
    return Replay(
        shares,
        judged,
        good=sum(known.good for known in filters.values()),
        spam=sum(known.spam for known in filters.values()),
        missing=min(map(_count_missing, filters.values()), key=sum, default=(LEAST_GOOD, LEAST_SPAM)),
        spam_features=_list_strongest(history, filters, spam=True),
        good_features=_list_strongest(history, filters, spam=False),
    )


def _count_missing(known: SpamFilter) -> tuple[int, int]:
    return max(0, LEAST_GOOD - known.good), max(0, LEAST_SPAM - known.spam)


def _list_strongest(history: Sequence[Decided], filters: Mapping[str, SpamFilter], *, spam: bool) -> Sequence[Feature]:
    """Return the features that decide most often about the newest comments of a label, the most frequent first."""
    newest = itertools.islice((one for one in reversed(history) if one.is_spam is spam), MOST_NAMED)
    counted = Counter(
        feature for one in newest for feature in filters[one.site_id].strongest(one.sample, good=not spam)
    )
    ordered = sorted(counted, key=lambda feature: (-counted[feature], feature))
    return ordered[: MOST_FEATURES[spam]]
