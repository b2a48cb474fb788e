"""Totals for statistics: arrivals, waits, rules and threads by time.

Triggers count every change in its own transaction: ``schema.sql`` has those of SQLite, ``postgres_triggers.py`` those
of PostgreSQL. Rows of arrivals are of a quarter of an hour in UTC. They are added up to days of a site's time zone when
they are read. Waits and rules have rows of a day in UTC, at its noon, so that a year of them is quick to read. Only
deleted comments take their decisions away in a function here, since no trigger knows the order of these.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from commentsvc.domain.models import Status
from commentsvc.domain.timestamps import parse_time
from commentsvc.storage.database import PrivateRead, Row, Write, in_list, site_condition

QUARTER_SECONDS: Final = 900
QUARTERS_PER_DAY: Final = 96
NOON: Final = 48  # quarters of an hour after the beginning of a day
STATUSES: Final = ("approved", "pending", "spam", "trash")
MODES: Final = ("mode", "new_author")  # decide on every comment: they catch nothing
DECIDERS: Final = ("person", "program", "hook")
CANDIDATES: Final = 10  # for each busy thread that is shown, since some may not be public
# Where the buckets of waits begin, in seconds, without the first. Most are within 10 % of their middle.
BOUNDS: Final = tuple(
    60 * minutes
    for minutes in (
        *(1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360, 480, 600),
        *(720, 960, 1200, 1440, 2160, 2880, 4320, 5760, 10_080, 20_160, 43_200),
    )
)
# Tables that triggers fill while comments and decisions are inserted. Copies of a database leave them out.
DERIVED_TABLES: Final = ("arrival_total", "thread_total", "wait_total", "rule_total")


@dataclass(frozen=True)
class Period:
    """A time in a time zone, in quarters of an hour since 1970 UTC: ``start <= quarter < end``.

    ``offsets``: from which quarter on the zone is how many quarters ahead of UTC; the first covers the start.
    """

    start: int
    end: int
    offsets: tuple[tuple[int, int], ...]

    @property
    def local_day(self) -> str:
        """Return SQL for the day of a row in the zone, in days since 1970."""
        later = "".join(f" WHEN quarter < {end[0]} THEN {begin[1]}" for begin, end in pairwise(self.offsets))
        offset = f"CASE{later} ELSE {self.offsets[-1][1]} END" if later else str(self.offsets[0][1])
        return f"(quarter + {offset}) / {QUARTERS_PER_DAY}"

    @property
    def utc_days(self) -> list[date]:
        """Return the days of UTC whose noon is in the period."""
        first, end = (-((NOON - quarter) // QUARTERS_PER_DAY) for quarter in (self.start, self.end))
        return [date(1970, 1, 1) + timedelta(days=day) for day in range(first, end)]


def quarter_of(time: str) -> int:
    """Return the quarter of an hour of a stored time."""
    return int(parse_time(time).timestamp() // QUARTER_SECONDS)


def noon_of(time: str) -> int:
    """Return the quarter of an hour that is noon of the day, in UTC, of a stored time."""
    return quarter_of(time) // QUARTERS_PER_DAY * QUARTERS_PER_DAY + NOON


def bucket_of(seconds: int) -> int:
    """Return the bucket of a wait."""
    return sum(bound <= seconds for bound in BOUNDS)


def _sum_of(column: str) -> str:
    """Return SQL for a sum of small numbers. PostgreSQL adds up BIGINT as decimals: slowly, and on the disk."""
    return f"SUM(CAST({column} AS INTEGER))"


async def sum_arrivals(unit: PrivateRead, sites: Sequence[str] | None, period: Period) -> Sequence[Row]:
    """Return ``day, approved, pending, spam, trash, erased`` of each day on which comments arrived, oldest first."""
    on_sites, values = site_condition("site_id", sites)
    sums = ", ".join(f"{_sum_of(name)} AS {name}" for name in (*STATUSES, "erased"))
    return await unit.all(
        f"""
        SELECT {period.local_day} AS day, {sums} FROM arrival_total
        WHERE {on_sites} AND quarter >= {period.start} AND quarter < {period.end}
        GROUP BY {period.local_day} ORDER BY 1
        """,
        **values,
    )


async def sum_waits(unit: PrivateRead, sites: Sequence[str] | None, period: Period) -> Sequence[Row]:
    """Return ``day, bucket, number`` of comments that arrived on each day and waited so long."""
    on_sites, values = site_condition("site_id", sites)
    return await unit.all(
        f"""
        SELECT {period.local_day} AS day, bucket, {_sum_of("number")} AS number FROM wait_total
        WHERE {on_sites} AND quarter >= {period.start} AND quarter < {period.end}
        GROUP BY {period.local_day}, bucket ORDER BY 1, 2
        """,
        **values,
    )


async def sum_rules(unit: PrivateRead, sites: Sequence[str] | None, period: Period, limit: int) -> Sequence[Row]:
    """Return ``name, rule_id, caught, overruled`` of the rules that caught most."""
    on_sites, values = site_condition("site_id", sites)
    return await unit.all(
        f"""
        SELECT name, rule_id, {_sum_of("caught")} AS caught, {_sum_of("overruled")} AS overruled
        FROM rule_total WHERE {on_sites} AND quarter >= {period.start} AND quarter < {period.end}
        GROUP BY name, rule_id HAVING SUM(caught) > 0 ORDER BY 3 DESC, 1, 2 LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        **values,
    )


