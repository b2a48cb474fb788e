"""Limits of open connections, and of the memory for answers that clients have not read.

The numbers are those of one process. Without them, a few clients could use up the descriptors or the memory of all.
"""

import logging
import resource
import time
from collections import Counter
from typing import Any, Final, Protocol

from commentsvc.config.settings import Config
from commentsvc.domain import networks
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.metrics import CONNECTIONS, CONNECTIONS_REFUSED

LOG: Final = logging.getLogger(__name__)
RESERVED_FILES: Final = 256  # for databases, logs and everything else that is no connection
REPORT_SECONDS: Final = 60.0
EVICTED_AT_ONCE: Final = 64  # looking for the slowest takes a millisecond for a thousand, so it should not be often
MAX_UNSENT: Final = 64 * 1024 * 1024


class Counted(Protocol):
    """A connection as the limits see it."""

    network: str | None  # None: of a trusted proxy, of this computer, or by a socket file

    def waits_since(self) -> float | None:
        """Return when it began to wait for its client's first byte or rest of a request; None if it does not."""

    def unsent(self) -> int:
        """Return the memory of its unread answers, in bytes."""

    def abort(self) -> None:
        """Close it at once."""

    def close_if_late(self, now: float, deadlines: Any) -> bool:
        """Close it if its client is too slow. Return whether it was."""


def raise_file_limit(connections: int) -> int:
    """Allow this process as many open files as its connections need. Return how many connections it can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else min(connections, max(soft - RESERVED_FILES, soft // 2))


class ConnectionLimits:
    """The open connections of a process, by network."""

    def __init__(self, config: Config, recorder: Recorder | None = None) -> None:
        self._config = config
        self._recorder = recorder
        self._most = raise_file_limit(config.connections)
        self._open: dict[Counted, None] = {}
        self._of_network: Counter[str] = Counter()
        self._writing: dict[Counted, None] = {}  # their clients read too slowly; the longest first
        self._reported = -REPORT_SECONDS
        self._refused: Counter[str] = Counter()

    def network_of(self, peer: object) -> str | None:
        """Return the network whose connections count together: /24 or /48. None: they do not."""
        named = networks.parse_hop(str(peer[0])) if isinstance(peer, tuple) and peer else None
        if named is None or networks.is_loopback(named) or networks.is_in(named, self._config.proxies):
            return None
        return networks.widen_address(named)

    def admit(self, connection: Counted) -> bool:
        """Count a new connection. Return whether it may be served."""
        network = connection.network
        if network is not None and self._of_network[network] >= self._config.network_connections:
            self._report(f"more than {self._config.network_connections} from one network (/24 or /48)")
            return False
        if len(self._open) >= self._most and not self._make_room():
            self._report(f"more than {self._most} in all")
            return False
        self._open[connection] = None
        self._note_number()
        if network is not None:
            self._of_network[network] += 1
        return True

    def list_open(self) -> list[Counted]:
        """Return the open connections."""
        return list(self._open)

    def _note_number(self) -> None:
        if self._recorder is not None:
            self._recorder.set(CONNECTIONS, len(self._open))

    def release(self, connection: Counted) -> None:
        """Forget a connection that is closed."""
        self._release(connection)
        self._note_number()

    def _release(self, connection: Counted) -> None:
        self._writing.pop(connection, None)
        if self._open.pop(connection, self) is None and connection.network is not None:
            self._of_network[connection.network] -= 1
            if not self._of_network[connection.network]:
                del self._of_network[connection.network]

    def _make_room(self) -> bool:
        """Close those that have waited longest for their client to say something. Return whether there were any."""
        waiting = [(since, one) for one in self._open if (since := one.waits_since()) is not None]
        waiting.sort(key=lambda pair: pair[0])
        for _, one in waiting[:EVICTED_AT_ONCE]:
            self.release(one)
            one.abort()
        if waiting:
            self._report(f"more than {self._most} in all: the longest idle ones were closed")
        return bool(waiting)

    def note_writing(self, connection: Counted) -> None:
        """Note that a client reads more slowly than it is written to; make room for its answer."""
        self._writing[connection] = None
        unsent = {one: one.unsent() for one in self._writing}
        excess = sum(unsent.values()) - MAX_UNSENT
        while excess > 0:
            # Of the network that needs most, the one that has been reading for longest.
            by_network: Counter[str | None] = Counter()
            for one, size in unsent.items():
                by_network[one.network] += size
            ((network, _),) = by_network.most_common(1)
            slowest = next(one for one in unsent if one.network == network)
            excess -= unsent.pop(slowest)
            self._writing.pop(slowest)
            self._report(f"unread answers of more than {MAX_UNSENT >> 20} MiB: the slowest reader was cut off")
            slowest.abort()

    def note_written(self, connection: Counted) -> None:
        """Note that a client has read what it was written."""
        self._writing.pop(connection, None)

    def _report(self, why: str) -> None:
        """Log why connections were refused, at most once a minute."""
        self._refused[why] += 1
        if self._recorder is not None:
            self._recorder.count(CONNECTIONS_REFUSED)
        if time.monotonic() - self._reported < REPORT_SECONDS:
            return
        self._reported = time.monotonic()
        for reason, number in self._refused.items():
            LOG.warning("connections refused or closed: %d, %s", number, reason)
        self._refused.clear()
