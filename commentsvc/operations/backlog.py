"""Measure the backlog of the database: comments for a moderator, mails and webhook requests for a worker."""

from datetime import datetime

import msgspec

from commentsvc.domain.deliveries import Channel
from commentsvc.domain.timestamps import parse_time
from commentsvc.service import private_read
from commentsvc.storage import backlog, backups, deliveries, events, totals
from commentsvc.storage.database import PrivateRead


class ChannelBacklog(msgspec.Struct, frozen=True):
    """The backlog of one channel. ``late_seconds``: for how long the oldest parcel has been due."""

    waiting: int
    dead: int
    late_seconds: float


class Backlog(msgspec.Struct, frozen=True):
    """The backlog of the service. Ages are in seconds; 0: nothing waits."""

    comments: dict[str, int]  # by status; and those that readers reported
    oldest_pending_seconds: float
    oldest_event_seconds: float
    channels: dict[str, ChannelBacklog]
    backup_seconds: float | None  # age of the last backup; None: none was made
    backup_failed: bool  # since the last one, or before the first one


@private_read
async def measure_backlog(unit: PrivateRead) -> Backlog:
    """Return what waits now. It names nobody."""
    now = unit.clock()
    channels = {}
    for channel in Channel:
        channels[channel.value] = ChannelBacklog(
            waiting=await deliveries.count_waiting(unit, channel, backlog.MOST),
            dead=await backlog.count_dead(unit, channel),
            late_seconds=_age(await deliveries.find_longest_due(unit, channel), now),
        )
    last = await backups.get_last(unit)
    counts = await totals.count_by_status(unit, None)
    return Backlog(
        comments={name: int(counts[name]) for name in totals.COUNTERS},
        oldest_pending_seconds=_age(await backlog.find_oldest_pending(unit), now),
        oldest_event_seconds=_age(await events.find_oldest(unit), now),
        channels=channels,
        backup_seconds=_age(last.made_at, now) if last.made_at else None,
        backup_failed=bool(last.failed_at),
    )


def _age(time: str | None, now: datetime) -> float:
    return max(0.0, (now - parse_time(time)).total_seconds()) if time else 0.0
