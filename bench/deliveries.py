"""Measure the outbox with many parcels waiting: claims, deliveries and memory, on both engines."""

import asyncio
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.databases import open_folder
from bench.postgres import open_reachable_folder, start_postgres
from commentsvc import app
from commentsvc.config.environment import read_config
from commentsvc.delivery import outbox
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel, NewParcel, Outcome, Parcel, ParcelState
from commentsvc.service import Service, write
from commentsvc.storage import parcels
from commentsvc.storage.database import Write

WAITING: Final = 100_000
IN_ONE_UNIT: Final = 1000
CLAIMS: Final = 100
CLAIMED: Final = 8
DELIVERED: Final = 4000
SECRET: Final = "a-secret-of-the-measurements-long-enough"  # noqa: S105 -- of a database that is deleted


class Sink:
    """Accepts everything at once, so that only the outbox is measured."""

    def __init__(self) -> None:
        self.delivered = 0
        self.enough = asyncio.Event()

    async def deliver(self, _service: Service, _parcel: Parcel) -> Outcome:
        """Accept a parcel."""
        self.delivered += 1
        if self.delivered == DELIVERED:
            self.enough.set()
        return Outcome(state=ParcelState.DELIVERED)

    async def close(self) -> None:
        """Close nothing."""


@write
async def _add_parcels(unit: Write, number: int) -> None:
    for _ in range(number):
        await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="held", owner=unit.new_id()))


@asynccontextmanager
async def _open(database_url: str) -> AsyncIterator[Service]:
    config = read_config({"COMMENTSVC_DATABASE_URL": database_url, "COMMENTSVC_SECRET_KEY": SECRET})
    async with app.open_ready_service(config) as service:
        yield service


async def measure_outbox(database_url: str, name: str) -> None:
    """Fill the outbox, then claim, then deliver."""
    async with _open(database_url) as service:
        for _ in range(WAITING // IN_ONE_UNIT):
            await _add_parcels(service, IN_ONE_UNIT)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = []
        for _ in range(CLAIMS):
            started = time.perf_counter()
            claimed = await outbox.claim(service, Channel.MAIL, CLAIMED)
            times.append((time.perf_counter() - started) * 1000)
            for parcel in claimed:
                await outbox.release(service, parcel)
        sink = Sink()
        worker = asyncio.create_task(Worker(service, Outlets(senders={Channel.MAIL: sink})).run())
        started = time.perf_counter()
        await sink.enough.wait()
        rate = sink.delivered / (time.perf_counter() - started)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{name:10} {WAITING:,} waiting: claim of {CLAIMED} {statistics.median(times):.2f} ms "
        f"(p99 {sorted(times)[-2]:.2f}), {rate:.0f} parcels/s, memory +{grown / 1024:.1f} MB",
        flush=True,
    )


def measure_deliveries() -> None:
    """Measure SQLite, then PostgreSQL."""
    with open_folder() as folder:
        asyncio.run(measure_outbox(f"sqlite:///{folder}/bench.db", "SQLite"))
    with open_reachable_folder() as folder, start_postgres(folder) as url:
        asyncio.run(measure_outbox(url, "PostgreSQL"))
