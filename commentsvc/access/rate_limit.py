"""Rate limits by network.

They are never by email address: otherwise one person could lock another one out.
"""

import math
from datetime import timedelta

from commentsvc.domain.errors import RateLimited
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.service import write
from commentsvc.storage import rate_limits
from commentsvc.storage.database import Environment, Write


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
        now=unit.now(),
        available_at=lambda earlier: format_time(parse_time(earlier) + each),
    )
    if blocking_time is not None:
        wait = (parse_time(blocking_time) + each - unit.clock()).total_seconds() - seconds
        raise RateLimited(max(1, math.ceil(wait)))


def retention_period(env: Environment) -> int:
    """Return the number of the current retention period. It is part of network digests, so they change with it."""
    return int(env.clock().timestamp()) // (env.config.network_days * 86_400)
