"""How much one network may send. Limits are by network, never by email: nobody can lock another out."""

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
    """Take one from what a network may send; each kind of ``what`` has an allowance of its own.

    That is as the settings say, unless it is named: so many in so many seconds.

    Raises:
        TooFast: nothing is left for now.
    """
    allowance = allowance or unit.config.allowance
    if allowance is None:
        return
    number, seconds = allowance
    each = timedelta(seconds=seconds / number)
    spent = await rate_limits.take(
        unit,
        unit.keyring.network_digest(what + truncate_address(visit.address), retention_period(unit)),
        latest=unit.ahead(seconds=seconds - each.total_seconds()),
        now=unit.now(),
        available_at=lambda stands: format_time(parse_time(stands) + each),
    )
    if spent is not None:
        wait = (parse_time(spent) + each - unit.clock()).total_seconds() - seconds
        raise RateLimited(max(1, math.ceil(wait)))


def retention_period(env: Environment) -> int:
    """The retention period we are in; digests of networks mean nothing beyond it."""
    return int(env.clock().timestamp()) // (env.config.network_days * 86_400)
