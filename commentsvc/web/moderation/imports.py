"""The page for imports: choose a file, check the dry run, import."""

import zoneinfo
from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta, Struct

from commentsvc.archives import jobs
from commentsvc.archives.formats.registry import FORMATS
from commentsvc.archives.import_schemas import ImportBooks, ImportQuery, ImportRecord
from commentsvc.archives.uploads import MEBIBYTE
from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, Forbidden, Invalid, MalformedRequest, NotFound, Refusal, TooLarge
from commentsvc.domain.models import Status
from commentsvc.moderation.wording import STATUSES
from commentsvc.storage.import_jobs import ENDED, WORKING, JobState
from commentsvc.web.moderation import import_words, layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.server import problems, upload
from commentsvc.web.server.routing import JSON, SERVICE, SESSION, WHO
from commentsvc.web.server.upload_form import read_upload_form

IMPORT: Final = "/moderate/import"
SHOWN_HERE: Final = (Conflict, Forbidden, Invalid, MalformedRequest, TooLarge)  # errors of the form and its file
COMPARED: Final = ("site", "format", "zone", "merge_duplicates", "keep_spam")


class ImportForm(Struct, frozen=True, kw_only=True):
    """The options of an import, and what its buttons do."""

    site: Annotated[str, Meta(max_length=300)] = ""
    format: Annotated[str, Meta(max_length=30)] = ""
    zone: Annotated[str, Meta(max_length=60)] = ""
    merge: Literal["on"] | None = None
    spam: Literal["on"] | None = None
    do: Literal["start", "check", "cancel"] = "check"
    back: Back | None = None

    def values(self, job: ImportRecord) -> dict[str, Any]:
        """Return the options for the API."""
        return {
            "site": self.site or None,
            "format": self.format or job.format,
            "zone": self.zone or job.zone,
            "merge_duplicates": self.merge == "on",
            "keep_spam": self.spam == "on",
            "name": job.name,
        }


async def show_imports(request: web.Request, query: ResultQuery) -> web.Response:
    """Show the form for a file, and the imports of a week."""
    return await _render_imports(request, result=query)


async def _render_imports(request: web.Request, error: Refusal | None = None, **values: Any) -> web.Response:
    service = request.app[SERVICE]
    return await _render(
        request,
        "imports.html",
        status=problems.STATUS_OF_ERROR[type(error)] if error else 200,
        listed=(await jobs.list_imports(service, request[WHO])).imports,
        formats=list(_titles().values()),
        most_bytes=service.config.most_upload_mb * MEBIBYTE,
        error=error,
        **values,
    )


async def _render(request: web.Request, template: str, **values: Any) -> web.Response:
    translate = layout.page_locale(request).translate
    titles = _titles()
    now = request.app[SERVICE].clock()

    def time_left(job: ImportRecord) -> str:
        left = import_words.describe_time_left(job, now)
        return translate(left) if left else ""

    def list_repairs(books: ImportBooks) -> list[str]:
        return [translate(import_words.describe_repair(one, number)) for one, number in books.repairs.items()]

    def list_statuses(books: ImportBooks) -> list[tuple[str, int]]:
        return [(translate(STATUSES[Status(one)]), number) for one, number in sorted(books.statuses.items())]

    words: dict[str, Any] = {
        "tab": "import",
        "working": WORKING,
        "ended": ENDED,
        "states": {state: translate(text) for state, text in import_words.STATES.items()},
        "reasons": {reason: translate(text) for reason, text in import_words.REASONS.items()},
        "title_of": lambda job: titles.get(job.format, ""),
        "list_left_out": import_words.list_left_out,
        "list_repairs": list_repairs,
        "list_statuses": list_statuses,
        "percent_done": import_words.percent_done,
        "time_left": time_left,
        "seconds_taken": import_words.seconds_taken,
        "format_bytes": import_words.format_bytes,
    }
    return await layout.render_page(request, template, **words, **values)


