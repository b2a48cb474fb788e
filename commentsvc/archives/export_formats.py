"""All formats of an export, and what each can hold."""

from collections.abc import Awaitable, Callable
from typing import Final

from commentsvc.archives.export import Exported, Sink, Source, write_lines
from commentsvc.archives.export_csv import export_csv
from commentsvc.archives.export_schemas import ExportFormat
from commentsvc.archives.export_site_wxr import export_wxr
from commentsvc.archives.schemas import Contacts
from commentsvc.audit import log
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.models import Actor
from commentsvc.service import Service, open_snapshot, write
from commentsvc.storage.database import Write

_WRITERS: Final[dict[ExportFormat, Callable[[Source, Sink], Awaitable[Exported]]]] = {
    ExportFormat.JSONL: write_lines,
    ExportFormat.CSV: export_csv,
    ExportFormat.WXR: export_wxr,
}
KINDS: Final = {
    ExportFormat.JSONL: "application/x-ndjson",
    ExportFormat.CSV: "text/csv",
    ExportFormat.WXR: "application/rss+xml",
}
SUFFIXES: Final = {ExportFormat.JSONL: "jsonl", ExportFormat.CSV: "csv", ExportFormat.WXR: "xml"}


def choose_contacts(chosen: Contacts | None, export_format: ExportFormat) -> Contacts:
    """Return what an export says about addresses. Without a choice nobody sees one.

    Raises:
        Invalid: for the field ``contacts``: only our own format can hold encrypted addresses.
    """
    if export_format is ExportFormat.JSONL:
        return chosen or Contacts.SEALED
    if chosen is Contacts.SEALED:
        raise Invalid(FieldError("contacts", "invalid", "Only jsonl holds encrypted addresses. Choose none or clear."))
    return chosen or Contacts.NONE


async def export(
    service: Service,
    site_id: str | None,
    export_format: ExportFormat,
    contacts: Contacts,
    sink: Sink,
    seconds: float | None = None,
    *,
    actor: Actor = log.OPERATOR,
) -> Exported:
    """Write an export to ``sink`` in pieces, all of it from one moment. A sink that raises ends it.

    The audit log gets its entry before the first byte, so an export that is cut off has one too. ``actor`` is who
    exports.

    Raises:
        Invalid: for the field ``site``: the format needs one.
        Unavailable: it took longer than ``seconds``, or enough others are running.
    """
    is_logged = False

    async def log_and_sink(piece: bytes) -> None:
        nonlocal is_logged
        if not is_logged:
            await _log_export(service, actor, site_id, export_format, contacts)
            is_logged = True
        await sink(piece)

    async with open_snapshot(service, seconds) as unit:
        return await _WRITERS[export_format](Source(unit, site_id, contacts), log_and_sink)


@write
async def _log_export(
    unit: Write, actor: Actor, site_id: str | None, export_format: ExportFormat, contacts: Contacts
) -> None:
    body = {"format": export_format.value, "contacts": contacts.value}
    await log.add_entry(unit, actor=actor, verb="export", site_id=site_id, body=body)
