"""Make the text that Prometheus reads: what the workers counted, and what waits in the database."""

import asyncio
import platform
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import commentsvc
from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.domain.metric_memory import MetricMemory, Recorder, Totals
from commentsvc.domain.metrics import Metric, MetricKind
from commentsvc.operations.backlog import Backlog, measure_backlog
from commentsvc.service import Service

DATABASE_SECONDS: Final = 5


def start_counting(service: Service, recorder: Recorder | None = None) -> None:
    """Count from now on what this process does, if a setting says so.

    Raises:
        ConfigurationError: the library that writes the text is not installed.
    """
    if service.config.measures:
        require_library(service.config)
        service.parts.setdefault(Recorder, recorder or MetricMemory().recorder())


def require_library(config: Config) -> None:
    """Check that metrics can be written, if they are switched on.

    Raises:
        ConfigurationError: the library is not installed.
    """
    if not config.measures:
        return
    try:
        import prometheus_client  # noqa: F401, PLC0415 -- an optional extra
    except ImportError:
        name = "METRICS_TOKEN" if config.metrics_token else "METRICS_LISTEN"
        raise ConfigurationError(
            f"{PREFIX}{name} is set, but the library for metrics is not installed. "
            "Install it with: pip install 'commentsvc[metrics]'"
        ) from None


async def write_metrics(service: Service) -> bytes:
    """Return all metrics in the text format of Prometheus.

    If the database does not answer, its numbers are missing and ``commentsvc_database_up`` is 0.
    """
    recorder = service.part(Recorder)
    backlog, lag = None, None
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            backlog, lag = await measure_backlog(service), await service.db.measure_replica_lag()
    except (Unavailable, TimeoutError):
        pass
    families = [
        *_describe_counts(recorder.memory.add_up()),
        *_describe_processes(recorder.memory.list_processes()),
        *_describe_service(service),
        *_describe_backlog(backlog, lag),
    ]
    return await asyncio.to_thread(_encode, families)


def _encode(families: list[Any]) -> bytes:
    from prometheus_client import generate_latest  # noqa: PLC0415 -- an optional extra

    class Families:
        """A registry, as far as ``generate_latest`` uses it."""

        def collect(self) -> list[Any]:
            return families

    return generate_latest(Families())  # it calls no other method


def _describe_counts(totals: Totals) -> Iterator[Any]:
    from prometheus_client import core  # noqa: PLC0415 -- an optional extra

    for metric, found in totals.items():
        if metric.kind is MetricKind.HISTOGRAM:
            histogram = core.HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, cells in sorted(found.items()):
                histogram.add_metric(labels, _add_up_buckets(metric, cells), cells[-1])
            yield histogram
            continue
        kind = core.CounterMetricFamily if metric.kind is MetricKind.COUNTER else core.GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.labels)
        for labels, (value,) in sorted((found or ({} if metric.labels else {(): [0.0]})).items()):
            family.add_metric(labels, value)
        yield family


def _add_up_buckets(metric: Metric, cells: list[float]) -> list[tuple[str, float]]:
    """Return each bucket with the number of values up to its bound, as Prometheus has them."""
    bounds = [*(f"{bound:g}" for bound in metric.bounds), "+Inf"]
    sums, total = [], 0.0
    for bound, number in zip(bounds, cells, strict=False):
        total += number
        sums.append((bound, total))
    return sums


def _describe_processes(pids: dict[int, int]) -> Iterator[Any]:
    """Yield processor time, memory and open files of each worker, where the system tells them (Linux)."""
    from prometheus_client import CollectorRegistry, ProcessCollector, core  # noqa: PLC0415 -- an optional extra

    kinds = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily}
    families: dict[str, Any] = {}
    for number, pid in pids.items():
        collector = ProcessCollector(namespace="commentsvc", pid=partial(int, pid), registry=CollectorRegistry())
        for one in collector.collect():
            made = kinds[one.type](one.name, f"{one.documentation} One series a worker.", labels=("worker",))
            family = families.setdefault(one.name, made)
            for sample in one.samples:
                family.add_metric((str(number),), sample.value)
    yield from families.values()


def _describe_service(service: Service) -> Iterator[Any]:
    from prometheus_client import core  # noqa: PLC0415 -- an optional extra

    build = core.GaugeMetricFamily(
        "commentsvc_build_info", "Version of the program.", labels=("version", "python", "database")
    )
    path = service.config.sqlite_path
    build.add_metric((commentsvc.__version__, platform.python_version(), "sqlite" if path else "postgresql"), 1)
    yield build
    writes = service.db.writes
    yield _gauge("commentsvc_oldest_write_seconds", "Age of the oldest unfinished write.", writes.longest_wait())
    if path:
        with suppress(OSError):  # the file or its disk is gone: the other numbers are wanted most now
            yield from _describe_disk(path)


def _describe_disk(path: Path) -> Iterator[Any]:
    disk = shutil.disk_usage(path.parent)
    yield _gauge("commentsvc_disk_free_bytes", "Free space where the SQLite database is.", disk.free)
    yield _gauge("commentsvc_disk_size_bytes", "Size of the disk with the SQLite database.", disk.total)
    yield _gauge("commentsvc_database_bytes", "Size of the SQLite database file.", path.stat().st_size)


def _gauge(name: str, meaning: str, value: float) -> Any:
    from prometheus_client import core  # noqa: PLC0415 -- an optional extra

    return core.GaugeMetricFamily(name, meaning, value=value)


def _describe_backlog(backlog: Backlog | None, lag: float | None) -> Iterator[Any]:
    yield _gauge("commentsvc_database_up", "Whether the database answered.", float(backlog is not None))
    if lag is not None:
        yield _gauge("commentsvc_replica_lag_seconds", "Since when the replica has lacked something.", lag)
    if backlog is None:
        return
    yield _gauge(
        "commentsvc_queue_oldest_seconds", "Age of the oldest pending comment.", backlog.oldest_pending_seconds
    )
    yield _gauge("commentsvc_event_oldest_seconds", "Age of the oldest unread event.", backlog.oldest_event_seconds)
    if backlog.backup_seconds is not None:
        yield _gauge("commentsvc_backup_age_seconds", "Age of the last backup.", backlog.backup_seconds)
    failed = float(backlog.backup_failed)
    yield _gauge("commentsvc_backup_failed", "1: a backup failed, and none was made since then.", failed)
    yield _gauges("commentsvc_comments", "Comments by status; reported ones count in both.", "status", backlog.comments)
    channels = backlog.channels.items()
    for name, meaning, field in (
        ("commentsvc_outbox_waiting", "Mails and webhook requests that wait, up to 100,000.", "waiting"),
        ("commentsvc_outbox_dead", "Mails and webhook requests that were given up.", "dead"),
        ("commentsvc_outbox_late_seconds", "Since when the oldest delivery has been due.", "late_seconds"),
    ):
        yield _gauges(name, meaning, "channel", {channel: getattr(state, field) for channel, state in channels})


def _gauges(name: str, meaning: str, label: str, values: dict[str, Any]) -> Any:
    from prometheus_client import core  # noqa: PLC0415 -- an optional extra

    family = core.GaugeMetricFamily(name, meaning, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family
