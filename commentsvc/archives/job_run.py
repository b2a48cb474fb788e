"""Do the work of one import: the dry run, or the import itself. Both can be interrupted, and run again."""

import asyncio
import logging
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Protocol

import msgspec

from commentsvc.archives.books import Books, Progress
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats import registry
from commentsvc.archives.formats.registry import ArchiveFormat
from commentsvc.archives.import_schemas import ImportChoices, ImportErrorCode, ImportFault
from commentsvc.archives.jobs import AUTO, OWN
from commentsvc.archives.lines import is_own_archive
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.uploads import UploadFolder
from commentsvc.domain.errors import NotFound, Refusal, Unavailable
from commentsvc.domain.models import Actor
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import import_jobs
from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.import_jobs import ImportJob, JobState

LOG: Final = logging.getLogger(__name__)
OWN_IS_WHOLE: Final = "It is an export of this service. Only an operator of all sites can import it."
REPORT_SECONDS: Final = 0.5
FAULTS: Final[dict[ImportErrorCode, str]] = {
    "nothing_read": "The archive has no comments that can be read. Is it the right file and format?",
    "unbalanced": "The sums do not agree: this is an error of the program. Please report it.",
    "interrupted": "The import was interrupted several times. The log of the service may say why.",
    "internal": "The import stopped because of an error. The log of the service has the details.",
    "file_gone": "The file is not there any more. Upload it again.",
}


class ImportArchive(Protocol):
    """Imports an archive: ``importer.import_archive``."""

    async def __call__(
        self,
        service: Service,
        files: Sequence[ArchiveFile],
        archive_format: ArchiveFormat,
        options: ImportOptions,
        report: Callable[[Progress], None],
        *,
        actor: Actor,
    ) -> Books:
        """Return the books."""


@private_read
async def find_next(unit: PrivateRead, folder_id: str) -> ImportJob | None:
    """Return the import on whose file a process should work."""
    return await import_jobs.find_next(unit, folder_id)


async def run_job(service: Service, job_id: str, import_archive: ImportArchive) -> bool:
    """Work on an import until its dry run or the import is over, or somebody cancels it.

    Return False if another process is working on it.
    """
    folder = UploadFolder.find(service.config)
    job = None
    try:
        with _hold(folder, job_id) as held:
            if held is None:
                return False
            job = await _begin(service, job_id)
            if job:
                await _run_watched(service, job, held, import_archive)
    except FileNotFoundError:
        await fail(service, job_id, "file_gone")
    if job and folder:
        await _forget_file(service, job, folder)
    return True


@contextmanager
def _hold(folder: UploadFolder | None, job_id: str) -> Iterator[UploadFolder | None]:
    """Hold the file of an import alone; yield None if another process holds it."""
    if folder is None:
        raise FileNotFoundError
    with folder.hold(job_id) as is_held:
        yield folder if is_held else None


@write
async def _begin(unit: Write, job_id: str) -> ImportJob | None:
    """Note that work begins; return the import, or None if somebody has cancelled it."""
    job = await import_jobs.get(unit, job_id)
    if job is None or job.state not in import_jobs.WORKING:
        return None
    state = JobState.IMPORTING if job.state is JobState.IMPORTING else JobState.CHECKING
    job = msgspec.structs.replace(job, state=state, progress=0, total=None, started_at=unit.now())
    await import_jobs.update(unit, job)
    return job


async def _run_watched(service: Service, job: ImportJob, folder: UploadFolder, import_archive: ImportArchive) -> None:
    """Work, and store the progress, until the work is over or the import has another state."""
    latest: list[Progress] = []
    work = asyncio.create_task(_work(service, job, folder, import_archive, latest.append))
    try:
        while not work.done():
            await asyncio.wait([work], timeout=REPORT_SECONDS)
            if not work.done() and not await _note(service, job, latest):
                work.cancel()
    finally:
        work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def _note(service: Service, job: ImportJob, latest: list[Progress]) -> bool:
    """Store the newest progress; return False if somebody has cancelled the import."""
    newest = latest[-1] if latest else Progress("reading", 0, None)
    latest.clear()
    try:
        return await _note_progress(service, job, newest)
    except Unavailable:  # the import waits for the database too
        return True


@write
async def _note_progress(unit: Write, job: ImportJob, progress: Progress) -> bool:
    return await import_jobs.note_progress(unit, job.id, job.state, progress.done, progress.total)


