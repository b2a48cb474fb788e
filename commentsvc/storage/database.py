"""Typed units of work, and the protocol that the two database drivers fulfil.

There is one SQL text for SQLite and PostgreSQL: parameters are named (``:id``); ids and times are text and
sort as text; a fact that happened has a time, so there are no booleans; ``RETURNING`` and ``ON CONFLICT`` may be
used; a parameter whose type cannot be inferred is cast with ``CAST(:x AS TEXT)``. Text is folded
before it is stored, since the two engines have no function in common that knows Unicode.

A *unit of work* is an ``async`` function whose first argument is a unit. It awaits only statements of that unit, so
it happens as a whole or not at all, and it cannot wait for the network. Do CPU work of more than 5 ms before it.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from commentsvc.config.settings import Config
from commentsvc.domain.crypto import FINGERPRINT_LENGTH, Keyring
from commentsvc.domain.ids import Ids
from commentsvc.domain.timestamps import format_time
from commentsvc.storage.write_record import WriteRecord

Row: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


class RetryUnit(Exception):  # noqa: N818 -- not an error: the driver starts the unit again
    """The unit waited for a lock, and what it read before has changed. It has changed nothing yet."""


class Statements(Protocol):
    """Statements of one transaction."""

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """Return every row, in the order that the statement asks for."""

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """Return the first row, or None."""

    async def run(self, sql: str, /, **values: Any) -> int:
        """Return the number of changed rows."""


Work: TypeAlias = Callable[[Statements], Coroutine[Any, Any, T]]


class Database(Protocol):
    """Ways into the database. Each runs a unit to its end, even if the caller goes away."""

    writes: WriteRecord

    async def write(self, work: Work[T], /) -> T:
        """Change data; return when the change is on disk.

        Raises:
            Unavailable: the database could not store it; nothing was changed.
        """

    async def read(self, work: Work[T], /) -> T:
        """Read public data, through a connection that cannot read anything private."""

    async def read_private(self, work: Work[T], /) -> T:
        """Read all data."""

    async def write_exclusively(self, work: Work[T], /) -> T:
        """Write while no other server migrates or starts."""

    async def check_storage(self, free_bytes: int, /) -> None:
        """Check without a write that there is a database to write to.

        Raises:
            Unavailable: it is read-only, gone, or its disk (SQLite) has fewer bytes free.
        """

    async def protect(self) -> None:
        """Make sure that public connections cannot read private tables."""

    async def read_clock(self) -> datetime | None:
        """Return the time of the database's clock; None if it is the clock of this computer."""

    def schema_sql(self, statement: str) -> str:
        """Return a statement of the schema in this engine's dialect."""

    async def close(self) -> None:
        """Finish the work that was handed in, then close the connections."""


@dataclass(frozen=True, eq=False)
class Environment:
    """Settings, keys, clock and ids. A service and each of its units carry the same ones."""

    config: Config
    keyring: Keyring
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = field(default_factory=Ids)
    parts: dict[type, Any] = field(default_factory=dict, repr=False)

    def now(self) -> str:
        """Return the present time as text."""
        return format_time(self.clock())

    def ago(self, **amount: float) -> str:
        """Return an earlier time as text: ``ago(hours=24)``."""
        return format_time(self.clock() - timedelta(**amount))

    def ahead(self, **amount: float) -> str:
        """Return a later time as text: ``ahead(days=30)``."""
        return format_time(self.clock() + timedelta(**amount))

    def part(self, kind: type[T]) -> T:
        """Return this service's only object of a class, such as a cache; create it at first use."""
        if kind not in self.parts:
            self.parts.setdefault(kind, kind())  # of two threads at once, the first keeps its object
        found: T = self.parts[kind]
        return found


class PublicRead(Environment):
    """A unit that can read public tables only. The database refuses everything else."""

    _statements: Statements

    def __init__(self, statements: Statements, environment: Environment) -> None:
        # Without the database: a unit that opened another one would wait for itself.
        self.__dict__.update({name: getattr(environment, name) for name in Environment.__dataclass_fields__})
        self.__dict__["_statements"] = statements

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """Return every row, in the order that the statement asks for."""
        return await self._statements.all(sql, **values)

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """Return the first row, or None."""
        return await self._statements.one(sql, **values)


class PrivateRead(PublicRead):
    """A unit that can read every table."""


# Columns with the time of something that has happened.
EVENT_TIMES: Final = frozenset(
    {"created_at", "edited_at", "published_at", "listed_at", "erased_at", "closed_at", "settled_at"}
    | {"removed_at", "revoked_at", "used_at", "seen_at", "last_used_at"}
)
# A later time in the database is an error, which must not spread.
MAX_CLOCK_SKEW: Final = timedelta(days=1)


class Write(PrivateRead):
    """A unit that can read and change every table."""

    _latest: str = ""  # the latest event that this unit has read

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """Return every row, in the order that the statement asks for."""
        rows = await self._statements.all(sql, **values)
        self._follow(rows)
        return rows

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """Return the first row, or None."""
        row = await self._statements.one(sql, **values)
        self._follow([row] if row else [])
        return row

    def now(self) -> str:
        """Return the present time as text, or the latest time that this unit has read: nothing precedes its cause.

        The clocks of two servers differ, and a clock can be set back.
        """
        return max(format_time(self.clock()), self._latest)

    def _follow(self, rows: Sequence[Row]) -> None:
        times = EVENT_TIMES.intersection(rows[0].keys()) if rows else ()
        latest = max((row[time] for row in rows for time in times if row[time]), default="")
        if latest > self._latest and latest <= format_time(self.clock() + MAX_CLOCK_SKEW):
            self.__dict__["_latest"] = latest

    async def run(self, sql: str, /, **values: Any) -> int:
        """Return the number of changed rows."""
        return await self._statements.run(sql, **values)


# What public connections may read; the database itself refuses all other tables.
PUBLIC_TABLES = ("site", "site_origin", "thread", "thread_name", "comment")


# ``:now``, but not before the row was created: a server whose clock is ahead may have created it.
NOW_OR_CREATED: Final = "CASE WHEN created_at > :now THEN created_at ELSE CAST(:now AS TEXT) END"


def in_list(name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return ``(:name0, :name1)`` and its parameters, for an ``IN``. No row is in an empty list."""
    if not values:
        return "(NULL)", {}
    parameters = {f"{name}{index}": value for index, value in enumerate(values)}
    return f"({', '.join(f':{key}' for key in parameters)})", parameters


def site_condition(column: str, sites: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """Return a condition that limits rows to these sites; None means every site."""
    if sites is None:
        return "1 = 1", {}
    listed, values = in_list("site", sites)
    return f"{column} IN {listed}", values


def row_values(row: Row) -> tuple[Any, ...]:
    """Return a row's values in the order of its columns. Rows of both drivers are mappings, but iterate over values."""
    return tuple(row)


def count_by_key(table: str, but: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return a statement for ``fingerprint, number``: the encrypted emails of each secret key except ``but``.

    A digest is stored beside each encrypted email, and begins with the fingerprint of the key of both.
    """
    listed, values = in_list("key", ["", *but])
    fingerprint = f"SUBSTR(email_digest, 1, {FINGERPRINT_LENGTH})"
    return (
        f"SELECT {fingerprint} AS fingerprint, COUNT(*) AS number FROM {table} "
        f"WHERE {fingerprint} NOT IN {listed} GROUP BY {fingerprint}"
    ), values
