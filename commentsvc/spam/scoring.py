"""Score comments with the filter of their site. Filters are kept in memory.

Decoding a filter takes up to 100 ms, so it never happens inside a unit of work: a unit that finds another version
raises ``FilterNotLoaded``, and runs again after the filter is loaded.
"""

import asyncio
import logging
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from commentsvc.service import Service, private_read, write
from commentsvc.spam.features import Feature, Sample, weigh_features
from commentsvc.spam.filter import SpamFilter
from commentsvc.storage import spam_filters
from commentsvc.storage.database import Environment, PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
MOST_LOADED: Final = 100  # filters of sites; one has up to a few megabytes
UNKNOWN: Final = -1  # the score of a comment in the database, without a filter that is ready
DEFAULT_KEEP: Final = 99.5  # percent of good comments


class FilterNotLoaded(Exception):  # noqa: N818 -- not an error: the unit runs again
    """The filter of this site is not in memory, or it is another version."""

    def __init__(self, site_id: str) -> None:
        super().__init__(site_id)
        self.site_id = site_id


@dataclass(frozen=True)
class LoadedFilter:
    """A version of a site's filter. ``thresholds``: those that were asked for, by the percentage to keep."""

    version: int
    learned: SpamFilter
    thresholds: dict[float, float] = field(default_factory=dict)

    def find_threshold(self, keep: float) -> float:
        """Return the score from which a comment counts as spam, if this percentage of good comments is kept."""
        if keep not in self.thresholds:
            self.thresholds[keep] = self.learned.threshold(keep)
        return self.thresholds[keep]


class LoadedFilters:
    """The filters that were used last, by site."""

    def __init__(self) -> None:
        self._by_site: OrderedDict[str, LoadedFilter] = OrderedDict()
        self._lock = threading.Lock()  # units of work may run in threads

    def get(self, site_id: str) -> LoadedFilter | None:
        """Return the filter of a site, if it is in memory."""
        with self._lock:
            if site_id in self._by_site:
                self._by_site.move_to_end(site_id)
            return self._by_site.get(site_id)

    def put(self, site_id: str, loaded: LoadedFilter) -> None:
        """Keep a filter; drop the one that was not used for the longest time if there are too many."""
        with self._lock:
            self._by_site[site_id] = loaded
            self._by_site.move_to_end(site_id)
            if len(self._by_site) > MOST_LOADED:
                self._by_site.popitem(last=False)


@dataclass(frozen=True)
class Score:
    """The likelihood that a comment is spam, from 0 to 1, by a filter."""

    value: float
    sample: Sample
    judge: LoadedFilter

    @property
    def features(self) -> Sequence[Feature]:
        """The features that say that it is spam, the strongest first."""
        return self.judge.learned.strongest(self.sample)

    @property
    def thousandths(self) -> int:
        """The score as it is stored."""
        return to_thousandths(self.value)

    def is_spam(self, keep: float) -> bool:
        """Tell whether it counts as spam, if this percentage of good comments is kept."""
        return self.value >= self.judge.find_threshold(keep)


def to_thousandths(score: float) -> int:
    """Return a score as it is stored."""
    return round(1000 * score)


def score_sample(env: Environment, site_id: str, version: int | None, sample: Sample) -> Score | None:
    """Return the score of a comment by this version of the filter of its site; None if it has not learned enough.

    Raises:
        FilterNotLoaded: The filter is not in memory. ``load_filter`` puts it there.
    """
    if version is None:
        return None
    loaded = env.part(LoadedFilters).get(site_id)
    if loaded is None or loaded.version != version:
        raise FilterNotLoaded(site_id)
    if not loaded.learned.is_ready:
        return None
    return Score(loaded.learned.score(weigh_features(sample)), sample, loaded)


async def load_filter(service: Service, site_id: str) -> None:
    """Decode the filter of a site and keep it in memory.

    One that cannot be decoded, such as another version's, says nothing until it is made again.
    """
    stored = await _read_filter(service, site_id)
    if stored is None:
        return
    version, state = stored
    learned = await asyncio.to_thread(decode_filter, state)
    if learned is None:
        LOG.warning("the learned filter of site %s cannot be read; it is learned again", site_id)
        await _note_unreadable(service, site_id)
    await keep_filter(service, site_id, version, learned or SpamFilter())


def decode_filter(state: str) -> SpamFilter | None:
    """Return a stored filter; None if it cannot be decoded."""
    try:
        return SpamFilter.decode(state)
    except (ValueError, TypeError, struct.error, zlib.error):
        return None


async def keep_filter(service: Service, site_id: str, version: int, learned: SpamFilter) -> None:
    """Keep a filter in memory. Nobody may change it from now on."""
    loaded = LoadedFilter(version, learned)
    await asyncio.to_thread(loaded.find_threshold, DEFAULT_KEEP)  # it sorts thousands of scores
    service.part(LoadedFilters).put(site_id, loaded)


@private_read
async def _read_filter(unit: PrivateRead, site_id: str) -> tuple[int, str] | None:
    row = await spam_filters.get(unit, site_id)
    return (row["version"], row["state"]) if row else None


@write
async def _note_unreadable(unit: Write, site_id: str) -> None:
    await spam_filters.set_stale(unit, site_id)
