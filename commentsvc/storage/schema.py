"""Lays the schema in an empty database and brings older ones forward: all or none, one server at a time."""

import re
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from commentsvc.domain.errors import ConfigurationError
from commentsvc.storage.database import Database, Statements

STEP: Final = re.compile(r"(\d{4})_\w+\.sql")
FIRST: Final = """
    CREATE TABLE IF NOT EXISTS schema_step (number BIGINT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)
"""


async def migrate(database: Database, now: str) -> int:
    """Bring the schema to what this program needs; returns how many steps that took.

    Raises:
        Misconfigured: the database is from a newer program.
    """
    taken = await database.alone(lambda statements: _migrate(statements, now, database.schema_sql))
    await database.protect()
    return taken


async def is_current(statements: Statements) -> bool:
    """Whether the schema is the one this program needs."""
    row = await statements.one("SELECT MAX(number) AS newest FROM schema_step")
    return row is not None and row["newest"] == newest_step()


async def _migrate(statements: Statements, now: str, dialect: Callable[[str], str]) -> int:
    await statements.run(FIRST)
    row = await statements.one("SELECT MAX(number) AS newest FROM schema_step")
    reached = row["newest"] if row and row["newest"] else 0
    if reached > newest_step():
        raise ConfigurationError(
            f"The database has schema {reached}; this program knows {newest_step()}. Run the newer commentsvc."
        )
    if not reached:
        await _run(statements, dialect(read_schema()))
    for number, step in steps().items():
        if reached and number > reached:
            await _run(statements, dialect(step.read_text(encoding="utf-8")))
        if number > reached:
            await statements.run(
                "INSERT INTO schema_step (number, applied_at) VALUES (:number, :now)", number=number, now=now
            )
    return newest_step() - reached


def steps() -> dict[int, Traversable]:
    """The numbered steps, oldest first."""
    files = resources.files("commentsvc.storage").joinpath("migrations").iterdir()
    found = {int(match[1]): file for file in files if (match := STEP.fullmatch(file.name))}
    return dict(sorted(found.items()))


def newest_step() -> int:
    """The number of the last step."""
    return max(steps())


def read_schema() -> str:
    """schema.sql: inside the package once installed, beside it in a checkout."""
    package = resources.files("commentsvc")
    installed = package.joinpath("schema.sql")
    file = installed if installed.is_file() else package.joinpath("..", "schema.sql")
    return file.read_text(encoding="utf-8")


async def _run(statements: Statements, script: str) -> None:
    for statement in re.sub(r"--[^\n]*", "", script).split(";"):
        if statement.strip():
            await statements.run(statement)
