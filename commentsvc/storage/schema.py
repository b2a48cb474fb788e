"""Schema migrations: one transaction, and one server at a time."""

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from commentsvc.domain.errors import ConfigurationError, Unavailable
from commentsvc.storage.database import Database, PrivateRead, Statements

STEP_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")
CREATE_STEP_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS schema_step (number BIGINT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)
"""
COUNT_STEP_TABLES: Final = "SELECT COUNT(*) AS number FROM sqlite_master WHERE tbl_name = 'schema_step'"
LIST_TABLES: Final = "SELECT tbl_name AS name FROM sqlite_master ORDER BY name"
CREATED_TABLE: Final = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
NEWEST_STEP: Final = "SELECT MAX(number) AS newest FROM schema_step"
# With PostgreSQL, a rename waits until no other transaction has read the table, as ``refuse_newer_schema`` does in
# every write; and writes that begin later wait for the migration, and are then refused.
LOCK_OUT_WRITERS: Final = (
    "ALTER TABLE schema_step RENAME TO schema_step_locked",
    "ALTER TABLE schema_step_locked RENAME TO schema_step",
)


async def migrate(database: Database, now: str) -> int:
    """Create the schema or bring it up to date; return the number of steps that were applied.

    Raises:
        ConfigurationError: a newer version of the program has migrated this database, or an unreleased one made it.
    """
    applied = await database.write_exclusively(lambda statements: _migrate(statements, now, database.schema_sql))
    await database.protect()
    return applied


async def read_number(database: Database) -> int:
    """Return the number of the last step that was applied; 0 if there is no schema yet."""
    return await database.read_private(lambda statements: _read_number(statements, database.schema_sql))


async def _read_number(statements: Statements, dialect: Callable[[str], str]) -> int:
    table = await statements.one(dialect(COUNT_STEP_TABLES))
    row = await statements.one(NEWEST_STEP) if table and table["number"] else None
    return row["newest"] if row and row["newest"] else 0


async def check_tables(database: Database) -> None:
    """Check that a database with the newest schema has all its tables.

    Raises:
        ConfigurationError: one is missing, since an unreleased version of the program made the database.
    """
    await database.read_private(lambda statements: _check_tables(statements, database.schema_sql))


async def _check_tables(statements: Statements, dialect: Callable[[str], str]) -> None:
    found = {row["name"] for row in await statements.all(dialect(LIST_TABLES))}
    missing = [table for table in CREATED_TABLE.findall(read_schema()) if table not in found]
    if missing:
        raise ConfigurationError(
            f"The database has no table {missing[0]}: a version before the first release made it, and such a database "
            "cannot be upgraded. With that version, run: commentsvc export --output FILE. Then, with this version "
            "and a new database, run: commentsvc import jsonl FILE"
        )


def check_number(number: int) -> None:
    """Check that this program can use a database whose last step has this number.

    Raises:
        ConfigurationError: the schema is older or newer than this program needs.
    """
    if number > newest_step():
        raise _too_new(number)
    if number < newest_step():
        raise ConfigurationError(
            f"The database has schema {number}, but this version needs {newest_step()}. "
            "Stop the service and back up the database. Then run: commentsvc migrate"
        )


async def refuse_newer_schema(statements: Statements) -> None:
    """Check that no newer program has migrated the database since this one was started.

    Raises:
        Unavailable: one has. Writing in the older schema could damage its data.
    """
    if not statements.schema_checked and await statements.one(newer_step_query()):
        raise Unavailable("A newer version has updated the database. Nothing was saved. Please try again later.")
    statements.schema_checked = True


def newer_step_query() -> str:
    """Return a statement that finds a row if a newer program has migrated the database."""
    return f"SELECT 1 AS found FROM schema_step WHERE number > {newest_step()} LIMIT 1"


async def is_current(unit: PrivateRead) -> bool:
    """Return whether the schema is the one that this program needs."""
    row = await unit.one(NEWEST_STEP)
    return row is not None and row["newest"] == newest_step()


async def _migrate(statements: Statements, now: str, dialect: Callable[[str], str]) -> int:
    await statements.run(CREATE_STEP_TABLE)
    row = await statements.one(NEWEST_STEP)
    current = row["newest"] if row and row["newest"] else 0
    if current > newest_step():
        raise _too_new(current)
    if not current:
        await _run(statements, dialect(read_schema()))
    elif current == newest_step():
        await _check_tables(statements, dialect)
    elif current < newest_step():
        for statement in LOCK_OUT_WRITERS:
            await statements.run(statement)
    for number, step in list_steps().items():
        if current and number > current:
            await _run(statements, dialect(step.read_text(encoding="utf-8")))
        if number > current:
            await statements.run(
                "INSERT INTO schema_step (number, applied_at) VALUES (:number, :now)", number=number, now=now
            )
    return newest_step() - current


def _too_new(number: int) -> ConfigurationError:
    return ConfigurationError(
        f"The database has schema {number}, but this version supports up to {newest_step()}. "
        "Install a newer version of commentsvc."
    )


def list_steps() -> dict[int, Traversable]:
    """Return the migration files by number, oldest first."""
    files = resources.files("commentsvc.storage").joinpath("migrations").iterdir()
    found = {int(match[1]): file for file in files if (match := STEP_FILE.fullmatch(file.name))}
    return dict(sorted(found.items()))


@cache
def newest_step() -> int:
    """Return the number of the last step. It is needed in every write."""
    return max(list_steps())


def read_schema() -> str:
    """Return schema.sql. It is inside an installed package, and next to the package in a checkout."""
    package = resources.files("commentsvc")
    installed = package.joinpath("schema.sql")
    file = installed if installed.is_file() else package.joinpath("..", "schema.sql")
    return file.read_text(encoding="utf-8")


def split_statements(script: str) -> list[str]:
    """Return the statements of a script, without comments."""
    # A trigger is one statement: semicolons inside it are not at the end of a line.
    found = re.split(r";[ ]*(?:\n|$)", re.sub(r"--[^\n]*", "", script))
    return [statement for statement in found if statement.strip()]


async def _run(statements: Statements, script: str) -> None:
    for statement in split_statements(script):
        await statements.run(statement)
