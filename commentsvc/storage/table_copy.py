"""Copy whole tables between databases, in pages. ``schema.sql`` says which tables, keys and references there are."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from msgspec import Struct

from commentsvc.storage.archive_inserts import insert_rows
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.day_totals import DERIVED_TABLES
from commentsvc.storage.dialect import CONTINUE_NUMBERS, REBUILD
from commentsvc.storage.schema import read_schema

PAGE: Final = 100
# What belongs to one database: the steps that created it, the servers that run on it, its last backup, the state of its
# own index, and the totals that its triggers add up while comments are inserted.
OWN: Final = frozenset({"schema_step", "server", "backup", "search_cleanup", *DERIVED_TABLES})
LAST: Final = "installation"  # a database without its row is not ready for use
# A worker of the other database may be sending it: here nobody is.
CLEARED: Final = {"parcel": "claimed_at"}
# In this order the parent of a comment comes before it.
ORDERS: Final = {"comment": ("thread_id", "top", "path")}

_TABLE: Final = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)^\)", re.DOTALL | re.MULTILINE)
_COLUMN_KEY: Final = re.compile(r"^ +(\w+) [^,\n]*PRIMARY KEY", re.MULTILINE)
_TABLE_KEY: Final = re.compile(r"^ +PRIMARY KEY \(([^)]+)\)", re.MULTILINE)
_NUMBERED: Final = re.compile(r"^ +seq +INTEGER PRIMARY KEY", re.MULTILINE)


class Table(Struct, frozen=True):
    """A table to copy."""

    name: str
    order: tuple[str, ...]  # columns that tell every row from the others, in whose order rows are copied
    own_reference: str | None  # a column that refers to rows of the same table which may come later
    is_numbered: bool  # by the database


@cache
def list_tables() -> tuple[Table, ...]:
    """Return the tables to copy: each after those that it refers to, and the one that makes it usable last."""
    found = [_read_table(*match) for match in _TABLE.findall(re.sub(r"--[^\n]*", "", read_schema()))]
    found = [table for table in found if table.name not in OWN]
    return tuple(sorted(found, key=lambda table: table.name == LAST))


def _read_table(name: str, body: str) -> Table:
    key = _TABLE_KEY.search(body) or _COLUMN_KEY.search(body)
    if key is None:
        raise LookupError(f"the table {name} has no primary key")
    order = ORDERS.get(name, tuple(key[1].split(", ")))
    own = None if name in ORDERS else re.search(rf"^ +(\w+) .*REFERENCES {name} \(", body, re.MULTILINE)
    return Table(name, order, own[1] if own else None, bool(_NUMBERED.search(body)))


async def read_pages(unit: PrivateRead, table: Table) -> AsyncIterator[Sequence[Row]]:
    """Yield all rows of a table."""
    columns = ", ".join(table.order)
    values = ", ".join(f":{name}" for name in table.order)
    after: dict[str, Any] = {}
    while True:
        condition = f"WHERE ({columns}) > ({values})" if after else ""
        rows = await unit.all(f"SELECT * FROM {table.name} {condition} ORDER BY {columns} LIMIT {PAGE}", **after)
        if not rows:
            return
        yield rows
        after = {name: rows[-1][name] for name in table.order}


async def write_page(unit: Write, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows as they are, without references to rows that may come later."""
    empty = {name: None for name in (table.own_reference, CLEARED.get(table.name)) if name}
    await insert_rows(unit, table.name, [dict(row) | empty for row in rows])


async def write_references(unit: Write, table: Table, rows: Sequence[Row]) -> None:
    """Set the references of rows to rows of the same table."""
    for row in rows:
        if table.own_reference and row[table.own_reference] is not None:
            key = table.order[0]
            await unit.run(
                f"UPDATE {table.name} SET {table.own_reference} = :other WHERE {key} = :key",
                other=row[table.own_reference],
                key=row[key],
            )


async def finish(unit: Write) -> None:
    """Continue the numbers of rows, and build the full-text indexes."""
    for table in list_tables():
        if table.is_numbered:
            await unit.one(CONTINUE_NUMBERS.format(table=table.name))
    for statement in REBUILD:
        await unit.run(statement)


async def count_rows(unit: PrivateRead) -> dict[str, int]:
    """Return the numbers of rows of all tables."""
    found: Mapping[str, Row | None] = {
        table.name: await unit.one(f"SELECT COUNT(*) AS number FROM {table.name}") for table in list_tables()
    }
    return {name: int(row["number"]) if row else 0 for name, row in found.items()}


async def find_used_table(unit: PrivateRead) -> str | None:
    """Return the name of a table that has rows; None if the database is empty."""
    for table in list_tables():
        if await unit.one(f"SELECT 1 AS found FROM {table.name} LIMIT 1"):
            return table.name
    return None
