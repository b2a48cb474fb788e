"""Threads that close some days after their first public comment, by rules of their site."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TypeVar

import msgspec

from commentsvc.domain.models import ReadableThread, Site
from commentsvc.domain.timestamps import format_time, parse_time
from commentsvc.storage.database import Environment

ThreadT = TypeVar("ThreadT", bound=ReadableThread)


def close_by_age(env: Environment, site: Site, thread: ThreadT) -> ThreadT:
    """Return the thread, closed if the site closes threads some days after their first public comment."""
    if thread.closed_at:
        return thread
    closed_at = closing_time(site, thread)
    return msgspec.structs.replace(thread, closed_at=closed_at) if closed_at and closed_at < env.now() else thread


def closing_time(site: Site, thread: ReadableThread) -> str | None:
    """Return when rules of the site close a thread, or have closed it; None if they never do."""
    if thread.published_at is None or site.closes_after_days is None:
        return None
    by_age = format_time(parse_time(thread.published_at) + timedelta(days=site.closes_after_days))
    return max(by_age, thread.open_until or "")


def find_period(env: Environment, site: Site, threads: Iterable[ReadableThread]) -> tuple[str | None, str | None]:
    """Return when the last of these threads closed by its age, and when the next one will; None if none does."""
    now = env.now()
    times = [time for thread in threads if not thread.closed_at and (time := closing_time(site, thread))]
    closed = max((time for time in times if time < now), default=None)
    return closed, min((time for time in times if time >= now), default=None)
