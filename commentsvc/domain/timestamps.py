"""Times as text: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime
from typing import Final

EARLIEST_YEAR: Final = 1970  # the year; earlier ones would not sort as text
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S"


def format_time(moment: datetime) -> str:
    """A moment as it is kept and sent."""
    utc = moment.astimezone(UTC)
    return f"{utc:{TIME_FORMAT}}.{utc.microsecond // 1000:03d}Z"


def parse_time(text: str) -> datetime:
    """The moment a text names.

    Raises:
        ValueError: it names none, or says no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year < EARLIEST_YEAR:
        raise ValueError("no time zone, or before there were blogs")
    return moment.astimezone(UTC)
