"""Rate limits by network: /24 for IPv4, /64 for IPv6, and a larger one for each /48, which one customer may have.

They are never by email address: otherwise one person could lock another one out. For IPv4, /24 is the
widest network: providers give their customers single addresses.

Refused requests count too. A refusal that needed the database counts like a comment, in the database. A request that
cannot be read, has invalid fields or a wrong API key counts in memory against an allowance of its own, which is ten
times as large: who corrects typing errors is not locked out, and no valid request waits for it.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from commentsvc.domain.errors import OriginNotAllowed, RateLimited, Refusal, Unavailable
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address, widen_address
from commentsvc.service import Service, write
from commentsvc.storage import rate_limits
from commentsvc.storage.database import Environment, Write

WIDE: Final = 4  # times the allowance of a /64: for a whole /48
REFUSALS_PER_COMMENT: Final = 10  # unreadable requests for each comment of the rate limit
SECOND: Final = 1_000_000  # microseconds
MAX_NETWORKS: Final = 10_000  # counted in memory: about 1 MB


@write
async def check_rate_limit(unit: Write, visit: Visit, what: str = "", allowance: tuple[int, int] | None = None) -> None:
    """Count one request of a network. Each value of ``what`` is counted separately.

    ``allowance`` is a number of requests and of seconds; the default is the setting.

    Raises:
        RateLimited: the network has used up its allowance.
    """
    allowance = allowance or unit.config.allowance
    if allowance is None:
        return
    for network, times in _networks(visit):
        wait = await _take(unit, what + network, (allowance[0] * times, allowance[1]))
        if wait:
            raise RateLimited(wait)


async def take_wide(unit: Write, visit: Visit, what: str, allowance: tuple[int, int]) -> bool:
    """Count one request of a /24 or /48; return False if the network has used up its allowance."""
    return not await _take(unit, what + widen_address(visit.address), allowance)


async def take(unit: Write, name: str, allowance: tuple[int, int]) -> bool:
    """Count one event under a name that is no network; return False if its allowance is used up."""
    return not await _take(unit, name, allowance)


async def _take(unit: Write, name: str, allowance: tuple[int, int]) -> int:
    """Count one request. Return 0, or the seconds to wait if the limit is reached."""
    number, seconds = allowance
    now, period = present(unit), seconds * SECOND
    each = period // number
    digest = unit.keyring.network_digest(name, retention_period(unit))
    blocking_time = await rate_limits.take(unit, digest, latest=now + period - each, now=now, each=each)
    return 0 if blocking_time is None else max(1, math.ceil((blocking_time + each - now - period) / SECOND))


def _networks(visit: Visit) -> list[tuple[str, int]]:
    """Return the networks of an address that have a limit, and how many times the allowance each has."""
    narrow, wide = truncate_address(visit.address), widen_address(visit.address)
    return [(narrow, 1)] if narrow == wide else [(narrow, 1), (wide, WIDE)]


def present(env: Environment) -> int:
    """Return the time in microseconds since 1970. Allowances follow the clock, and no event."""
    return round(env.clock().timestamp() * SECOND)


@asynccontextmanager
async def charging_refusals(service: Service, visit: Visit, what: str = "") -> AsyncIterator[None]:
    """Count a refusal within the block like a request that succeeds, which counts in its own unit of work.

    A page of another site has another allowance: it must not use up that of the people who visit it.

    Raises:
        RateLimited: the network has used up its allowance. It replaces the refusal.
    """
    try:
        yield
    except Refusal as error:
        counted = isinstance(error, RateLimited) and not error.by_rule
        if isinstance(error, OriginNotAllowed):
            await check_rate_limit(service, visit, "foreign page ", refusal_allowance(service))
        elif not counted and not (isinstance(error, Unavailable) and error.retry_after is None):
            await check_rate_limit(service, visit, what)
        raise


class MemoryCounts:
    """Requests that are counted in memory, by each process, with the same algorithm as ``rate_limits.take``."""

    def __init__(self) -> None:
        self._available_at: dict[str, float] = {}  # the name that was counted last is the last

    def count(self, name: str, now: float, allowance: tuple[int, int]) -> float:
        """Count a request of a network or a site. Return 0, or the seconds to wait if the limit is reached."""
        number, seconds = allowance
        each = seconds / number
        available_at = max(self._available_at.pop(name, now), now)
        if available_at > now + 2 * seconds:  # counted while the clock was wrong
            available_at = now
        wait = available_at + each - now - seconds
        reached = wait > each / 1000  # not by a rounding error
        self._available_at[name] = available_at if reached else available_at + each
        if len(self._available_at) > MAX_NETWORKS:
            del self._available_at[next(iter(self._available_at))]
        return wait if reached else 0


class RefusedRequests(MemoryCounts):
    """Refused requests of networks."""


def count_in_memory(service: Service, visit: Visit, what: str = "") -> None:
    """Count a request that cannot be read, has invalid fields, or has a wrong key (``what``: counted apart).

    Raises:
        RateLimited: the network has used up its allowance.
    """
    allowance = refusal_allowance(service)
    if allowance is None:
        return
    counts, now = service.part(RefusedRequests), service.clock().timestamp()
    for network, times in _networks(visit):
        wait = counts.count(what + network, now, (allowance[0] * times, allowance[1]))
        if wait:
            raise RateLimited(math.ceil(wait))


def refusal_allowance(env: Environment) -> tuple[int, int] | None:
    """Return the number of unreadable requests, and of seconds; None if there is no limit."""
    if env.config.allowance is None:
        return None
    number, seconds = env.config.allowance
    return number * REFUSALS_PER_COMMENT, seconds


def retention_period(env: Environment) -> int:
    """Return the number of the current retention period. It is part of network digests, so they change with it."""
    return int(env.clock().timestamp()) // (env.config.network_days * 86_400)