def _titles() -> dict[str, str]:
    """Return the formats, with the systems that write them."""
    return {one.name: one.title for one in FORMATS} | {jobs.OWN: "commentsvc"}


async def upload_archive(request: web.Request) -> web.Response:
    """Store the file of the form as it arrives, and go to the page of its import."""
    service, who = request.app[SERVICE], request[WHO]
    form = await read_upload_form(request)
    site = form.fields.get("site", "")[:100] or None
    query = ImportQuery(site=site, zone=_zone_of(form.fields), name=form.name[:300])
    await jobs.check_choices(service, who, query)
    async with upload.begin_upload(request) as file:
        await upload.receive(request, form.read, file)
        job = await upload.add_import(request, query, file)
    return layout.redirect_back(f"{IMPORT}/{job.id}")


def _zone_of(fields: dict[str, str]) -> str:
    """Return the time zone of the browser, if its script has sent a known one."""
    zone = fields.get("zone", "")
    return zone if zone in list_zones() else "UTC"


async def show_upload_error(request: web.Request, error: Refusal, body: bytes) -> web.Response:
    """Show why the file was refused, with the form."""
    if SESSION not in request or not isinstance(error, SHOWN_HERE):
        return await layout.show_error(request, error, body)
    return await _render_imports(request, error)


async def show_import(request: web.Request, query: ResultQuery) -> web.Response:
    """Show an import: its progress, or its books and what to do next."""
    return await _render_import(request, await _load(request), result=query)


async def _load(request: web.Request) -> ImportRecord:
    return await jobs.get_import(request.app[SERVICE], request[WHO], request.match_info["id"])


async def _render_import(
    request: web.Request, job: ImportRecord, *, error: Refusal | None = None, **values: Any
) -> web.Response:
    listed = (await jobs.list_imports(request.app[SERVICE], request[WHO])).imports
    return await _render(
        request,
        "import.html",
        status=problems.STATUS_OF_ERROR[type(error)] if error else 200,
        job=job,
        others=[one for one in listed if one.id != job.id and one.state in WORKING],
        formats=list(_titles().items()),
        zones=list_zones(),
        error=error,
        **values,
    )


async def change_import(request: web.Request, form: ImportForm) -> web.Response:
    """Do what a button of the page says. Options that have changed are checked before anything is imported."""
    service, who, job = request.app[SERVICE], request[WHO], await _load(request)
    if form.do == "cancel":
        await jobs.cancel_import(service, who, job.id)
        return layout.redirect_back(IMPORT)
    query = validation.validate(ImportQuery, form.values(job), service.config.limits, form=True)
    is_changed = any(getattr(job, name) != getattr(query, name) for name in COMPARED)
    if form.do == "start" and not is_changed:
        await jobs.start_import(service, who, job.id)
    else:
        await jobs.check_again(service, who, job.id, query)
    return layout.redirect_back(f"{IMPORT}/{job.id}")


@layout.on_field_errors
async def show_import_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the import again, with the errors of its options."""
    try:
        job = await _load(request)
    except NotFound as missing:
        return await layout.show_error(request, missing, body)
    return await _render_import(request, job, error=error)


async def download_books(request: web.Request) -> web.Response:
    """Return the books as a file.

    Raises:
        NotFound: nothing was counted yet.
    """
    job = await _load(request)
    if job.books is None:
        raise NotFound
    is_dry_run = job.state is JobState.CHECKED
    content = {"import": job.id, "file": job.name, "format": job.format, "dry_run": is_dry_run, "books": job.books}
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="books.json"', hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(
        body=msgspec.json.format(msgspec.json.encode(content), indent=2), content_type=JSON, headers=headers
    )


@cache
def list_zones() -> tuple[str, ...]:
    """Return the time zones that a person may choose: places, and UTC."""
    places = {zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/")}
    return ("UTC", *sorted(places))
