"""Fill memory in the background with decisions that came without a call: before an upgrade, or by an import.

A transaction on PostgreSQL may take the number of its decision early, and commit it late. So decisions are read when
they appear, and once more after ``SETTLED``, when every transaction that had a number then is over.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from commentsvc.domain.meter import metered
from commentsvc.service import Service, private_read, write
from commentsvc.spam.memory import remember_decisions
from commentsvc.spam.near_text import read_fingerprint
from commentsvc.storage import memory_keys, threads
from commentsvc.storage.database import PrivateRead, Write

LOG: Final = logging.getLogger(__name__)
ROUND_SECONDS: Final = 60
WINDOW: Final = 500  # decisions that one statement looks at
PIECE: Final = 50  # comments in one unit of work, so that other writers wait less
SETTLED: Final = timedelta(minutes=10)  # longer than any unit of work takes


@dataclass
class Progress:
    """The decisions that this process has read."""

    after: int | None = None  # the decision up to which it was filled; None: as the database says
    seen: deque[tuple[datetime, int]] = field(default_factory=deque)  # when, and the latest decision then


async def fill_forever(service: Service) -> None:
    """Fill memory every minute. A failure is logged, and the next round goes on."""
    while True:
        try:
            await fill_memory(service)
        except Exception:
            LOG.exception("filling the memory of decisions failed; next attempt later")
        await asyncio.sleep(ROUND_SECONDS)


async def fill_memory(service: Service) -> int:
    """Remember the decisions that are not in memory yet; return the number of comments."""
    progress = service.part(Progress)
    settled, latest = await _read_progress(service)
    first = settled if progress.after is None else progress.after
    number = await _fill(service, first, latest)
    progress.after = latest
    now, until = service.clock(), settled
    while progress.seen and progress.seen[0][0] > now:  # the clock was ahead then
        progress.seen.popleft()
    progress.seen.append((now, latest))
    while progress.seen and progress.seen[0][0] <= now - SETTLED:
        until = progress.seen.popleft()[1]
    if until > settled:
        number += await _fill(service, settled, until)
        await _note_filled(service, until)
    return number


async def _fill(service: Service, after: int, until: int) -> int:
    number = 0
    while after < until:
        end = min(until, after + WINDOW)
        missing = await _list_missing(service, after, end)
        for start in range(0, len(missing), PIECE):
            await _fill_piece(service, missing[start : start + PIECE])
        number, after = number + len(missing), end
    return number


async def _fill_piece(service: Service, comment_ids: Sequence[str]) -> None:
    """Remember some comments; then pause for as long as that took."""
    started = time.monotonic()
    texts = await _read_texts(service, comment_ids)
    await asyncio.to_thread(metered(lambda: [read_fingerprint(*text) for text in texts]))
    await _remember(service, comment_ids)
    await asyncio.sleep(time.monotonic() - started)


@private_read
async def _read_progress(unit: PrivateRead) -> tuple[int, int]:
    return await memory_keys.read_progress(unit)


@private_read
async def _list_missing(unit: PrivateRead, after: int, until: int) -> list[str]:
    return await memory_keys.list_missing(unit, after, until)


@private_read
async def _read_texts(unit: PrivateRead, comment_ids: Sequence[str]) -> list[tuple[str, str | None]]:
    return [(row["html"], row["website"]) for row in await memory_keys.list_texts(unit, comment_ids)]


@write
async def _remember(unit: Write, comment_ids: Sequence[str]) -> None:
    await threads.lock_of_comments(unit, comment_ids)
    await remember_decisions(unit, comment_ids)


@write
async def _note_filled(unit: Write, seq: int) -> None:
    await memory_keys.set_filled(unit, seq)
