"""The handler of the API for exports."""

from typing import Final

from aiohttp import web

from commentsvc.access import permissions
from commentsvc.archives import export_formats
from commentsvc.archives.export import Exported, Sink, find_site
from commentsvc.archives.export_schemas import ExportQuery
from commentsvc.archives.schemas import Contacts
from commentsvc.domain.models import Scope
from commentsvc.web.server.routing import SERVICE, WHO
from commentsvc.web.server.streaming import stream_file

MOST_SECONDS: Final = 900.0  # a client that reads slowly must not keep the state of one moment for longer


async def export_comments(request: web.Request, query: ExportQuery) -> web.StreamResponse:
    """Export comments with all that belongs to them, as one file of one moment. Addresses in the clear need `admin`."""
    service, who = request.app[SERVICE], request[WHO]
    contacts = export_formats.choose_contacts(query.contacts, query.format)
    if contacts is Contacts.CLEAR:
        permissions.require_scope(who, Scope.ADMIN)
    site_id = await find_site(service, who, query.site)

    async def write(sink: Sink) -> Exported:
        return await export_formats.export(
            service, site_id, query.format, contacts, sink, MOST_SECONDS, actor=who.actor
        )

    name = f"comments.{export_formats.SUFFIXES[query.format]}"
    return await stream_file(request, name, export_formats.KINDS[query.format], write)
