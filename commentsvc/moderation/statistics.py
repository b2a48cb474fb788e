"""Statistics of sites: arrivals by outcome, waiting times, rules and threads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.messages import translatable, translatable_format
from commentsvc.domain.models import Principal
from commentsvc.domain.time_zones import DEFAULT, find_zone
from commentsvc.domain.timestamps import format_time
from commentsvc.moderation.statistics_schemas import (
    AgeRecord,
    ExternalVerdicts,
    MedianWait,
    Outcomes,
    PeriodRecord,
    QueueRecord,
    RuleStatistics,
    Span,
    Statistics,
    StatisticsQuery,
    ThreadStatistics,
)
from commentsvc.service import private_read
from commentsvc.sites import resolve
from commentsvc.storage import day_totals, hook_verdicts, sites, totals
from commentsvc.storage.database import PrivateRead, Row
from commentsvc.storage.day_totals import BOUNDS, QUARTER_SECONDS, QUARTERS_PER_DAY, Period

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366
MAX_RULES: Final = 50
MAX_THREADS: Final = 10
AGES: Final = (15 * 60, 3600, 6 * 3600, 24 * 3600)  # seconds: the limits of how long comments have waited
MAX_COUNTED: Final = 5000  # waiting comments; the ages of more are known to a quarter of an hour
EPOCH: Final = date(1970, 1, 1)
COUNTED: Final = ("approved", "spam", "trash", "pending", "erased")
VERDICTS: Final = ("spam", "hold", "approve", "none", "failed")  # of the external check
Buckets = Counter[int]


@private_read
async def read_statistics(
    unit: PrivateRead, who: Principal, query: StatisticsQuery, days: int = DEFAULT_DAYS
) -> Statistics:
    """Return the statistics of a site, or of all sites that a principal has access to.

    ``days``: how many, if the query does not name the first.

    Raises:
        Invalid: for the field ``site``, ``from`` or ``to``.
    """
    directory = await resolve.read_directory.within(unit)
    # Named, also if they are all: every index begins with the site.
    reached = resolve.reachable_sites(directory, who, query.site)
    site_ids = tuple(site.id for site in directory.sites) if reached is None else reached
    zone_name, zone = await _find_zone(unit, site_ids)
    today = unit.clock().astimezone(zone).date()
    first, last = _find_days(query, today, days)
    period = build_period(first, last, zone)
    arrivals = {row["day"]: row for row in await day_totals.sum_arrivals(unit, site_ids, period)}
    # In UTC it can be tomorrow already.
    noons = replace(period, end=period.end + QUARTERS_PER_DAY) if last == today else period
    waits = _group_waits(await day_totals.sum_waits(unit, site_ids, noons), (last - EPOCH).days)
    names = {site.id: site.name for site in directory.sites}
    return Statistics(
        site=names[site_ids[0]] if query.site else None,
        time_zone=zone_name,
        from_=first.isoformat(),
        to=last.isoformat(),
        by=query.by,
        queue=await _read_queue(unit, site_ids),
        total=Outcomes(**_add_up(arrivals.values())),
        median_wait=find_median(_merge(waits.values())),
        periods=[_build_period_record(days, arrivals, waits) for days in split_days(first, last, query.by)],
        rules=[_rule_record(row) for row in await day_totals.sum_rules(unit, site_ids, noons, MAX_RULES)],
        external_check=await _read_external_check(unit, site_ids, period),
        threads=[
            _thread_record(row, names)
            for row in await day_totals.sum_threads(unit, site_ids, noons.utc_days, MAX_THREADS)
        ],
    )


async def _find_zone(unit: PrivateRead, site_ids: Sequence[str]) -> tuple[str, tzinfo]:
    """Return the time zone of these sites; UTC if they have several, or if this computer does not know it."""
    names = {site.time_zone for site in (await sites.get_many(unit, site_ids)).values()}
    name = names.pop() if len(names) == 1 else DEFAULT
    zone = find_zone(name)
    return (name, zone) if zone else (DEFAULT, UTC)


def _find_days(query: StatisticsQuery, today: date, days: int) -> tuple[date, date]:
    last = date.fromisoformat(query.to) if query.to else today
    first = date.fromisoformat(query.from_) if query.from_ else last - timedelta(days=days - 1)
    if first > last:
        swap = translatable("The first day is after the last. Swap them.")
        future = translatable("The first day is after today. Name an earlier day, or a last day too.")
        raise Invalid(FieldError("from", "invalid_time", swap if query.to else future))
    if (last - first).days >= MAX_DAYS:
        message = translatable_format("Choose at most %(days)s days.", days=MAX_DAYS)
        raise Invalid(FieldError("from", "too_wide", message))
    return first, last


def build_period(first: date, last: date, zone: tzinfo) -> Period:
    """Return the time from the beginning of a day to the end of another one."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 2)]
    starts = [_start_of(day, zone) for day in days]
    offsets = [(starts[0], _offset_at(starts[0], zone))]
    for begin, end in pairwise(starts):
        if _offset_at(end, zone) != offsets[-1][1]:
            changed = next(at for at in range(begin, end + 1) if _offset_at(at, zone) != offsets[-1][1])
            offsets.append((changed, _offset_at(changed, zone)))
    return Period(starts[0], starts[-1], tuple(offsets))


