"""Everything that knows SQL: one text for SQLite and PostgreSQL, two small drivers, a file a noun.

The shared dialect: parameters are named (``:id``); ids and times are text and sort as text; a fact that
happened has a time, so there are no booleans; ``RETURNING`` and ``ON CONFLICT`` are welcome; a parameter
whose type nothing tells is told with ``CAST(:x AS TEXT)``; ``LOWER`` knows Unicode on both.

A *unit of work* is an ``async`` function whose first argument is its transaction. It is handed whole to
``write``, ``read`` or ``read_private`` and may await nothing but that transaction: what it does happens
together or not at all, and no network can be waited for inside it.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

Row: TypeAlias = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class RetryUnit(Exception):  # noqa: N818 -- nobody is told: the driver begins the unit of work anew
    """What a unit of work went by was changed while it waited for it. It did nothing yet."""


class Transaction(Protocol):
    """Statements that happen together."""

    async def all(self, sql: str, /, **values: Any) -> Sequence[Row]:
        """Every row, in the order asked for."""

    async def one(self, sql: str, /, **values: Any) -> Row | None:
        """The first row, or None."""

    async def run(self, sql: str, /, **values: Any) -> int:
        """How many rows were changed."""


Work: TypeAlias = Callable[Concatenate[Transaction, P], Coroutine[Any, Any, T]]


class Database(Protocol):
    """Three ways in. Each runs a unit of work to its end even if its caller goes away."""

    async def write(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Change things; returns when the change is on disk.

        Raises:
            Unavailable: the database could not keep it; nothing was changed.
        """

    async def read(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Look at what is public, through a connection that cannot read anything private."""

    async def read_private(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Look at everything, for moderators and operators."""

    async def alone(self, work: Work[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Change the schema while no other server does."""

    async def protect(self) -> None:
        """See to it that readers' connections cannot reach what is private."""

    async def close(self) -> None:
        """Finish what was handed in, then let go of the connections."""


# What the connections of readers may read; all else is refused by the database itself.
PUBLIC_TABLES = ("site", "site_origin", "thread", "thread_name", "comment")


def in_list(name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """``(:name0, :name1)`` and its parameters, for an ``IN``; nothing is among no values."""
    if not values:
        return "(NULL)", {}
    parameters = {f"{name}{index}": value for index, value in enumerate(values)}
    return f"({', '.join(f':{key}' for key in parameters)})", parameters


def site_condition(column: str, sites: Sequence[str] | None) -> tuple[str, dict[str, Any]]:
    """A condition that holds for these sites alone, or for every site."""
    if sites is None:
        return "1 = 1", {}
    listed, values = in_list("site", sites)
    return f"{column} IN {listed}", values


def row_values(row: Row) -> tuple[Any, ...]:
    """A row's values as they were selected. Rows of both drivers are mappings, but iterate over values."""
    return tuple(row)
