"""Handlers of the API for imports."""

from aiohttp import hdrs, web

from commentsvc.archives import jobs
from commentsvc.archives.import_schemas import ImportList, ImportQuery, ImportRecord
from commentsvc.web.server import upload
from commentsvc.web.server.responses import respond
from commentsvc.web.server.routing import SERVICE, WHO


async def list_imports(request: web.Request) -> ImportList:
    """Return the imports of the last 7 days, newest first."""
    return await jobs.list_imports(request.app[SERVICE], request[WHO])


async def add_import(request: web.Request, query: ImportQuery) -> web.Response:
    """Upload an archive. A dry run counts what an import would do."""
    service, who = request.app[SERVICE], request[WHO]
    await jobs.check_choices(service, who, query)
    async with upload.begin_upload(request) as file:
        await upload.receive(request, request.content.readany, file)
        job = await upload.add_import(request, query, file)
    return respond(job, 202, {hdrs.LOCATION: f"/v1/imports/{job.id}"})


async def get_import(request: web.Request) -> ImportRecord:
    """Return an import: its state, progress and books."""
    return await jobs.get_import(request.app[SERVICE], request[WHO], request.match_info["id"])


async def start_import(request: web.Request) -> ImportRecord:
    """Import what the dry run has counted."""
    return await jobs.start_import(request.app[SERVICE], request[WHO], request.match_info["id"])


async def cancel_import(request: web.Request) -> None:
    """Stop an import and delete its file, or forget one that is done. Imported comments stay."""
    await jobs.cancel_import(request.app[SERVICE], request[WHO], request.match_info["id"])
