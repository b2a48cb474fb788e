"""Typed units of work, and the protocol that the two database drivers fulfil.

There is one SQL text for SQLite and PostgreSQL: parameters are named (``:id``); ids and times are text and
sort as text; a fact that happened has a time, so there are no booleans; ``RETURNING`` and ``ON CONFLICT`` may be
used; a parameter whose type cannot be inferred is cast with ``CAST(:x AS TEXT)``. Text is folded
before it is stored, since the two engines have no function in common that knows Unicode.

A *unit of work* is an ``async`` function whose first argument is a unit. It awaits only statements of that unit, so
it happens as a whole or not at all, and it cannot wait for the network. Do CPU work of more than 5 ms before it.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import OutcomeUnknown, Unavailable
from commentsvc.domain.ids import Ids
from commentsvc.domain.timestamps import format_time
from commentsvc.storage.write_record import WriteRecord

Row: TypeAlias = Mapping[str, Any]
T = TypeVar("T")

SEARCH_SECONDS: Final = 5.0
SEARCHES: Final = 2  # at once; more would share the processor, and be slower each
SEARCH_TOO_SLOW: Final = "The search took too long. Choose a status, a site or a shorter time, and search again."


class RetryUnit(Exception):  # noqa: N818 -- not an error: the driver starts the unit again
    """The unit waited for a lock, and what it read before has changed. It has changed nothing yet."""


class Statements(Protocol):
    """Statements of one transaction.

    ``never_waits``: nobody else writes until it ends, so no statement waits for a lock. ``schema_checked``: no newer
    program has migrated the database. SQLite's units that are committed together share both.
    """

    never_waits: bool
    schema_checked: bool

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """Return every row, in the order that the statement asks for."""

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """Return the first row, or None."""

    async def run(self, sql: str, /, **values: Any) -> int:
        """Return the number of changed rows."""

    async def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """Run a statement once for each of these sets of values."""

    async def later(self, sql: str, /, **values: Any) -> None:
        """Run a statement whose result nobody needs, at the latest before the next one that is not for later.

        It may run at the same time as others for later, so it must not need their changes, nor change the same rows.
        """


Work: TypeAlias = Callable[[Statements], Coroutine[Any, Any, T]]


class Database(Protocol):
    """Ways into the database. Each runs a unit to its end, even if the caller goes away."""

    writes: WriteRecord

    async def write(self, work: Work[T], /, key: str = "") -> T:
        """Change data; return when the change is on disk.

        Units that often need the same rows have the same ``key``, so that they do not wait for locks of each other.

        Raises:
            Unavailable: the database could not store it; nothing was changed.
            OutcomeUnknown: it may or may not have stored it.
        """

    async def read(self, work: Work[T], /, *, late: bool = False) -> T:
        """Read public data, through a connection that cannot read anything private.

        With ``late``, a replica may answer: up to ``COMMENTSVC_READ_LAG_MS`` old, but with all that this process wrote.
        """

    async def read_private(self, work: Work[T], /) -> T:
        """Read all data."""

    async def search(self, work: Work[T], /, seconds: float = SEARCH_SECONDS) -> T:
        """Read all data, for work that may take long: few at once, and on no connection that other reads wait for.

        Raises:
            Unavailable: a statement (PostgreSQL) or all of them (SQLite) took longer than these seconds.
        """

    def snapshot(self) -> AbstractAsyncContextManager[Statements]:
        """Read all data as it is at one moment, while the context lasts, on a connection of its own.

        It delays the cleanup of the log (SQLite) and of old rows (PostgreSQL), so its user limits the time.

        Raises:
            Unavailable: enough others are reading, or the database does not answer.
        """

    def count_changes(self) -> int | None:
        """Return a number that every acknowledged commit of every process has changed; None if the engine has none."""

    async def read_rows(self, sql: str, values: Mapping[str, Any], /, *, late: bool = False) -> Sequence[Row]:
        """Return a few public rows that one statement finds by an index; cheaper than a unit. ``late``: as above."""

    async def write_exclusively(self, work: Work[T], /) -> T:
        """Write while no other server migrates or starts."""

    async def check_storage(self, free_bytes: int, /) -> None:
        """Check without a write that there is a database to write to.

        Raises:
            Unavailable: it is read-only, gone, or its disk (SQLite) has fewer bytes free.
        """

    async def find_damage(self) -> str | None:
        """Return what is wrong with the file of the database (SQLite), which is read as a whole; None if nothing is."""

    async def find_reader_problem(self) -> str | None:
        """Return why public connections could read private data (PostgreSQL); None if they cannot."""

    async def measure_replica_lag(self) -> float | None:
        """Return for how many seconds the replica for public reads has not had everything; None without one."""

    async def protect(self) -> None:
        """Make sure that public connections cannot read private tables and columns."""

    def empty_log(self) -> None:
        """Remove erased data from the write-ahead log soon (SQLite)."""

    async def rewrite(self) -> bool:
        """Rewrite an SQLite file that nobody else uses; return whether this was done."""

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
    """A unit that can read public columns only. The database refuses everything else."""

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
MAX_CLOCK_SKEW: Final = timedelta(days=1)  # a later time in the database is an error, which must not spread


class Write(PrivateRead):
    """A unit that can read and change every table."""

    _latest: str = ""  # the latest event that this unit has read

    @property
    def never_waits(self) -> bool:
        """Return whether nobody else writes until this unit ends, so that it never waited for a lock."""
        return self._statements.never_waits

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

    async def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], /) -> None:
        """Run a statement once for each of these sets of values."""
        await self._statements.run_many(sql, rows)

    async def later(self, sql: str, /, **values: Any) -> None:
        """Run a statement, perhaps together with others: see ``Statements.later``."""
        await self._statements.later(sql, **values)


MAX_HISTORY: Final = 200  # latest entries of each kind in the history of a comment

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


def unavailable(error: BaseException) -> Unavailable:
    """Return the refusal for an error of the database."""
    refusal = Unavailable("The database is unavailable. Nothing was saved. Please try again.")
    refusal.__cause__ = error
    return refusal


def outcome_unknown(error: BaseException) -> OutcomeUnknown:
    """Return the refusal for an error of COMMIT: the database may have stored the change before."""
    refusal = OutcomeUnknown()
    refusal.__cause__ = error
    return refusal
