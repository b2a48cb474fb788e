"""Delete nothing because of one jump of the clock.

A computer that starts with a wrong clock, or a mistake of an operator, makes everything look old. So expired data is
deleted only while the clock continues from the cleanup before, or has kept its new time for a day.
"""

import logging
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import write
from commentsvc.storage import installation
from commentsvc.storage.database import Write

LOG: Final = logging.getLogger(__name__)
PROOF: Final = timedelta(days=1)


class Judgement(NamedTuple):
    """A decision about a cleanup: to delete or not. Both times are stored for the next one."""

    trusted: bool  # whether to delete now
    cleaned_at: datetime | None  # when expired data was last deleted
    doubted_at: datetime | None  # since when the clock is in doubt


def judge_clock(now: datetime, cleaned_at: datetime | None, doubted_at: datetime | None) -> Judgement:
    """Judge the clock by the time of the last cleanup, and by the time at which it was first doubted."""
    if cleaned_at is None or abs(now - cleaned_at) <= installation.CLEANUP_GAP:
        return Judgement(trusted=True, cleaned_at=now, doubted_at=None)
    if doubted_at is None or now < doubted_at:
        return Judgement(trusted=False, cleaned_at=cleaned_at, doubted_at=now)
    if now - doubted_at < PROOF:
        return Judgement(trusted=False, cleaned_at=cleaned_at, doubted_at=doubted_at)
    return Judgement(trusted=True, cleaned_at=now, doubted_at=None)


@write
async def may_delete(unit: Write) -> bool:
    """Return whether expired data may be deleted now, and remember the time for the next question."""
    now = unit.clock()
    cleaned, doubted = await installation.get_cleanup(unit)
    before = parse_time(cleaned) if cleaned else None
    judgement = judge_clock(now, before, parse_time(doubted) if doubted else None)
    if before and judgement.doubted_at == now:
        LOG.warning(
            "the last cleanup was %.0f days away: the service was stopped for long, or the clock was wrong. "
            "Expired data is deleted when the clock has kept its time for a day.",
            abs((now - before) / timedelta(days=1)),
        )
    await installation.set_cleanup(unit, *(format_time(one) if one else "" for one in judgement[1:]))
    return judgement.trusted
