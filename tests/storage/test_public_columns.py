"""Connections that serve readers can read the public columns, and no others: a new column is private."""

import re
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from commentsvc.domain.errors import Unavailable
from commentsvc.service import public_read
from commentsvc.storage.public_columns import PUBLIC_COLUMNS
from tests.conftest import a_service, post

SCHEMA = Path(__file__).parents[2] / "schema.sql"
REFUSED = r"prohibited|not authorized|permission denied|unavailable"


def columns_of_schema() -> dict[str, list[str]]:
    """Return the columns of each table in schema.sql, without those that FTS5 makes for itself."""
    memory = sqlite3.connect(":memory:")
    memory.executescript(SCHEMA.read_text(encoding="utf-8"))
    tables = [name for (name,) in memory.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        table: [row[1] for row in memory.execute(f"PRAGMA table_info({table})")]
        for table in tables
        if not table.startswith(("comment_index", "thread_index", "sqlite_"))
    }
    memory.close()
    return columns


PRIVATE = [
    f"{table}.{column}"
    for table, columns in columns_of_schema().items()
    for column in columns
    if column not in PUBLIC_COLUMNS.get(table, ())
]


async def is_refused(reading) -> bool:
    """Return whether the database refuses this; a statement that it does not understand is an error of the test."""
    try:
        await reading
    except (sqlite3.DatabaseError, asyncpg.InsufficientPrivilegeError, Unavailable) as error:
        return re.search(REFUSED, str(error.__cause__ or error)) is not None
    return False


async def test_readers_connections_can_read_no_private_column(service):
    await post(service, "Pending.")
    read = []
    for place in PRIVATE:
        table, column = place.split(".")
        statements = [f"SELECT {column} FROM {table}", f"SELECT 1 AS one FROM {table} ORDER BY {column}"]
        if table in PUBLIC_COLUMNS:
            statements.append(f"SELECT {PUBLIC_COLUMNS[table][0]} FROM {table} WHERE {column} IS NOT NULL")
        for statement in statements:

            async def look(unit, statement=statement):
                return await unit.all(statement)

            if not await is_refused(public_read(look)(service)):
                read.append(f"{statement} in a unit")
            if not await is_refused(service.db.read_rows(statement, {})):
                read.append(f"{statement} beside units")
    assert read == []
    assert {"contact.email_sealed", "comment.note", "thread.mode", "site.mode", "thread.pending"} <= set(PRIVATE)


async def test_readers_connections_can_read_each_public_column(service):
    schema = columns_of_schema()
    for table, columns in PUBLIC_COLUMNS.items():
        assert set(columns) <= set(schema[table])
        statement = f"SELECT {', '.join(columns)} FROM {table}"

        async def look(unit, statement=statement):
            return await unit.all(statement)

        await public_read(look)(service)


@pytest.mark.parametrize("statement", ["SELECT * FROM comment", "SELECT comment.* FROM comment", "SELECT * FROM site"])
async def test_readers_connections_cannot_ask_for_every_column(service, statement):
    async def look(unit):
        return await unit.all(statement)

    with pytest.raises(Exception, match=REFUSED):
        await public_read(look)(service)


async def test_a_user_who_could_read_whole_tables_reads_only_public_columns_after_a_start(postgres_url, clock):
    async with a_service(postgres_url, clock) as service:
        user = service.keyring.reader_login[0]
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'GRANT SELECT ON comment, contact TO "{user}"')
    await connection.execute(f'REVOKE SELECT ON contact FROM "{user}"')
    await connection.close()
    async with a_service(postgres_url, clock) as service:

        async def look(unit):
            return await unit.all("SELECT note FROM comment")

        assert await is_refused(public_read(look)(service))
