"""Request and response bodies for statistics: numbers, and no data of a person."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct, field

from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.fields import Id, Limits, SiteName, Time, Validator
from commentsvc.domain.messages import translatable

FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 9000


class Span(StrEnum):
    """The length of the periods of statistics. Weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def parse_day(text: str, _limits: Limits) -> str:
    """Return a date as it is written in ISO 8601.

    Raises:
        InvalidValue: it is no date from 1971 on.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR or day.isoformat() != text:
        raise InvalidValue("invalid_time", translatable("Use a date such as 2026-11-22."))
    return text


Date: TypeAlias = Annotated[str, Validator(parse_day), Meta(max_length=40, extra_json_schema={"format": "date"})]
Day: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]


class StatisticsQuery(Struct, frozen=True, kw_only=True):
    """The site and the days of statistics."""

    site: Annotated[SiteName, Meta(description="Only this site.")] | None = None
    from_: Annotated[Date, Meta(description="First day, such as 2026-11-01; by default 29 days before the last.")] | (
        None
    ) = field(name="from", default=None)
    to: Annotated[Date, Meta(description="Last day, such as 2026-11-30; by default today.")] | None = None
    by: Annotated[Span, Meta(description="Length of the periods.")] = Span.DAY


class MedianWait(Struct, frozen=True, kw_only=True):
    """The median of how long held comments waited for their first decision, from a histogram."""

    seconds: Annotated[int, Meta(description="Middle of the bucket that has the median.")]
    error_seconds: Annotated[
        int | None, Meta(description="The median is at most this far away; null: it is longer, by an unknown time.")
    ]
    decided: Annotated[int, Meta(description="Number of comments that were held and decided.")]


class Outcomes(Struct, frozen=True, kw_only=True):
    """Numbers of comments by their status now."""

    arrived: Annotated[int, Meta(description="All comments: the sum of the other numbers.")] = 0
    approved: int = 0
    spam: int = 0
    trash: int = 0
    pending: int = 0
    erased: Annotated[int, Meta(description="Erased comments, of which only the number is left.")] = 0


class PeriodRecord(Outcomes, frozen=True, kw_only=True):
    """A day, week or month, as far as it is inside the days asked for."""

    from_: Annotated[Day, Meta(description="Its first day.")] = field(name="from")
    to: Annotated[Day, Meta(description="Its last day.")]
    median_wait: MedianWait | None


class AgeRecord(Struct, frozen=True, kw_only=True):
    """Comments that have waited for a time up to now."""

    from_seconds: int
    to_seconds: Annotated[int | None, Meta(description="Null: no limit.")]
    number: int


class QueueRecord(Struct, frozen=True, kw_only=True):
    """The moderation queue now, whatever days are asked for."""

    waiting: Annotated[int, Meta(description="Number of comments.")]
    oldest_at: Annotated[Time | None, Meta(description="When the comment that waits longest arrived.")]
    ages: list[AgeRecord]


class RuleStatistics(Struct, frozen=True, kw_only=True):
    """Numbers of comments that a rule caught when they arrived, and of those that moderators decided otherwise."""

    rule: Annotated[Id | None, Meta(description="Null: a built-in rule.")]
    name: Annotated[str, Meta(description="Kind of the rule, or name of the built-in one.")]
    caught: Annotated[int, Meta(description="Comments that it held or marked as spam, as the deciding rule.")]
    overruled: Annotated[int, Meta(description="Those of them that are approved.")]


class ThreadStatistics(Struct, frozen=True, kw_only=True):
    """A public thread and its approved comments."""

    thread: Id
    key: Annotated[str, Meta(description="The name of the thread: the path of its page, or a key of the page's own.")]
    title: str | None
    url: str | None
    site: str
    approved: Annotated[int, Meta(description="Approved comments that arrived on these days, counted in UTC.")]


class ExternalVerdicts(Struct, frozen=True, kw_only=True):
    """Numbers of comments with one verdict of the external check, and how people decided on them."""

    verdict: Annotated[
        Literal["spam", "hold", "approve", "none", "failed"], Meta(description="`failed`: it gave none in time.")
    ]
    comments: int
    applied: Annotated[int, Meta(description="Comments whose status it changed.")]
    spam: Annotated[int, Meta(description="Comments that people marked as spam.")]
    good: Annotated[int, Meta(description="Comments that people approved.")]


class Statistics(Struct, frozen=True, kw_only=True):
    """Statistics of one or more sites."""

    site: Annotated[str | None, Meta(description="Null: all sites that you have access to.")]
    time_zone: Annotated[str, Meta(description="The zone of all days: that of the sites, or UTC if these differ.")]
    from_: Day = field(name="from")
    to: Day
    by: Span
    queue: QueueRecord
    total: Outcomes
    median_wait: MedianWait | None
    periods: Annotated[list[PeriodRecord], Meta(description="Oldest first, also those without comments.")]
    rules: Annotated[list[RuleStatistics], Meta(description="Those that caught most, up to 50.")]
    external_check: Annotated[list[ExternalVerdicts], Meta(description="Comments that were asked about on these days.")]
    threads: Annotated[list[ThreadStatistics], Meta(description="Those with most approved comments, up to 10.")]
