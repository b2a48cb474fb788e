"""Copy everything into another database, also of the other engine: SQLite to PostgreSQL, or back."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from commentsvc.audit import verification
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.service import Service, open_snapshot, private_read, write
from commentsvc.storage import schema, table_copy
from commentsvc.storage.database import PrivateRead, Row, Write
from commentsvc.storage.table_copy import Table


class CopiedDatabase(Struct, frozen=True):
    """Numbers of copied rows by table and of audit log entries, and the key that both databases are encrypted with."""

    rows: dict[str, int]
    audit_entries: int
    audit_head: str
    fingerprint: str


async def copy_database(source: Service, target: Service, report: Callable[[str], None]) -> CopiedDatabase:
    """Copy all tables as they are at one moment into an empty database; create its schema.

    Servers may run on the source, but what they store from now on is not copied.

    Raises:
        ConfigurationError: the target is not empty.
        AuditLogBroken: the audit log does not verify after the copy.
    """
    await schema.migrate(target.db, target.now())
    if table := await _find_used_table(target):
        raise ConfigurationError(
            f"The database to copy to is not empty: the table {table} has rows. Name a new database. "
            "If an earlier copy did not finish, delete it first."
        )
    async with open_snapshot(source, None) as unit:
        for one in table_copy.list_tables():
            report(one.name)
            await _copy_table(unit, target, one)
        expected = await table_copy.count_rows(unit)
    await _finish(target)
    if expected != (found := await _count_rows(target)):
        wrong = ", ".join(name for name, number in expected.items() if found[name] != number)
        raise ConfigurationError(f"The copy is not complete: {wrong}. Another program changes it. Copy again.")
    verified = await verification.verify_log(target)
    return CopiedDatabase(expected, verified.entries, verified.head, source.keyring.fingerprints[0])


async def _copy_table(unit: PrivateRead, target: Service, table: Table) -> None:
    async for rows in table_copy.read_pages(unit, table):
        await _write_page(target, table, rows)
    if table.own_reference:
        async for rows in table_copy.read_pages(unit, table):
            await _write_references(target, table, rows)


@write
async def _write_page(unit: Write, table: Table, rows: Sequence[Row]) -> None:
    await table_copy.write_page(unit, table, rows)


@write
async def _write_references(unit: Write, table: Table, rows: Sequence[Row]) -> None:
    await table_copy.write_references(unit, table, rows)


@write
async def _finish(unit: Write) -> None:
    await table_copy.finish(unit)


@private_read
async def _count_rows(unit: PrivateRead) -> dict[str, int]:
    return await table_copy.count_rows(unit)


@private_read
async def _find_used_table(unit: PrivateRead) -> str | None:
    return await table_copy.find_used_table(unit)


def is_same_database(source: Config, target: Config) -> bool:
    """Return whether both settings name one database."""
    here, there = source.sqlite_path, target.sqlite_path
    return source.database_url == target.database_url or bool(here and there and here.resolve() == there.resolve())
