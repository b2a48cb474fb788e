"""The worker: it turns events into parcels and delivers them, in ``serve`` or alone in ``commentsvc work``."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from commentsvc.delivery import outbox
from commentsvc.delivery.outbox import Outlets
from commentsvc.domain.deliveries import Channel, Outcome, Parcel, ParcelState
from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service

T = TypeVar("T")
LOG: Final = logging.getLogger(__name__)
IDLE_SECONDS: Final = 1.0  # between two looks for work
DELIVERIES_AT_ONCE: Final = 8  # of each channel
LEAST_REST: Final = 5  # seconds without attempts after a channel failed; doubled each time
MOST_REST: Final = 60
NOTE_SECONDS: Final = 30  # between two notes that a channel still works, or still fails
DRAIN_SECONDS: Final = 8  # what is being delivered may finish when the service stops


class Worker:
    """Delivers the parcels of a service until it is cancelled."""

    def __init__(self, service: Service, outlets: Outlets) -> None:
        """Prepare; ``run`` works."""
        self._service = service
        self._outlets = outlets
        self._running: dict[Channel, dict[asyncio.Task[None], str]] = {channel: {} for channel in outlets.senders}
        self._rest: dict[Channel, float] = {}  # how long a failed channel rests
        self._rests_until: dict[Channel, float] = {}
        self._noted: dict[Channel, tuple[str | None, float]] = {}  # the error, and when that was stored

    async def run(self) -> None:
        """Look for work every second, and at once while there is more."""
        try:
            while True:
                try:
                    busy = await self.work_once()
                except Unavailable:
                    LOG.warning("the database cannot be used; next attempt in %s s", IDLE_SECONDS)
                    busy = False
                except Exception:
                    LOG.exception("delivery failed; next attempt in %s s", IDLE_SECONDS)
                    busy = False
                await self._pause(0 if busy else IDLE_SECONDS)
        finally:
            await self._drain()

    async def work_once(self) -> bool:
        """Expand events and start deliveries; return whether there may be more to do at once."""
        awake = [channel for channel in self._running if time.monotonic() >= self._rests_until.get(channel, 0)]
        has_events, is_due = await outbox.find_work(self._service, awake)
        expanded = await outbox.expand_events(self._service, self._outlets.fan_outs) if has_events else 0
        started = 0
        if is_due or expanded:
            for channel in awake:
                started += await self._start_deliveries(channel)
        return bool(expanded or started)

    async def _start_deliveries(self, channel: Channel) -> int:
        running = self._running[channel]
        free = DELIVERIES_AT_ONCE - len(running)
        # While the database is away, the claims of these may end: they must be settled then, not claimed again.
        own = list(running.values())
        claimed = await outbox.claim(self._service, channel, free, own) if free else []
        for parcel in claimed:
            task = asyncio.create_task(self._deliver(channel, parcel), name=f"delivery of {parcel.id}")
            running[task] = parcel.id
            task.add_done_callback(running.pop)
        return len(claimed)

    async def _deliver(self, channel: Channel, parcel: Parcel) -> None:
        started = time.monotonic()
        if started < self._rests_until.get(channel, 0):  # another delivery found out after this one was claimed
            await self._store(lambda: outbox.release(self._service, parcel))
            return
        try:
            outcome = await self._outlets.senders[channel].deliver(self._service, parcel)
        except Unavailable:  # before anything was sent: the database was away, or every connection was in use
            await self._store(lambda: outbox.release(self._service, parcel))
            return
        except Exception:
            LOG.exception("parcel %s could not be delivered", parcel.id)
            outcome = Outcome(state=ParcelState.WAITING, error="Internal error; the log has the details.")
        self._let_rest(channel, outcome)
        milliseconds = round((time.monotonic() - started) * 1000)
        outcome = await self._store(functools.partial(outbox.settle, self._service, parcel, outcome, milliseconds))
        if outcome.error:
            LOG.warning("parcel %s (%s): %s", parcel.id, parcel.kind, outcome.state.value)
        if _is_news(outcome):
            await self._note(channel, outcome.error)

    async def _store(self, change: Callable[[], Awaitable[T]]) -> T:
        """Store how an attempt went. Try until the database is back: what was accepted must not go out again."""
        while True:
            try:
                return await change()
            except Unavailable:
                await asyncio.sleep(IDLE_SECONDS)

    async def _note(self, channel: Channel, error: str | None) -> None:
        """Store that the channel works or fails, if that is news: all deliveries would wait for one row."""
        noted, at = self._noted.get(channel, ("never", 0.0))
        if noted != error or time.monotonic() - at > NOTE_SECONDS:
            self._noted[channel] = (error, time.monotonic())
            await outbox.note_delivery(self._service, channel, error)

    def _let_rest(self, channel: Channel, outcome: Outcome) -> None:
        """Let a channel rest that failed as a whole: each parcel would only fail too."""
        if outcome.channel_failed:
            if time.monotonic() < self._rests_until.get(channel, 0):
                return  # those that began together fail together: that is one failure
            rest = min(2 * self._rest.get(channel, LEAST_REST / 2), MOST_REST)
            self._rest[channel] = rest
            self._rests_until[channel] = time.monotonic() + rest
        else:
            self._rest.pop(channel, None)

    async def _pause(self, seconds: float) -> None:
        """Wait this long, or until a delivery ends and another can start."""
        running = [task for tasks in self._running.values() for task in tasks]
        full = any(len(tasks) >= DELIVERIES_AT_ONCE for tasks in self._running.values())
        if full:
            await asyncio.wait(running, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

    async def _drain(self) -> None:
        """Let deliveries finish: one that is cut off would be repeated, perhaps after its receiver accepted it."""
        running = [task for tasks in self._running.values() for task in tasks]
        if running:
            await asyncio.wait(running, timeout=DRAIN_SECONDS)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for sender in self._outlets.senders.values():
            await sender.close()


def _is_news(outcome: Outcome) -> bool:
    """Return whether an outcome says that the channel works or fails. A refusal of one parcel says neither."""
    if outcome.state is ParcelState.DELIVERED:
        return outcome.was_sent
    return outcome.state is ParcelState.WAITING and not outcome.of_recipient
