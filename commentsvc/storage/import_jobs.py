"""Imports by upload: their state, their progress and their books."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from commentsvc.domain.models import Actor
from commentsvc.storage import actors
from commentsvc.storage.database import PrivateRead, Row, Write, site_condition


class JobState(StrEnum):
    """The state of an import. A dry run comes first; then a person starts the import."""

    UPLOADED = "uploaded"
    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORKING: Final = (JobState.UPLOADED, JobState.CHECKING, JobState.IMPORTING)  # a process works on it, or will soon
ENDED: Final = (JobState.DONE, JobState.CANCELLED)  # its file is not needed any more


class ImportJob(Struct, frozen=True, kw_only=True):
    """An import. Without a site, each thread goes to the site of its own address."""

    id: str
    site_id: str | None
    folder: str
    name: str
    bytes: int
    format: str
    options: str
    state: JobState = JobState.UPLOADED
    progress: int = 0
    total: int | None = None
    books: str | None = None
    error: str | None = None
    actor: Actor
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None


NAMES: Final = tuple(name for name in ImportJob.__struct_fields__ if name != "actor")
COLUMNS: Final = f"{', '.join(NAMES)}, {actors.COLUMNS}"
VALUES: Final = ", ".join(f":{name}" for name in NAMES)
IS_WORKING: Final = "state IN ('uploaded', 'checking', 'importing')"


async def add(unit: Write, job: ImportJob) -> None:
    """Insert an import."""
    await unit.run(f"INSERT INTO import_job ({COLUMNS}) VALUES ({VALUES}, {actors.VALUES})", **_values(job))


async def get(unit: PrivateRead, job_id: str) -> ImportJob | None:
    """Return an import."""
    row = await unit.one(f"SELECT {COLUMNS} FROM import_job WHERE id = :id", id=job_id)
    return _job(row) if row else None


async def list_newest(unit: PrivateRead, sites: Sequence[str] | None, limit: int) -> list[ImportJob]:
    """Return imports into these sites, newest first. None: every import."""
    on_sites, values = site_condition("site_id", sites)
    rows = await unit.all(
        f"SELECT {COLUMNS} FROM import_job WHERE {on_sites} ORDER BY id DESC LIMIT CAST(:limit AS BIGINT)",
        limit=limit,
        **values,
    )
    return [_job(row) for row in rows]


async def count_open(unit: PrivateRead) -> int:
    """Return the number of imports that are not done: each has a file."""
    row = await unit.one("SELECT COUNT(*) AS number FROM import_job WHERE state NOT IN ('done', 'cancelled')")
    return int(row["number"]) if row else 0


async def find_next(unit: PrivateRead, folder: str) -> ImportJob | None:
    """Return the oldest import in this folder that waits for a process, or was interrupted."""
    row = await unit.one(
        f"SELECT {COLUMNS} FROM import_job WHERE folder = :folder AND {IS_WORKING} ORDER BY id LIMIT 1", folder=folder
    )
    return _job(row) if row else None


async def list_with_file(unit: PrivateRead, folder: str) -> list[str]:
    """Return the ids of the imports in this folder that still need their file."""
    rows = await unit.all(
        "SELECT id FROM import_job WHERE folder = :folder AND state NOT IN ('done', 'cancelled')", folder=folder
    )
    return [row["id"] for row in rows]


async def update(unit: Write, job: ImportJob) -> None:
    """Store every column of an import."""
    columns = ", ".join(f"{name} = :{name}" for name in NAMES if name != "id")
    await unit.run(f"UPDATE import_job SET {columns} WHERE id = :id", **_values(job))


async def note_progress(unit: Write, job_id: str, state: JobState, progress: int, total: int | None) -> bool:
    """Store how far an import is; return False if it is in another state now."""
    changed = await unit.run(
        """
        UPDATE import_job SET progress = :progress, total = CAST(:total AS BIGINT)
        WHERE id = :id AND state = :state
        """,
        id=job_id,
        state=state.value,
        progress=progress,
        total=total,
    )
    return changed == 1


async def delete(unit: Write, job_id: str) -> None:
    """Delete an import."""
    await unit.run("DELETE FROM import_job WHERE id = :id", id=job_id)


async def delete_expired(unit: Write, before: str) -> None:
    """Delete the imports that were uploaded before a time, unless a process may be working on them."""
    await unit.run(f"DELETE FROM import_job WHERE created_at < :before AND NOT {IS_WORKING}", before=before)


def _values(job: ImportJob) -> dict[str, Any]:
    values = {name: getattr(job, name) for name in NAMES}
    return values | {"state": job.state.value} | actors.actor_values(job.actor)


def _job(row: Row) -> ImportJob:
    values = {name: row[name] for name in NAMES}
    return msgspec.convert(values | {"actor": msgspec.to_builtins(actors.actor_of(row))}, ImportJob)
