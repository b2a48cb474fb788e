"""A budget of processor time for each network, for requests without a key or a session.

Answers from memory cost nothing. All other work counts with the time that it took, so that no client can find a kind of
request that is expensive and free. Each process counts in memory; see docs/decisions/0059-limits-of-clients.md.
"""

import math
import time
from collections import OrderedDict
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain.errors import RateLimited

MAX_NETWORKS: Final = 10_000  # about 2 MB
DEFAULT: Final = (12, 60)  # without a limit: the numbers only say how fast use fades
UNKNOWN_COST: Final = 0.005  # seconds
FADING: Final = 0.9
MAX_USED: Final = 2  # budgets: so nobody waits longer than one period


class WorkBudget:
    """The processor time that networks have used lately: it fades at the rate of the budget."""

    def __init__(self, config: Config) -> None:
        seconds, period = config.work_allowance or DEFAULT
        self._is_limited = config.work_allowance is not None
        self._budget, self._rate = float(seconds), seconds / period
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()  # seconds, when; the latest is the last
        self._costs: OrderedDict[tuple[str, str], float] = OrderedDict()  # of a network's latest requests of a kind

    def used(self, network: str) -> float:
        """Return the processor time that a network has used lately, in seconds."""
        used, at = self._used.get(network, (0.0, 0.0))
        return max(0.0, used - (time.monotonic() - at) * self._rate)

    def expected(self, network: str, kind: str) -> float:
        """Return how much processor time a network's next request of a kind will need, in seconds."""
        return self._costs.get((network, kind), UNKNOWN_COST)

    def charge(self, network: str, kind: str, seconds: float) -> None:
        """Add the processor time of a request of some kind."""
        used = min(self.used(network) + seconds, MAX_USED * self._budget)
        self._used[network] = used, time.monotonic()
        # The highest, not the mean: else cheap requests would hide expensive ones.
        self._costs[network, kind] = max(seconds, self._costs.get((network, kind), 0) * FADING)
        self._used.move_to_end(network)
        self._costs.move_to_end((network, kind))
        if len(self._used) > MAX_NETWORKS:
            self._used.popitem(last=False)
        if len(self._costs) > MAX_NETWORKS:
            self._costs.popitem(last=False)

    def require(self, network: str) -> None:
        """Check that a network has not used up its budget.

        Raises:
            RateLimited: it has.
        """
        excess = self.used(network) - self._budget
        if self._is_limited and excess > 0:
            raise RateLimited(math.ceil(excess / self._rate) + 1)
