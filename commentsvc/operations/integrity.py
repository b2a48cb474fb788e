"""Find rows of the database that are not what the service wrote."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from commentsvc.service import Service, private_read
from commentsvc.storage import row_digests, sqlite_inspection, sqlite_structure
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.row_digests import DamagedRow, RowCheck


async def find_damaged_rows(source: Service | Path) -> Sequence[DamagedRow]:
    """Return the damaged rows of a service's database, or of an SQLite file. It reads all rows, in pieces."""
    return (await check_rows(source)).damaged


async def find_missing_parts(service: Service) -> Sequence[str]:
    """Return what is missing in the schema of an SQLite database, or was changed. PostgreSQL keeps this itself."""
    path = service.config.sqlite_path
    return await asyncio.to_thread(sqlite_structure.find_missing_parts, path) if path else ()


async def find_lost_references(service: Service) -> Sequence[str]:
    """Return which rows of an SQLite database refer to rows that are not there. PostgreSQL keeps this itself."""
    path = service.config.sqlite_path
    return await asyncio.to_thread(sqlite_structure.find_lost_references, path) if path else ()


async def check_rows(source: Service | Path) -> RowCheck:
    """Check all rows of a service's database, or of an SQLite file, in pieces."""
    if isinstance(source, Path):
        return await asyncio.to_thread(sqlite_inspection.check_file, source)
    if source.config.sqlite_path is not None:
        return await asyncio.to_thread(sqlite_inspection.check_file, source.config.sqlite_path)
    checked = RowCheck()
    for table in row_digests.CHECKS:
        after: str | None = ""
        while after is not None:
            piece, after = await _check_piece(source, table, after)
            checked += piece
    return checked


@private_read
async def _check_piece(unit: PrivateRead, table: str, after: str) -> tuple[RowCheck, str | None]:
    return await row_digests.check_piece(unit, table, after)
