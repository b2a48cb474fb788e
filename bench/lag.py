"""Find requests that keep the event loop busy: every route of the service, with its largest realistic answer.

Each request is sent to a service whose loop notes its longest time between two looks at the network, in processor time
(exact on a busy machine), while another client asks for ``/healthz`` without pause. The first request of its kind is
apart: it compiles templates and fills caches.
"""

import itertools
import mmap
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, Self

from bench.lag_requests import Probe, list_probes, prepare_data
from bench.servers import Answer, Server, start_ours
from bench.watched_service import LONGEST

LIMIT_MS: Final = 5.0
REPEATS: Final = 3


@dataclass(frozen=True)
class Lag:
    """The time for which one kind of request kept others waiting, in milliseconds."""

    probe: str
    status: int
    size: int
    first: float  # processor time of the loop at the first request
    again: float  # the same later: the median of some requests
    waited: float  # the longest wait of another client: the median of these requests
    took: float  # time until the answer was complete: the median of these requests

    def line(self) -> str:
        """Return a row of the report."""
        mark = " <-- blocks" if max(self.first, self.again) > LIMIT_MS else ""
        return (
            f"{self.probe:44} {self.status} {self.size:9,} B {self.took:7.1f} "
            f"{self.first:7.1f} {self.again:7.1f} {self.waited:7.1f}{mark}"
        )


@dataclass
class Pinger:
    """A client that asks for ``/healthz`` without pause."""

    port: int
    stopping: threading.Event = field(default_factory=threading.Event)
    waits: list[tuple[float, float]] = field(default_factory=list)  # asked, answered

    def run(self) -> None:
        """Ask until stopped, at least once."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        stopped = False
        while not stopped:
            asked = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.waits.append((asked, time.perf_counter()))
            stopped = self.stopping.wait(0.001)  # leaves the second core to the service's threads
        connection.close()

    @classmethod
    @contextmanager
    def start(cls, port: int) -> Iterator[Self]:
        """Ask in a thread until the context ends, which raises the error of a request that failed."""
        pinger = cls(port)
        with ThreadPoolExecutor(1) as pool:
            pinging = pool.submit(pinger.run)
            try:
                yield pinger
            finally:
                pinger.stopping.set()
            pinging.result()

    def longest(self, begin: float, end: float) -> float:
        """Return the longest wait, in milliseconds, of the requests in a span of time."""
        return max((done - asked for asked, done in self.waits if asked < end and done > begin), default=0.0) * 1000


@contextmanager
def start_watched(folder: Path) -> Iterator[tuple[Server, mmap.mmap]]:
    """Start the service on a loop that is watched; yield it, and the memory with the longest times (``LONGEST``)."""
    file = folder / "longest"
    file.write_bytes(LONGEST.pack(0, 0))
    with (
        start_ours(folder, ("bench.watched_service", str(file), "serve")) as (server, _),
        file.open("r+b") as opened,
        mmap.mmap(opened.fileno(), LONGEST.size) as shared,
    ):
        yield server, shared


def measure_lag(folder: Path, chosen: Callable[[Probe], bool] = lambda _: True) -> Iterable[Lag]:
    """Yield the lag of each chosen kind of request."""
    watched, plain = folder / "watched", folder / "plain"
    watched.mkdir()
    with start_ours(watched) as (server, _):
        probes = [probe for probe in list_probes(prepare_data(server)) if chosen(probe)]
    shutil.copytree(watched, plain)
    with (
        start_watched(watched) as (watched_server, shared),
        start_ours(plain) as (plain_server, _),
        Pinger.start(plain_server.port) as pinger,
    ):
        for probe in probes:
            busy, answer = _measure_loop(watched_server, shared, probe)
            waited, took = _measure_waits(plain_server, pinger, probe)
            again, *rest = map(statistics.median, (busy[1:], waited[1:], took[1:]))
            yield Lag(probe.name, answer.status, len(answer.body), busy[0], again, *rest)


def _measure_loop(server: Server, shared: mmap.mmap, probe: Probe) -> tuple[list[float], Answer]:
    """Return the processor time that the loop took at once, for each request, and the last answer."""
    busy = []
    for request in itertools.islice(probe.requests(), 1 + REPEATS):
        time.sleep(0.05)  # what the last request left to do
        shared[:] = LONGEST.pack(0, 0)
        answer = server.ask(request.method, request.path, request.body, request.headers)
        time.sleep(0.02)
        busy.append(LONGEST.unpack(shared[:])[0] * 1000)
    return busy, answer


def _measure_waits(server: Server, pinger: Pinger, probe: Probe) -> tuple[list[float], list[float]]:
    """Return how long another client waited, and how long the answer took, for each request."""
    waited, took = [], []
    for request in itertools.islice(probe.requests(), 1 + REPEATS):
        time.sleep(0.05)
        answer = server.ask(request.method, request.path, request.body, request.headers)
        time.sleep(0.02)
        waited.append(pinger.longest(answer.asked, answer.complete))
        took.append((answer.complete - answer.asked) * 1000)
    return waited, took


def report_lag(folder: Path, chosen: Callable[[Probe], bool]) -> None:
    """Print the lag of each kind of request."""
    print(f"{'request':44} {'status and size':>15} {'took':>7} {'first':>7} {'again':>7} {'others':>7}  (ms)")
    for lag in measure_lag(folder, chosen):
        print(lag.line(), flush=True)
