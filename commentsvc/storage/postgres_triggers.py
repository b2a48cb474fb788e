"""The triggers of ``schema.sql`` as PostgreSQL needs them, by name: each is a function and a trigger that calls it.

No line inside a function ends with a semicolon: the schema is split there.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage.day_totals import BOUNDS, DECIDERS, MODES, NOON, QUARTER_SECONDS, QUARTERS_PER_DAY, STATUSES
from commentsvc.storage.totals import COUNTERS, TOTAL_TABLE

# Connections count in one of these rows of a site, by their process id, so that two comments on one site rarely wait
# for each other. SQLite has one writer and one row.
SHARDS: Final = 16
SHARD: Final = f"pg_backend_pid() % {SHARDS}"
# A site has a row of this kind in each quarter of an hour, so that there are fewer of them.
TIME_SHARD: Final = "pg_backend_pid() % 4"


def _function(name: str, table: str, event: str, when: str, body: str) -> str:
    """Return a function and its trigger. ``body`` is one or more statements, each with its semicolon."""
    condition = f"WHEN ({when}) " if when else ""
    return f"""
CREATE FUNCTION {name}_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {body} RETURN NULL; END $$;
CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW {condition}EXECUTE FUNCTION {name}_trigger();
"""


def _row(name: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{name}.{column}" for column in columns)


def _add(table: str, columns: Sequence[str]) -> str:
    """Return the end of an INSERT that adds to the columns of a row that exists."""
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns)


def _units(row: str, seconds: int) -> str:
    """Return the time at which a comment arrived, in units of so many seconds since 1970."""
    return f"FLOOR(EXTRACT(EPOCH FROM CAST({row}.created_at AS timestamptz)) / {seconds})::bigint"


def _noon(row: str) -> str:
    """Return the quarter of an hour that is noon of the day in UTC on which a comment arrived."""
    return f"{_units(row, 86_400)} * {QUARTERS_PER_DAY} + {NOON}"


def _outcomes(row: str) -> list[str]:
    """Return 1 for the column of ``arrival_total`` that counts the comment, and 0 for the others."""
    named = [f"({row}.status = '{status}' AND {row}.erased_at IS NULL)::int" for status in STATUSES]
    return [*named, f"({row}.erased_at IS NOT NULL)::int"]


def _overruled(row: str) -> str:
    approved, public = f"{row}.status = 'approved'", f"{row}.published_at IS NOT NULL"
    return f"(CASE WHEN {row}.erased_at IS NULL THEN {approved} ELSE {public} END)::int"


def _count_arrival(row: str, amounts: Sequence[str]) -> str:
    columns = (*STATUSES, "erased")
    return f"""INSERT INTO arrival_total (site_id, quarter, shard, {", ".join(columns)})
    VALUES ({row}.site_id, {_units(row, QUARTER_SECONDS)}, {TIME_SHARD}, {", ".join(amounts)})
    ON CONFLICT (site_id, quarter, shard) DO UPDATE SET {_add("arrival_total", columns)};"""


def _count_thread(row: str, amount: int) -> str:
    periods = f"SUBSTR({row}.created_at, 1, length) AS period FROM (VALUES (7), (10)) AS periods (length)"
    count = f"""INSERT INTO thread_total (period, site_id, thread_id, number)
    SELECT period, {row}.site_id, {row}.thread_id, {amount} FROM (SELECT {periods}) AS both_periods
    WHERE {row}.status = 'approved' AND {row}.erased_at IS NULL
    ON CONFLICT (period, site_id, thread_id) DO UPDATE SET {_add("thread_total", ["number"])};"""
    if amount > 0:
        return count
    return f"""{count} DELETE FROM thread_total
    WHERE period IN (SUBSTR({row}.created_at, 1, 7), SUBSTR({row}.created_at, 1, 10)) AND site_id = {row}.site_id
        AND thread_id = {row}.thread_id AND number = 0;"""


_DIFFERENCES: Final = [f"{new} - {old}" for new, old in zip(_outcomes("NEW"), _outcomes("OLD"), strict=True)]
_MODES: Final = ", ".join(f"'{name}'" for name in MODES)
_DECIDERS: Final = ", ".join(f"'{kind}'" for kind in DECIDERS)
_CAUGHT: Final = f"actor_kind = 'rule' AND status IN ('pending', 'spam') AND actor_name NOT IN ({_MODES})"
_TO_RULES: Final = f"""ON CONFLICT (site_id, quarter, name, rule_id, shard)
    DO UPDATE SET {_add("rule_total", ["caught", "overruled"])};"""
_OVERRULE: Final = f"""INSERT INTO rule_total (site_id, quarter, name, rule_id, shard, caught, overruled)
    SELECT NEW.site_id, {_noon("NEW")}, actor_name, COALESCE(actor_id, ''), {TIME_SHARD}, 0,
        {_overruled("NEW")} - {_overruled("OLD")}
    FROM decision WHERE comment_id = NEW.id AND seq = (SELECT MIN(seq) FROM decision WHERE comment_id = NEW.id)
        AND {_CAUGHT} AND {_overruled("NEW")} <> {_overruled("OLD")}
    {_TO_RULES}"""
_CATCH: Final = f"""INSERT INTO rule_total (site_id, quarter, name, rule_id, shard, caught, overruled)
    SELECT site_id, {_noon("comment")}, NEW.actor_name, COALESCE(NEW.actor_id, ''), {TIME_SHARD}, 1,
        {_overruled("comment")}
    FROM comment WHERE id = NEW.comment_id AND NOT EXISTS (
        SELECT 1 FROM decision WHERE comment_id = NEW.comment_id AND seq < NEW.seq)
    {_TO_RULES}"""
_DECIDE: Final = f"""INSERT INTO wait_total (site_id, quarter, bucket, shard, number)
    SELECT site_id, {_noon("comment")},
        width_bucket({_units("NEW", 1)} - {_units("comment", 1)}, ARRAY[{", ".join(map(str, BOUNDS))}]::bigint[]),
        {TIME_SHARD}, 1
    FROM comment WHERE id = NEW.comment_id
        AND (SELECT status FROM decision WHERE comment_id = NEW.comment_id ORDER BY seq LIMIT 1) = 'pending'
        AND NOT EXISTS (SELECT 1 FROM decision WHERE comment_id = NEW.comment_id AND seq < NEW.seq
            AND status <> 'pending' AND actor_kind IN ({_DECIDERS}))
    ON CONFLICT (site_id, quarter, bucket, shard) DO UPDATE SET {_add("wait_total", ["number"])};"""
_WATCHED: Final = "{0}.status, {0}.erased_at IS NULL, {0}.thread_id"

TRIGGERS: Final = {
    "thread_counted": _function(
        "thread_counted",
        "thread",
        f"UPDATE OF {', '.join(COUNTERS)}",
        f"({_row('OLD', COUNTERS)}) IS DISTINCT FROM ({_row('NEW', COUNTERS)})",
        f"""INSERT INTO {TOTAL_TABLE} (site_id, shard, {", ".join(COUNTERS)})
    VALUES (NEW.site_id, {SHARD}, {", ".join(f"NEW.{name} - OLD.{name}" for name in COUNTERS)})
    ON CONFLICT (site_id, shard) DO UPDATE SET {_add(TOTAL_TABLE, COUNTERS)};""",
    ),
    "comment_arrived": _function(
        "comment_arrived",
        "comment",
        "INSERT",
        "",
        f"{_count_arrival('NEW', _outcomes('NEW'))} {_count_thread('NEW', 1)}",
    ),
    "comment_left": _function(
        "comment_left",
        "comment",
        "DELETE",
        "",
        f"{_count_arrival('OLD', [f'-{one}' for one in _outcomes('OLD')])} {_count_thread('OLD', -1)}",
    ),
    "comment_changed": _function(
        "comment_changed",
        "comment",
        "UPDATE OF status, erased_at, thread_id",
        f"({_WATCHED.format('NEW')}) IS DISTINCT FROM ({_WATCHED.format('OLD')})",
        f"{_count_arrival('NEW', _DIFFERENCES)} {_count_thread('OLD', -1)} {_count_thread('NEW', 1)} {_OVERRULE}",
    ),
    "comment_caught": _function(
        "comment_caught", "decision", "INSERT", f"NEW.{_CAUGHT.replace(' AND ', ' AND NEW.')}", _CATCH
    ),
    "comment_decided": _function(
        "comment_decided",
        "decision",
        "INSERT",
        f"NEW.actor_kind IN ({_DECIDERS}) AND NEW.status <> 'pending'",
        _DECIDE,
    ),
}
