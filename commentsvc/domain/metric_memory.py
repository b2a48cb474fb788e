"""Count in memory that the workers of a service share, so that each of them can tell the numbers of all.

Every worker has a region of its own, so no two processes write to the same place. A worker that takes the place of a
dead one goes on with its counts: no count ever falls while the service runs. Counting takes about half a microsecond;
files and sockets would take ten times as long (docs/decisions/0088-doctor-and-metrics.md).
"""

import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from commentsvc.domain.metrics import METRICS, Metric, MetricKind

# Of a region. The system gives memory only to pages that were written to.
NAME_BYTES: Final = 512 * 1024
CELLS: Final = 64 * 1024
CELL_BYTES: Final = 8
HEAD: Final = 2  # cells: the length of the names, and the process id
REGION: Final = HEAD * CELL_BYTES + NAME_BYTES + CELLS * CELL_BYTES
BETWEEN: Final = "\t"

Labels = tuple[str, ...]
Totals = dict[Metric, dict[Labels, list[float]]]


class MetricMemory:
    """The numbers of all workers of a service. It is created before they are forked."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, workers * REGION)  # shared with all children

    def recorder(self, number: int = 1) -> "Recorder":
        """Return the recorder of a worker. Workers are numbered from 1."""
        return Recorder(self, self._region(number))

    def _region(self, number: int) -> memoryview:
        return memoryview(self._memory)[(number - 1) * REGION : number * REGION]

    def add_up(self) -> Totals:
        """Return the sums over all workers."""
        totals: Totals = {metric: {} for metric in METRICS.values()}
        for number in range(1, self._workers + 1):
            for metric, labels, cells in _read(self._region(number)):
                sums = totals[metric].setdefault(labels, [0.0] * metric.cells)
                for at, value in enumerate(cells):
                    sums[at] += value
        return totals

    def list_processes(self) -> dict[int, int]:
        """Return the process ids of the workers that have begun, by their numbers."""
        pids = {number: self._region(number).cast("q")[1] for number in range(1, self._workers + 1)}
        return {number: pid for number, pid in pids.items() if pid}


def _split(region: memoryview) -> "tuple[memoryview, memoryview, memoryview[float]]":
    """Return the head, the names and the cells of a region."""
    start = HEAD * CELL_BYTES
    names = region[start : start + NAME_BYTES]
    return region[:start].cast("q"), names, region[start + NAME_BYTES :].cast("d")


def _read(region: memoryview) -> Iterator[tuple[Metric, Labels, list[float]]]:
    head, names, cells = _split(region)
    at = 0
    for line in bytes(names[: head[0]]).decode().splitlines():
        name, *labels = line.split(BETWEEN)
        metric = METRICS[name]
        yield metric, tuple(labels), list(cells[at : at + metric.cells])
        at += metric.cells


class Recorder:
    """Counts what one process does."""

    def __init__(self, memory: MetricMemory, region: memoryview) -> None:
        self.memory = memory
        self._head, self._names, self.cells = _split(region)
        self._lock = threading.Lock()  # units of work have threads
        self._places: dict[Metric, dict[Labels, int]] = {metric: {} for metric in METRICS.values()}
        self._used = 0
        for metric, labels, _ in _read(region):  # of the worker whose place this one takes
            self._places[metric][labels] = self._used
            if metric.kind is MetricKind.GAUGE:
                self.cells[self._used] = 0
            self._used += metric.cells
        self._head[1] = os.getpid()

    def place(self, metric: Metric, labels: Labels = ()) -> int:
        """Return where the cells of these labels begin in ``cells``; -1 if there is no more room."""
        with self._lock:
            at = self._places[metric].get(labels, -1)
            return at if at >= 0 else self._add(metric, labels)

    def count(self, metric: Metric, labels: Labels = (), number: float = 1) -> None:
        """Add to a counter, or to a gauge."""
        with self._lock:
            at = self._places[metric].get(labels, -1)
            if at < 0 and (at := self._add(metric, labels)) < 0:
                return
            self.cells[at] += number

    def set(self, metric: Metric, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            at = self._places[metric].get((), -1)
            if at < 0 and (at := self._add(metric, ())) < 0:
                return
            self.cells[at] = value

    def observe(self, metric: Metric, labels: Labels, value: float) -> None:
        """Add a value to a histogram."""
        with self._lock:
            at = self._places[metric].get(labels, -1)
            if at < 0 and (at := self._add(metric, labels)) < 0:
                return
            cells = self.cells
            cells[at + bisect_left(metric.bounds, value)] += 1
            cells[at + len(metric.bounds) + 1] += value

    def _add(self, metric: Metric, labels: Labels) -> int:
        """Find a place for new labels; return -1 if there is no more room: then they are not counted."""
        line = f"{BETWEEN.join((metric.name, *labels))}\n".encode()
        end, at = self._head[0] + len(line), self._used
        if end > NAME_BYTES or at + metric.cells > CELLS:
            return -1
        self._names[self._head[0] : end] = line
        self._head[0] = end  # last: others read up to here
        self._places[metric][labels] = at
        self._used += metric.cells
        return at


class ThreadHistogram:
    """A histogram that one thread alone observes: it needs no lock, and takes a third of the time."""

    def __init__(self, recorder: Recorder, metric: Metric) -> None:
        self._recorder, self._metric, self._cells = recorder, metric, recorder.cells
        self._bounds, self._sum = metric.bounds, len(metric.bounds) + 1
        self._places: dict[Labels, int] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Add a value."""
        at = self._places.get(labels)
        if at is None:
            at = self._places[labels] = self._recorder.place(self._metric, labels)
        if at >= 0:
            self._cells[at + bisect_left(self._bounds, value)] += 1
            self._cells[at + self._sum] += value


class ThreadCounter:
    """A counter that one thread alone counts."""

    def __init__(self, recorder: Recorder, metric: Metric, labels: Labels) -> None:
        self._cells, self._place = recorder.cells, recorder.place(metric, labels)

    def count(self) -> None:
        """Add one."""
        if self._place >= 0:
            self._cells[self._place] += 1