def _start_of(day: date, zone: tzinfo) -> int:
    """Return the first quarter of an hour of a day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(midnight.timestamp() // QUARTER_SECONDS)


def _offset_at(quarter: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(quarter * QUARTER_SECONDS, zone).utcoffset() or timedelta()
    return int(offset.total_seconds() // QUARTER_SECONDS)


def split_days(first: date, last: date, by: Span) -> list[list[date]]:
    """Return all days from the first to the last, divided into days, weeks or months."""
    groups: dict[tuple[int, ...], list[date]] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        week = day.isocalendar()
        key = {Span.DAY: (day.toordinal(),), Span.WEEK: (week.year, week.week), Span.MONTH: (day.year, day.month)}[by]
        groups.setdefault(key, []).append(day)
    return list(groups.values())


def _build_period_record(
    days: Sequence[date], arrivals: Mapping[int, Row], waits: Mapping[int, Buckets]
) -> PeriodRecord:
    numbers = [(day - EPOCH).days for day in days]
    return PeriodRecord(
        from_=days[0].isoformat(),
        to=days[-1].isoformat(),
        median_wait=find_median(_merge(waits[number] for number in numbers if number in waits)),
        **_add_up(arrivals[number] for number in numbers if number in arrivals),
    )


def _add_up(rows: Iterable[Row]) -> dict[str, int]:
    sums: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    for row in rows:
        sums.update({name: row[name] for name in COUNTED})
    return {"arrived": sum(sums.values()), **sums}


def _group_waits(rows: Iterable[Row], last: int) -> dict[int, Buckets]:
    grouped: dict[int, Buckets] = {}
    for row in rows:
        grouped.setdefault(min(row["day"], last), Counter())[row["bucket"]] += row["number"]
    return grouped


def _merge(buckets: Iterable[Buckets]) -> Buckets:
    merged: Buckets = Counter()
    for one in buckets:
        merged.update(one)
    return merged


def find_median(buckets: Buckets) -> MedianWait | None:
    """Return the median of the waits in these buckets, and how far it may be away."""
    decided, below = sum(buckets.values()), 0
    for bucket in sorted(buckets):
        below += buckets[bucket]
        if decided and 2 * below >= decided:
            low = BOUNDS[bucket - 1] if bucket else 0
            if bucket == len(BOUNDS):
                return MedianWait(seconds=low, error_seconds=None, decided=decided)
            half = (BOUNDS[bucket] - low) // 2
            return MedianWait(seconds=low + half, error_seconds=half, decided=decided)
    return None


async def _read_queue(unit: PrivateRead, site_ids: Sequence[str] | None) -> QueueRecord:
    waiting = (await totals.count_by_status(unit, site_ids))["pending"]
    read = day_totals.count_waiting if waiting <= MAX_COUNTED else day_totals.estimate_waiting
    times = [format_time(unit.clock() - timedelta(seconds=age)) for age in AGES]
    oldest, younger = await read(unit, site_ids, times)
    steps = list(zip((0, *AGES), (*AGES, None), (0, *younger), (*younger, waiting), strict=True))
    ages = [
        AgeRecord(from_seconds=low, to_seconds=high, number=max(0, until - before))
        for low, high, before, until in steps
    ]
    return QueueRecord(waiting=waiting, oldest_at=oldest, ages=ages)


async def _read_external_check(unit: PrivateRead, site_ids: Sequence[str], period: Period) -> list[ExternalVerdicts]:
    start, end = (
        format_time(datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC)) for quarter in (period.start, period.end)
    )
    numbers: dict[str, Counter[str]] = {}
    for row in await hook_verdicts.count(unit, site_ids, start, end):
        counted = numbers.setdefault(row["effect"] or "failed", Counter())
        counted.update({"comments": row["number"], "applied": row["applied"]})
        counted.update({row["label"]: row["number"]} if row["label"] else {})
    return [ExternalVerdicts(verdict=one, **_only(numbers[one])) for one in VERDICTS if one in numbers]


def _only(numbers: Counter[str]) -> dict[str, int]:
    return {name: int(numbers[name]) for name in ("comments", "applied", "spam", "good")}


def _rule_record(row: Row) -> RuleStatistics:
    return RuleStatistics(
        rule=row["rule_id"] or None, name=row["name"], caught=row["caught"], overruled=row["overruled"]
    )


def _thread_record(row: Row, names: Mapping[str, str]) -> ThreadStatistics:
    return ThreadStatistics(
        thread=row["id"],
        key=row["key"],
        title=row["title"],
        url=row["url"],
        site=names.get(row["site_id"], ""),
        approved=row["number"],
    )
