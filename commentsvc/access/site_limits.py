"""Limits of a whole site: they bound what a flood from many networks can store.

The pace of a site is counted in memory, for each process: a row in the database would make all posts of a site wait for
one lock. Its pending comments are counted already (``storage/totals.py``).
"""

import logging
import math
from typing import Final

from commentsvc.access.rate_limit import MemoryCounts
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.messages import translatable_plural
from commentsvc.domain.models import Site, Visit
from commentsvc.domain.networks import widen_address
from commentsvc.service import write
from commentsvc.storage import comments, totals
from commentsvc.storage.database import Environment, Write

LOG: Final = logging.getLogger(__name__)
NETWORKS: Final = 50  # times the allowance of one network: for a whole site, and again for networks that are new
FULL_SECONDS: Final = 3600  # moderators need time to work on the queue
WARNING_SECONDS: Final = 600


class SiteCounts(MemoryCounts):
    """Comments of sites. They are apart from refused requests, so that many networks do not push them out."""


class Attempt:
    """One attempt to post a comment. Its unit may run again, and the counts in memory are not undone with it."""

    def __init__(self) -> None:
        self.wait: int | None = None  # seconds; None: not counted yet


@write
async def check_site_limits(unit: Write, site: Site, visit: Visit, author_id: str | None, attempt: Attempt) -> None:
    """Count a new comment of a site, once for each attempt. Authors of an approved comment are never refused.

    If a site gets too many comments, networks that sent none recently still have an allowance of their own.

    Raises:
        Unavailable: the site gets too many comments, or too many of them are pending.
    """
    if unit.config.allowance is None:
        return
    if attempt.wait is None:
        attempt.wait = _count(unit, site, visit)
    wait = attempt.wait or await _wait_for_moderators(unit, site)
    if wait and not (
        author_id and await comments.count_approved_by(unit, site.id, author_id, before=unit.now(), but=None)
    ):
        _warn(unit, site)
        raise Unavailable(
            translatable_plural(
                "Please wait %(num)s second, then send it again.",
                "Please wait %(num)s seconds, then send it again.",
                wait,
            ),
            retry_after=wait,
        )


def _count(env: Environment, site: Site, visit: Visit) -> int:
    """Count a comment of a site; return 0, or the seconds to wait."""
    number, seconds = env.config.allowance or (0, 0)
    counts, now = env.part(SiteCounts), env.clock().timestamp()
    wait = counts.count(site.id, now, (number * NETWORKS, seconds))
    if wait and not counts.count(f"{site.id} {widen_address(visit.address)}", now, (1, seconds)):
        wait = counts.count(f"{site.id} new networks", now, (number * NETWORKS, seconds))
    return math.ceil(wait)


async def _wait_for_moderators(unit: Write, site: Site) -> int:
    most = unit.config.pending_limit
    is_full = most and (await totals.count_by_status(unit, [site.id]))["pending"] >= most
    return FULL_SECONDS if is_full else 0


def _warn(env: Environment, site: Site) -> None:
    if not env.part(SiteCounts).count(f"{site.id} warning", env.clock().timestamp(), (1, WARNING_SECONDS)):
        LOG.warning(
            "site %s refuses comments: it gets too many, or too many are pending; see COMMENTSVC_RATE_LIMIT and "
            "COMMENTSVC_PENDING_LIMIT",
            site.name,
        )
