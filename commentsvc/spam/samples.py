"""Read from a stored comment what the filter may know about it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from commentsvc.domain.timestamps import parse_time
from commentsvc.spam.features import Sample, sample_of

DAY: Final = timedelta(days=1)


def sample_of_row(row: Mapping[str, Any]) -> Sample:
    """Return the facts about a stored comment: a row of ``spam_examples.get_texts``."""
    age = measure_age(row["thread_since"], row["created_at"])
    return sample_of(row["name"], row["website"], row["html"], age)


def measure_age(thread_since: str | None, at: str) -> float:
    """Return the days from when a thread became public to the time of a comment; 0 if it was not public then."""
    return max(0.0, (parse_time(at) - parse_time(thread_since)) / DAY) if thread_since else 0.0
