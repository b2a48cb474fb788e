"""The outbox: events become parcels, and parcels are delivered, retried, or given up."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from commentsvc.domain.deliveries import Channel, Event, Outcome, Parcel, ParcelState
from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service, private_read, write
from commentsvc.storage import deliveries, events, installation, parcels
from commentsvc.storage.database import PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
EVENTS_AT_ONCE: Final = 100
SAME_FAILURES: Final = 3  # events that fail one after the other because of the database: it is away
LEASE_SECONDS: Final = 90  # longer than any attempt: after it, the worker that claimed a parcel is taken for dead
# Pause before each next attempt; the last one repeats. Together with the jitter: 14 attempts in three days.
PAUSES: Final = (30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 8 * 3600)
JITTER: Final = 0.2  # a pause is up to this part shorter or longer, so that parcels do not come back together
OVERDUE_MINUTES: Final = 30
GIVE_UP_DAYS: Final = 3
# A parcel that waited while the service, or its whole channel, was away for days has this many attempts nevertheless.
LEAST_ATTEMPTS: Final = 5

# Turns events into parcels, within one unit of work.
FanOut: TypeAlias = Callable[[Write, Sequence[Event]], Awaitable[None]]


class Sender(Protocol):
    """Delivers the parcels of one channel."""

    async def deliver(self, service: Service, parcel: Parcel) -> Outcome:
        """Try to deliver a parcel. A failure is an outcome, never an exception.

        Nothing is delivered if there is nothing to say any more; that counts as delivered.

        Raises:
            Unavailable: it was not tried.
        """

    async def close(self) -> None:
        """Close what it keeps open."""


@dataclass(frozen=True)
class Outlets:
    """The parts that a worker needs; ``app.py`` joins them."""

    fan_outs: Sequence[FanOut] = ()
    senders: Mapping[Channel, Sender] = field(default_factory=dict)


async def expand_events(service: Service, fan_outs: Sequence[FanOut]) -> int:
    """Turn the oldest events into parcels; return how many events there were.

    An event that cannot be turned into parcels does not keep others waiting: it is tried alone, then left alone.
    """
    try:
        return await _expand(service, fan_outs)
    except Unavailable:
        LOG.warning("the database did not turn events into parcels; trying them one by one")
    except Exception:
        LOG.exception("events could not be turned into parcels; trying them one by one")
    return await _expand_alone(service, fan_outs)


async def _expand_alone(service: Service, fan_outs: Sequence[FanOut]) -> int:
    """Turn the oldest events into parcels, one by one; return how many there were.

    Raises:
        Unavailable: no event could be, because of the database. This does not count as their failure.
    """
    numbers, failed = await _list_oldest(service), dict[int, Exception]()
    for number in numbers:
        try:
            await _expand_one(service, fan_outs, number)
        except Exception as error:  # noqa: BLE001 -- logged below, unless the database is away
            failed[number] = error
            if len(failed) == SAME_FAILURES and list(failed) == numbers[:SAME_FAILURES]:
                _refuse_outage(failed)
    if len(failed) == len(numbers):
        _refuse_outage(failed)
    for number, failure in failed.items():
        LOG.error("event %s could not be turned into parcels", number, exc_info=failure)
        await _note_failure(service, number)
    return len(numbers)


def _refuse_outage(failed: Mapping[int, Exception]) -> None:
    if failed and all(isinstance(error, Unavailable) for error in failed.values()):
        raise next(iter(failed.values()))


@write
async def _expand(unit: Write, fan_outs: Sequence[FanOut]) -> int:
    taken = await events.take(unit, EVENTS_AT_ONCE)
    if taken:
        for fan_out in fan_outs:
            await fan_out(unit, taken)
    return len(taken)


@private_read
async def _list_oldest(unit: PrivateRead) -> list[int]:
    return await events.list_oldest(unit, EVENTS_AT_ONCE)


@write
async def _expand_one(unit: Write, fan_outs: Sequence[FanOut], number: int) -> None:
    event = await events.take_one(unit, number)
    if event:
        for fan_out in fan_outs:
            await fan_out(unit, [event])


@write
async def _note_failure(unit: Write, number: int) -> None:
    await events.note_failure(unit, number)


@private_read
async def find_work(unit: PrivateRead, channels: Sequence[Channel]) -> tuple[bool, bool]:
    """Return whether there are events to expand, and whether parcels on these channels are due."""
    return await events.is_any(unit), await parcels.is_due(unit, channels, unit.now())


@private_read
async def find_overdue(unit: PrivateRead) -> str | None:
    """Return since when something should have been sent; None if that is less than ``OVERDUE_MINUTES`` ago."""
    due = [await events.find_oldest(unit), *[await deliveries.find_longest_due(unit, channel) for channel in Channel]]
    oldest = min(filter(None, due), default=None)
    return oldest if oldest and oldest < unit.ago(minutes=OVERDUE_MINUTES) else None


@write
async def claim(unit: Write, channel: Channel, most: int, but: Sequence[str] = ()) -> list[Parcel]:
    """Return parcels that are due, except these. No other worker gets them for ``LEASE_SECONDS``."""
    return await parcels.claim(unit, channel, most, unit.now(), unit.ahead(seconds=LEASE_SECONDS), but)


@write
async def settle(unit: Write, parcel: Parcel, outcome: Outcome, milliseconds: int) -> Outcome:
    """Store how an attempt went; return the outcome as it was stored: dead if it was tried for long enough.

    Nothing is given up because of one jump of the clock.
    """
    due_at = None
    if outcome.state is ParcelState.WAITING:
        is_old = parcel.attempts >= LEAST_ATTEMPTS and parcel.created_at < unit.ago(days=GIVE_UP_DAYS)
        if is_old and not await installation.is_clock_doubtful(unit):
            outcome = _give_up(outcome)
        else:
            due_at = unit.ahead(seconds=max(outcome.retry_after or 0, pause_after(parcel.attempts)))
    await parcels.settle(unit, parcel, outcome, due_at=due_at, milliseconds=milliseconds)
    return outcome


@private_read
async def is_clock_doubtful(unit: PrivateRead) -> bool:
    """Return whether the clock may have jumped. Then nothing is too old."""
    return await installation.is_clock_doubtful(unit)


@write
async def note_delivery(unit: Write, channel: Channel, error: str | None) -> None:
    """Store when something was last delivered on a channel; with ``error``, when it last failed and why."""
    await parcels.note_delivery(unit, channel, unit.now(), error)


def _give_up(outcome: Outcome) -> Outcome:
    return Outcome(
        state=ParcelState.DEAD, status_code=outcome.status_code, response=outcome.response, error=outcome.error
    )


def pause_after(attempts: int) -> float:
    """Return the seconds between an attempt and the next one."""
    pause = PAUSES[min(attempts, len(PAUSES)) - 1]
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- nobody gains by guessing it


@write
async def release_all(unit: Write) -> None:
    """Give back what workers claimed that were killed. Call it only while no other worker can run."""
    await parcels.release_all(unit, unit.now())


@write
async def release(unit: Write, parcel: Parcel) -> None:
    """Give back a parcel that was not tried."""
    await parcels.release(unit, parcel, unit.now())
