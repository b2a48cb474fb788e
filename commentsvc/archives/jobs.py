"""Imports by upload: add, list, start and cancel them. ``job_run.py`` does the work, in a process of its own.

They need the scope ``admin``: an archive can put any text under any name on every page of a site, with any date and
status, and its email addresses are stored.
"""

import time
import zoneinfo
from contextlib import suppress
from typing import Final

import msgspec

from commentsvc.archives.formats import registry
from commentsvc.archives.import_schemas import (
    ImportBooks,
    ImportChoices,
    ImportFault,
    ImportList,
    ImportQuery,
    ImportRecord,
)
from commentsvc.archives.uploads import MEBIBYTE, Upload, UploadFolder, clean_name, reserved_bytes
from commentsvc.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Principal
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import import_jobs
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.import_jobs import ENDED, WORKING, ImportJob, JobState

AUTO: Final = "auto"
OWN: Final = "jsonl"  # our own format, which is not read into records
JOB_DAYS: Final = 7
MOST_LISTED: Final = 50
MOST_OPEN: Final = 20  # imports that are not done: each has a file
FILE_SECONDS: Final = 86_400  # a file without an import is left by an upload that was killed


@private_read
async def list_imports(unit: PrivateRead, who: Principal) -> ImportList:
    """Return the newest imports into this principal's sites."""
    names = await _site_names(unit)
    return ImportList([_record(job, names) for job in await import_jobs.list_newest(unit, who.sites, MOST_LISTED)])


@private_read
async def get_import(unit: PrivateRead, who: Principal, job_id: str) -> ImportRecord:
    """Return an import.

    Raises:
        NotFound: the id is unknown, or its import goes into other sites than the principal's.
    """
    return _record(await _load(unit, who, job_id), await _site_names(unit))


@private_read
async def check_choices(unit: PrivateRead, who: Principal, query: ImportQuery) -> None:
    """Check the options of an import before its file arrives.

    Raises:
        Invalid: for the fields ``site``, ``format`` and ``zone``.
        Forbidden: the import would reach more sites than the principal has.
        Conflict: too many imports wait.
    """
    await _check(unit, who, query)
    if await import_jobs.count_open(unit) >= MOST_OPEN:
        raise Conflict(translatable("Too many imports are not finished. Import or cancel one first."))


async def _check(unit: PrivateRead, who: Principal, query: ImportQuery) -> str | None:
    """Return the id of the site."""
    known = [OWN, *(one.name for one in registry.FORMATS)]
    if query.format not in {AUTO, *known}:
        raise Invalid(FieldError("format", "invalid", f"Use auto or one of: {', '.join(known)}."))
    if not _is_zone(query.zone):
        raise Invalid(FieldError("zone", "invalid", translatable("Use a time zone such as Europe/Lisbon or UTC.")))
    site = await resolve.find_named_site(unit, query.site)
    if who.sites is not None and (site is None or not who.reaches(site.id)):
        raise Forbidden(translatable("You can import into your own sites only. Name one of them."))
    return site.id if site else None


def _is_zone(name: str) -> bool:
    with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zoneinfo.ZoneInfo(name)
        return True
    return False


def begin_upload(service: Service) -> Upload:
    """Return a new file for an upload.

    Raises:
        Conflict, Unavailable: there is no folder for it.
    """
    config = service.config
    folder = UploadFolder.create(config)
    return Upload(folder, service.new_id(), config.most_upload_mb * MEBIBYTE, reserved_bytes(config))


@write
async def add_import(unit: Write, who: Principal, query: ImportQuery, upload: Upload) -> ImportRecord:
    """Add the import of a file that has arrived. The dry run begins at once.

    Raises:
        Invalid, Forbidden: see ``check_choices``.
    """
    job = ImportJob(
        id=upload.job_id,
        site_id=await _check(unit, who, query),
        folder=upload.folder.id,
        name=clean_name(query.name),
        bytes=upload.bytes,
        format=query.format,
        options=_choices(who, query),
        actor=who.actor,
        created_at=unit.now(),
    )
    await import_jobs.add(unit, job)
    return _record(job, await _site_names(unit))