async def sum_threads(
    unit: PrivateRead, sites: Sequence[str] | None, days: Sequence[date], limit: int
) -> Sequence[Row]:
    """Return ``id, key, title, url, site_id, number`` of the public threads with most approved comments on UTC days."""
    on_sites, values = site_condition("site_id", sites)
    periods, named = in_list("period", list_periods(days))
    return await unit.all(
        f"""
        SELECT thread.id, thread.key, thread.title, thread.url, thread.site_id, busy.number FROM (
            SELECT thread_id, {_sum_of("number")} AS number FROM thread_total
            WHERE period IN {periods} AND {on_sites}
            GROUP BY thread_id ORDER BY 2 DESC, 1 LIMIT CAST(:candidates AS BIGINT)
        ) AS busy JOIN thread ON thread.id = busy.thread_id
        WHERE thread.published_at IS NOT NULL ORDER BY busy.number DESC, thread.id LIMIT CAST(:limit AS BIGINT)
        """,
        limit=limit,
        candidates=CANDIDATES * limit,
        **values,
        **named,
    )


def list_periods(days: Sequence[date]) -> list[str]:
    """Return the months that these days, one after the other, fill, and the other days."""
    of_months: dict[str, list[date]] = {}
    for day in days:
        of_months.setdefault(f"{day:%Y-%m}", []).append(day)
    found = []
    for month, inside in of_months.items():
        is_whole = len(inside) == monthrange(inside[0].year, inside[0].month)[1]
        found += [month] if is_whole else [day.isoformat() for day in inside]
    return found


async def count_waiting(
    unit: PrivateRead, sites: Sequence[str] | None, since: Sequence[str]
) -> tuple[str | None, list[int]]:
    """Return when the oldest waiting comment arrived, and how many arrived at or after each of these times."""
    on_sites, values = site_condition("site_id", sites)
    counts = ", ".join(f"COUNT(CASE WHEN created_at >= :since{at} THEN 1 END) AS c{at}" for at in range(len(since)))
    (row,) = await unit.all(
        f"SELECT MIN(created_at) AS oldest, {counts} FROM comment WHERE {on_sites} AND status = 'pending'",
        **{f"since{at}": time for at, time in enumerate(since)},
        **values,
    )
    return row["oldest"], [row[f"c{at}"] for at in range(len(since))]


async def estimate_waiting(
    unit: PrivateRead, sites: Sequence[str] | None, since: Sequence[str]
) -> tuple[str | None, list[int]]:
    """Return what ``count_waiting`` does, to a quarter of an hour, in a time that does not grow with the queue."""
    on_sites, values = site_condition("site_id", sites)
    counts = ", ".join(
        f"CAST(COALESCE(SUM(CASE WHEN quarter >= {quarter_of(time)} THEN pending END), 0) AS BIGINT) AS c{at}"
        for at, time in enumerate(since)
    )
    (row,) = await unit.all(
        f"SELECT {counts} FROM arrival_total WHERE {on_sites} AND quarter >= {quarter_of(min(since))}", **values
    )
    oldest = await unit.one(
        f"SELECT created_at FROM comment WHERE {on_sites} AND status = 'pending' ORDER BY id LIMIT 1", **values
    )
    return oldest["created_at"] if oldest else None, [row[f"c{at}"] for at in range(len(since))]


