"""Schema migrations: one transaction, and one server at a time."""

import re
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage.database import Database, Statements

STEP_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")
CREATE_STEP_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS schema_step (number BIGINT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)
"""


async def migrate(database: Database, now: str) -> int:
    """Create the schema or bring it up to date; return the number of steps that were applied.

    Raises:
        ConfigurationError: a newer version of the program has migrated this database.
    """
    applied = await database.write_exclusively(lambda statements: _migrate(statements, now, database.schema_sql))
    await database.protect()
    return applied


async def is_current(statements: Statements) -> bool:
    """Return whether the schema is the one that this program needs."""
    row = await statements.one("SELECT MAX(number) AS newest FROM schema_step")
    return row is not None and row["newest"] == newest_step()


async def _migrate(statements: Statements, now: str, dialect: Callable[[str], str]) -> int:
    await statements.run(CREATE_STEP_TABLE)
    row = await statements.one("SELECT MAX(number) AS newest FROM schema_step")
    current = row["newest"] if row and row["newest"] else 0
    if current > newest_step():
        raise ConfigurationError(
            f"The database has schema {current}, but this version supports up to {newest_step()}. "
            "Install a newer version of commentsvc."
        )
    if not current:
        await _run(statements, dialect(read_schema()))
    for number, step in list_steps().items():
        if current and number > current:
            await _run(statements, dialect(step.read_text(encoding="utf-8")))
        if number > current:
            await statements.run(
                "INSERT INTO schema_step (number, applied_at) VALUES (:number, :now)", number=number, now=now
            )
    return newest_step() - current


def list_steps() -> dict[int, Traversable]:
    """Return the migration files by number, oldest first."""
    files = resources.files("commentsvc.storage").joinpath("migrations").iterdir()
    found = {int(match[1]): file for file in files if (match := STEP_FILE.fullmatch(file.name))}
    return dict(sorted(found.items()))


def newest_step() -> int:
    """Return the number of the last step."""
    return max(list_steps())


def read_schema() -> str:
    """Return schema.sql. It is inside an installed package, and next to the package in a checkout."""
    package = resources.files("commentsvc")
    installed = package.joinpath("schema.sql")
    file = installed if installed.is_file() else package.joinpath("..", "schema.sql")
    return file.read_text(encoding="utf-8")


async def _run(statements: Statements, script: str) -> None:
    for statement in re.sub(r"--[^\n]*", "", script).split(";"):
        if statement.strip():
            await statements.run(statement)