@write
async def check_again(unit: Write, who: Principal, job_id: str, query: ImportQuery) -> ImportRecord:
    """Run the dry run again with other options.

    Raises:
        NotFound: there is no such import.
        Conflict: it is not waiting for a decision.
        Invalid, Forbidden: see ``check_choices``.
    """
    job = await _load(unit, who, job_id)
    if job.state not in {JobState.CHECKED, JobState.FAILED}:
        raise _wrong_state(job)
    site_id = await _check(unit, who, query)
    job = msgspec.structs.replace(
        job, site_id=site_id, format=query.format, options=_choices(who, query), **_as_new(JobState.UPLOADED)
    )
    job = msgspec.structs.replace(job, books=None)
    await import_jobs.update(unit, job)
    return _record(job, await _site_names(unit))


@write
async def start_import(unit: Write, who: Principal, job_id: str) -> ImportRecord:
    """Import what the dry run has counted.

    Raises:
        NotFound: there is no such import.
        Forbidden: an operator of all sites uploaded it, so it may change more than the principal's sites.
        Conflict: its dry run is not done, or it was started before.
    """
    job = await _load(unit, who, job_id)
    if who.sites is not None and msgspec.json.decode(job.options, type=ImportChoices).is_whole:
        raise Forbidden
    if job.state is not JobState.CHECKED:
        raise _wrong_state(job)
    job = msgspec.structs.replace(job, **_as_new(JobState.IMPORTING))
    await import_jobs.update(unit, job)
    return _record(job, await _site_names(unit))


async def cancel_import(service: Service, who: Principal, job_id: str) -> None:
    """Stop an import that is not done, or forget one that is. Its file is deleted. Imported comments stay.

    Raises:
        NotFound: there is no such import.
    """
    await _cancel(service, who, job_id)
    folder = UploadFolder.find(service.config)
    if folder:
        folder.remove(job_id)


@write
async def _cancel(unit: Write, who: Principal, job_id: str) -> None:
    job = await _load(unit, who, job_id)
    if job.state in ENDED:
        await import_jobs.delete(unit, job_id)
    else:
        ended = msgspec.structs.replace(job, state=JobState.CANCELLED, finished_at=unit.now())
        await import_jobs.update(unit, ended)


async def remove_expired(service: Service) -> None:
    """Delete imports of more than 7 days ago, and files that no import needs."""
    await _remove_expired(service)
    folder = UploadFolder.find(service.config)
    if folder:
        folder.remove_others(await _list_with_file(service, folder.id), time.time() - FILE_SECONDS)


@write
async def _remove_expired(unit: Write) -> None:
    await import_jobs.delete_expired(unit, unit.ago(days=JOB_DAYS))


@private_read
async def _list_with_file(unit: PrivateRead, folder_id: str) -> list[str]:
    return await import_jobs.list_with_file(unit, folder_id)


async def _load(unit: PrivateRead, who: Principal, job_id: str) -> ImportJob:
    job = await import_jobs.get(unit, job_id)
    if job is None or (who.sites is not None and (job.site_id is None or not who.reaches(job.site_id))):
        raise NotFound
    return job


def _wrong_state(job: ImportJob) -> Conflict:
    if job.state in WORKING:
        return Conflict(translatable("This import is running. Wait until it is done, or stop it."))
    if job.state is JobState.FAILED:
        return Conflict(translatable("This import failed. Correct its options and check it again."))
    return Conflict(translatable("This import is over. Upload the file again to repeat it."))


def _as_new(state: JobState) -> dict[str, object]:
    """Return the columns of a job that waits for a process."""
    return {"state": state, "progress": 0, "total": None, "error": None, "started_at": None, "finished_at": None}


def _choices(who: Principal, query: ImportQuery) -> str:
    choices = ImportChoices(
        zone=query.zone,
        merge_duplicates=query.merge_duplicates,
        keep_spam=query.keep_spam,
        is_whole=who.sites is None,
    )
    return msgspec.json.encode(choices).decode()


async def _site_names(unit: PrivateRead) -> dict[str, str]:
    return {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}


def _record(job: ImportJob, names: dict[str, str]) -> ImportRecord:
    choices = msgspec.json.decode(job.options, type=ImportChoices)
    return ImportRecord(
        id=job.id,
        site=names.get(job.site_id) if job.site_id else None,
        format=job.format,
        name=job.name,
        bytes=job.bytes,
        zone=choices.zone,
        merge_duplicates=choices.merge_duplicates,
        keep_spam=choices.keep_spam,
        state=job.state,
        progress=job.progress,
        total=job.total,
        books=msgspec.json.decode(job.books, type=ImportBooks) if job.books else None,
        error=msgspec.json.decode(job.error, type=ImportFault) if job.error else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )
