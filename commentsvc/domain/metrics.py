"""Define every number that a process counts while it serves, for Prometheus.

No label has personal data: each is the name of a part of this program.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class MetricKind(StrEnum):
    """The kind of a number, which says how Prometheus uses it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, eq=False)
class Metric:
    """A number of the service, or one for each combination of its labels."""

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()  # of the buckets of a histogram

    @property
    def cells(self) -> int:
        """The number of cells for one combination of labels: of a histogram, one a bucket, one more, and the sum."""
        return len(self.bounds) + 2 if self.kind is MetricKind.HISTOGRAM else 1


def _histogram(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, meaning, labels, SECONDS)


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.COUNTER, meaning, labels)


REQUESTS: Final = _histogram(
    "commentsvc_request_seconds",
    "Time to make the response to a request, by route pattern.",
    "method",
    "route",
    "status",
)
UNITS: Final = _histogram("commentsvc_unit_seconds", "Time of a unit of work in the database, by its name.", "unit")
WRITE_WAIT: Final = _histogram("commentsvc_write_wait_seconds", "Time that a unit which writes waited for its turn.")
REFUSALS: Final = _counter("commentsvc_refusals", "Requests that were refused, by the code of the error.", "code")
VERDICTS: Final = _counter(
    "commentsvc_verdicts", "Verdicts on new and edited comments, by kind of rule and effect.", "rule", "effect"
)
LEARNED: Final = _counter(
    "commentsvc_spam_learned", "Decisions that learned filters have learned, by label; none: taken back.", "label"
)
ANSWERS: Final = _counter("commentsvc_answers", "Public questions, answered from memory (hit) or not (miss).", "result")
CONNECTIONS_REFUSED: Final = _counter(
    "commentsvc_connections_refused", "Connections that were refused or closed because there were too many."
)
CONNECTIONS: Final = Metric("commentsvc_connections", MetricKind.GAUGE, "Open connections.")
ANSWER_BYTES: Final = Metric("commentsvc_answer_cache_bytes", MetricKind.GAUGE, "Memory of the answers that are kept.")
ANSWER_NUMBER: Final = Metric("commentsvc_answer_cache_entries", MetricKind.GAUGE, "Answers that are kept in memory.")

METRICS: Final = {
    one.name: one
    for one in (
        REQUESTS,
        UNITS,
        WRITE_WAIT,
        REFUSALS,
        VERDICTS,
        LEARNED,
        ANSWERS,
        CONNECTIONS_REFUSED,
        CONNECTIONS,
        ANSWER_BYTES,
        ANSWER_NUMBER,
    )
}