async def _work(
    service: Service,
    job: ImportJob,
    folder: UploadFolder,
    import_archive: ImportArchive,
    report: Callable[[Progress], None],
) -> None:
    file = ArchiveFile(folder.file_of(job.id))
    try:
        options = await _options(service, job)
        if job.format == OWN or (job.format == AUTO and is_own_archive(file)):
            name, books = OWN, await _import_lines(service, job, file, options, report)
        else:
            is_auto = job.format == AUTO  # then perhaps every file of a blog is looked at
            found = await asyncio.to_thread(registry.find_format, file) if is_auto else _named_format(job.format)
            name = found.name
            books = await import_archive(service, [file], found, options, report, actor=job.actor)
    except Unavailable:  # another attempt may find the database
        raise
    except (UnreadableArchive, Refusal) as error:
        detail = str(error).replace(file.name, job.name)
        await fail(service, job.id, "unreadable", detail)
    except Exception:
        LOG.exception("import %s failed", job.id)
        await fail(service, job.id, "internal")
    else:
        await _finish(service, job.id, name, books)


async def _import_lines(
    service: Service, job: ImportJob, file: ArchiveFile, options: ImportOptions, report: Callable[[Progress], None]
) -> Books:
    """Import an archive of our own format.

    Raises:
        UnreadableArchive: it was uploaded with a key for some sites: it could hold rules and moderators of all sites.
    """
    from commentsvc.archives.restore_lines import import_lines  # noqa: PLC0415 -- large, and servers do not need it

    if not msgspec.json.decode(job.options, type=ImportChoices).is_whole:
        raise UnreadableArchive(OWN_IS_WHOLE)
    return await import_lines(service, file, options, report, actor=job.actor)


def _named_format(name: str) -> ArchiveFormat:
    for one in registry.FORMATS:
        if one.name == name:
            return one
    raise UnreadableArchive(f"The format {name} is not known here any more. Choose another one.")


@private_read
async def _options(unit: PrivateRead, job: ImportJob) -> ImportOptions:
    choices = msgspec.json.decode(job.options, type=ImportChoices)
    sites = {site.id: site.name for site in (await resolve.read_directory.within(unit)).sites}
    if job.site_id and job.site_id not in sites:  # without it, the comments would go to other sites
        raise NotFound
    return ImportOptions(
        site=sites[job.site_id] if job.site_id else None,
        zone=zoneinfo.ZoneInfo(choices.zone),
        is_dry_run=job.state is JobState.CHECKING,
        merges_duplicates=choices.merge_duplicates,
        keeps_spam=choices.keep_spam,
    )


@write
async def _finish(unit: Write, job_id: str, format_name: str, books: Books) -> None:
    """Store the books, unless somebody has cancelled the import."""
    job = await import_jobs.get(unit, job_id)
    if job is None or job.state not in {JobState.CHECKING, JobState.IMPORTING}:
        return
    state = JobState.CHECKED if job.state is JobState.CHECKING else JobState.DONE
    fault: ImportErrorCode | None = None if books.is_good else "unbalanced" if books.read else "nothing_read"
    changed = msgspec.structs.replace(
        job,
        state=JobState.FAILED if fault else state,
        format=format_name,
        progress=books.read,
        total=books.read,
        books=msgspec.json.encode(books).decode(),
        error=_encode_fault(fault, FAULTS[fault]) if fault else None,
        finished_at=unit.now(),
    )
    await import_jobs.update(unit, changed)


@write
async def fail(unit: Write, job_id: str, code: ImportErrorCode, detail: str = "") -> None:
    """Store why an import failed, unless somebody has cancelled it."""
    job = await import_jobs.get(unit, job_id)
    if job is not None and job.state in import_jobs.WORKING:
        error = _encode_fault(code, detail or FAULTS[code])
        failed = msgspec.structs.replace(job, state=JobState.FAILED, error=error, finished_at=unit.now())
        await import_jobs.update(unit, failed)


def _encode_fault(code: ImportErrorCode, detail: str) -> str:
    return msgspec.json.encode(ImportFault(code=code, detail=detail)).decode()


async def _forget_file(service: Service, job: ImportJob, folder: UploadFolder) -> None:
    """Delete the file of an import that is done: nobody needs its email addresses any more."""
    if await _is_ended(service, job.id):
        folder.remove(job.id)


@private_read
async def _is_ended(unit: PrivateRead, job_id: str) -> bool:
    job = await import_jobs.get(unit, job_id)
    return job is None or job.state in import_jobs.ENDED