async def forget_decisions(unit: Write, comment_ids: Sequence[str]) -> None:
    """Take the waits and the rules of comments off the totals, before these and their decisions are deleted."""
    ids, values = in_list("id", comment_ids)
    rows = await unit.all(
        f"""
        SELECT comment.id AS comment_id, comment.site_id, comment.created_at AS arrived, comment.status AS now,
            comment.erased_at, comment.published_at, decision.status, decision.actor_kind, decision.actor_id,
            decision.actor_name, decision.created_at AS decided
        FROM comment JOIN decision ON decision.comment_id = comment.id
        WHERE comment.id IN {ids} ORDER BY decision.seq
        """,
        **values,
    )
    of_comments: dict[str, list[Row]] = {}
    for row in rows:
        of_comments.setdefault(row["comment_id"], []).append(row)
    await _take_waits(unit, of_comments.values())
    await _take_rules(unit, of_comments.values())


async def _take_waits(unit: Write, histories: Any) -> None:
    waits = Counter(wait for history in histories if (wait := find_wait(history)))
    for (site_id, quarter, bucket), number in sorted(waits.items()):
        await unit.run(
            """
            INSERT INTO wait_total (site_id, quarter, bucket, shard, number)
            VALUES (:site_id, :quarter, :bucket, 0, :number)
            ON CONFLICT (site_id, quarter, bucket, shard) DO UPDATE SET number = wait_total.number + excluded.number
            """,
            site_id=site_id,
            quarter=quarter,
            bucket=bucket,
            number=-number,
        )


def find_wait(history: Sequence[Row]) -> tuple[str, int, int] | None:
    """Return site, quarter and bucket of a held comment that was decided; ``history``: its decisions, in order."""
    decided = [one for one in history if one["actor_kind"] in DECIDERS and one["status"] != Status.PENDING]
    if history[0]["status"] != Status.PENDING or not decided:
        return None
    arrived, until = (int(parse_time(text).timestamp() // 1) for text in (history[0]["arrived"], decided[0]["decided"]))
    return history[0]["site_id"], noon_of(history[0]["arrived"]), bucket_of(until - arrived)


async def _take_rules(unit: Write, histories: Any) -> None:
    caught, overruled = Counter[tuple[str, int, str, str]](), Counter[tuple[str, int, str, str]]()
    for history in histories:
        if rule := find_rule(history[0]):
            caught[rule] += 1
            overruled[rule] += is_overruled(history[0])
    for rule in sorted(caught):
        await unit.run(
            """
            INSERT INTO rule_total (site_id, quarter, name, rule_id, shard, caught, overruled)
            VALUES (:site_id, :quarter, :name, :rule_id, 0, :caught, :overruled)
            ON CONFLICT (site_id, quarter, name, rule_id, shard) DO UPDATE
            SET caught = rule_total.caught + excluded.caught, overruled = rule_total.overruled + excluded.overruled
            """,
            **dict(zip(("site_id", "quarter", "name", "rule_id"), rule, strict=True)),
            caught=-caught[rule],
            overruled=-overruled[rule],
        )


def find_rule(first: Row) -> tuple[str, int, str, str] | None:
    """Return site, quarter, name and id of the rule that caught a comment; ``first``: its first decision."""
    held = first["status"] in {Status.PENDING, Status.SPAM} and first["actor_kind"] == "rule"
    if not held or first["actor_name"] in MODES:
        return None
    return first["site_id"], noon_of(first["arrived"]), first["actor_name"], first["actor_id"] or ""


def is_overruled(comment: Row) -> bool:
    """Return whether a comment that a rule caught is approved, or was public before it was erased."""
    if comment["erased_at"] is None:
        return bool(comment["now"] == Status.APPROVED)
    return comment["published_at"] is not None
