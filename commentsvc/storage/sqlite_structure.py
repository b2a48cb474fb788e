"""Compare an SQLite file with the schema that it should have, and find references that lead nowhere."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from commentsvc.storage import audit, schema
from commentsvc.storage.database import Row
from commentsvc.storage.sqlite_connection import open_read_only

LIST_PARTS: Final = """
    SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type, name
"""
LIST_COLUMNS: Final = """
    SELECT parts.name || '.' || columns.name AS name
    FROM sqlite_schema AS parts JOIN pragma_table_xinfo(parts.name) AS columns
    WHERE parts.type = 'table' ORDER BY name
"""


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with open_read_only(path) as connection:
            yield connection
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def find_missing_parts(path: Path) -> list[str]:
    """Return tables, columns, indexes and triggers that a database lacks, or that were changed. More may be there.

    A database with an older schema has no fault: its next migration adds the rest.

    Raises:
        OSError: the file cannot be read.
    """
    with _open(path) as found, closing(sqlite3.connect(":memory:")) as expected:
        (number,) = found.execute(schema.NEWEST_STEP).fetchone()
        if number != schema.newest_step():
            return []
        for statement in (schema.CREATE_STEP_TABLE, *schema.split_statements(schema.read_schema())):
            expected.execute(statement)
        return _compare(expected, found)


def _compare(expected: sqlite3.Connection, found: sqlite3.Connection) -> list[str]:
    wanted, there = _read_parts(expected), _read_parts(found)
    faults = [f"the {kind} {name} is missing" for kind, name in wanted if (kind, name) not in there]
    # A migration may write a table in other words. What an index or a trigger does is only in its words.
    faults += [
        f"the {kind} {name} was changed"
        for (kind, name), sql in wanted.items()
        if kind != "table" and there.get((kind, name), sql) != sql
    ]
    tables = {name for kind, name in there if kind == "table"}
    columns = [row[0] for row in expected.execute(LIST_COLUMNS)]
    known = {row[0] for row in found.execute(LIST_COLUMNS)}
    lost = [name for name in columns if name not in known and name.partition(".")[0] in tables]
    return faults + [f"the column {name} is missing" for name in lost]


def _read_parts(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in connection.execute(LIST_PARTS)}


@contextmanager
def open_audit_log(path: Path) -> Iterator[tuple[Iterator[Row], tuple[int, str]]]:
    """Open the audit log of a database: its rows, oldest first, and what ``audit.get_head`` returns.

    Raises:
        OSError: the file, or a row, cannot be read.
    """
    with _open(path) as connection:
        connection.row_factory = sqlite3.Row
        head = connection.execute(audit.GET_HEAD).fetchone()
        yield connection.execute(audit.LIST_ALL), (head["audited"], head["audit_hash"])


def find_lost_references(path: Path) -> list[str]:
    """Return from which tables rows refer to rows that are not there, and how many. It reads the whole file.

    Raises:
        OSError: the file cannot be read.
    """
    with _open(path) as connection:
        counted = Counter((table, parent) for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"))
    return [
        f"rows of the table {table} that refer to a missing row of {parent}: {number:,}"
        for (table, parent), number in sorted(counted.items())
    ]
