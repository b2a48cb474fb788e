"""Rate limits by network.

They are never by email address: otherwise one person could lock another one out.

Refused requests count too. A refusal that needed the database counts like a comment, in the database. A request that
cannot be read, has invalid fields or a wrong API key counts in memory against an allowance of its own, which is ten
times as large: who corrects typing errors is not locked out, and no valid request waits for it.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from commentsvc.domain.errors import OriginNotAllowed, RateLimited, Refusal, Unavailable
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import Service, write
from commentsvc.storage import rate_limits
from commentsvc.storage.database import Environment, Write

REFUSALS_PER_COMMENT: Final = 10  # unreadable requests for each comment of the rate limit
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
    number, seconds = allowance
    each = timedelta(seconds=seconds / number)
    blocking_time = await rate_limits.take(
        unit,
        unit.keyring.network_digest(what + truncate_address(visit.address), retention_period(unit)),
        latest=unit.ahead(seconds=seconds - each.total_seconds()),
        now=format_time(unit.clock()),  # allowances follow the clock, and no event
        available_at=lambda earlier: format_time(parse_time(earlier) + each),
    )
    if blocking_time is not None:
        wait = (parse_time(blocking_time) + each - unit.clock()).total_seconds() - seconds
        raise RateLimited(max(1, math.ceil(wait)))


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
        elif not counted and not isinstance(error, Unavailable):
            await check_rate_limit(service, visit, what)
        raise


class RefusedRequests:
    """Counts requests of networks in memory, with the same algorithm as ``rate_limits.take``. Each process has one."""

    def __init__(self) -> None:
        self._available_at: dict[str, float] = {}  # the network that was counted last is the last

    def count(self, network: str, now: float, allowance: tuple[int, int]) -> float:
        """Count a request. Return 0, or the seconds to wait if the limit is reached."""
        number, seconds = allowance
        each = seconds / number
        available_at = max(self._available_at.pop(network, now), now)
        wait = available_at + each - now - seconds
        reached = wait > each / 1000  # not by a rounding error
        self._available_at[network] = available_at if reached else available_at + each
        if len(self._available_at) > MAX_NETWORKS:
            del self._available_at[next(iter(self._available_at))]
        return wait if reached else 0


def count_in_memory(service: Service, visit: Visit, what: str = "") -> None:
    """Count a request that cannot be read, has invalid fields, or has a wrong key (``what``: counted apart).

    Raises:
        RateLimited: the network has used up its allowance.
    """
    allowance = refusal_allowance(service)
    if allowance is None:
        return
    network, now = truncate_address(visit.address), service.clock().timestamp()
    wait = service.part(RefusedRequests).count(what + network, now, allowance)
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
