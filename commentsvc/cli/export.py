"""Run the command that exports comments."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commentsvc.archives.export import Sink, find_site
from commentsvc.archives.export_formats import choose_contacts, export
from commentsvc.archives.export_schemas import ExportFormat
from commentsvc.archives.schemas import Contacts
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.service import Service
from commentsvc.storage.durable_files import sync_folder


async def _export(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    export_format = ExportFormat(arguments.format)
    contacts = choose_contacts(Contacts(arguments.contacts) if arguments.contacts else None, export_format)
    site_id = await find_site(service, OPERATOR, arguments.site)
    if arguments.output is None:
        if terminal.interactive:
            raise Invalid(FieldError("output", "required", "An export does not fit a terminal. Add: --output FILE"))
        await export(service, site_id, export_format, contacts, _sink_to(terminal.write_bytes))
        return CommandResult(None, "")
    file = Path(arguments.output)
    with _open_new(file) as sink:
        written = await export(service, site_id, export_format, contacts, sink)
    data = {"file": str(file), "sites": written.sites, "threads": written.threads, "comments": written.comments}
    numbers = f"Comments: {written.comments:,}. Threads: {written.threads:,}. Sites: {written.sites:,}."
    return CommandResult(data, f"Exported to {file}. {numbers}")


def _sink_to(write: Callable[[bytes], object]) -> Sink:
    async def sink(piece: bytes) -> None:
        write(piece)

    return sink


@contextmanager
def _open_new(file: Path) -> Iterator[Sink]:
    """Write a new file that only this user can read. It gets its name when it is complete and on disk.

    Raises:
        Invalid: for the field ``output``: the file exists, or cannot be written.
    """
    if os.path.lexists(file):
        raise Invalid(FieldError("output", "invalid", f"The file {file} exists already. Name a new one."))
    unfinished = file.with_name(f"{file.name}.part")
    try:
        unfinished.unlink(missing_ok=True)  # of an export that was killed; it may be readable by others
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as written:  # noqa: PTH123 -- it is open already
                yield _sink_to(written.write)
                written.flush()
                os.fsync(descriptor)
            unfinished.rename(file)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(file.absolute().parent)
    except OSError as error:
        raise Invalid(FieldError("output", "invalid", f"Cannot write {file}: {error.strerror}.")) from None


COMMANDS: Final[Commands] = {("export", "export"): _export}
