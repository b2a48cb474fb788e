"""Run the command that imports archives."""

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from commentsvc.archives.books import Books, Progress
from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import FORMATS, ArchiveFormat, find_format
from commentsvc.archives.importer import import_archive
from commentsvc.archives.lines import is_own_archive
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.records import LeftOutReason, Repair
from commentsvc.archives.restore_lines import import_lines
from commentsvc.cli.terminal import CommandResult, Commands, Terminal
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.operations import erasures
from commentsvc.service import Service

AUTO: Final = "auto"
OWN: Final = "jsonl"  # our own format, which is not read into records
REPORT_SECONDS: Final = 5.0  # between two lines of progress
COLUMNS_OF_MAP: Final = 2


async def _import(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    files = [ArchiveFile(Path(name)) for name in arguments.files]
    options = ImportOptions(
        site=arguments.site,
        zone=read_zone(arguments.zone) if arguments.zone else UTC,
        thread_map=read_map(Path(arguments.map)) if arguments.map else {},
        is_dry_run=arguments.dry_run,
        merges_duplicates=arguments.merge_duplicates,
        keeps_spam=arguments.keep_spam,
    )
    own = _find_own(arguments.format, files)
    archive_format = None if own else _find_format(arguments.format, files)
    with _reporting(terminal, is_quiet=arguments.json) as report:
        if archive_format is None:
            books = await import_lines(service, own[0], options, report)
        else:
            books = await import_archive(service, files, archive_format, options, report)
    if books.imported and not options.is_dry_run:
        await erasures.apply_journal(service)  # what was erased may be in an archive, or in an older database
    return CommandResult(books, "\n".join(describe_books(books, options)), _find_problem(books, files, archive_format))


def _find_own(name: str, files: Sequence[ArchiveFile]) -> Sequence[ArchiveFile]:
    """Return the file if it is of our own format; none otherwise.

    Raises:
        Invalid: for the field ``files``: there are several.
    """
    if name != OWN and not (name == AUTO and is_own_archive(files[0])):
        return ()
    if len(files) > 1:
        raise Invalid(FieldError("files", "invalid", f"Import one file of the format {OWN} at a time."))
    return files


def _find_format(name: str, files: Sequence[ArchiveFile]) -> ArchiveFormat:
    """Return the format with this name, or that of the files.

    Raises:
        Invalid: for the field ``format``: there is no such format, or the files have several.
        UnreadableArchive: no format matches a file.
    """
    if name == AUTO:
        found = {one.name: one for one in map(find_format, files)}
        if len(found) > 1:
            names = ", ".join(found)
            raise Invalid(FieldError("format", "invalid", f"These files have several formats ({names}). Import each."))
        return next(iter(found.values()))
    for one in FORMATS:
        if one.name == name:
            return one
    known = ", ".join([AUTO, OWN, *(one.name for one in FORMATS)])
    raise Invalid(FieldError("format", "invalid", f"Unknown format. Name one of: {known}."))


def read_zone(text: str) -> tzinfo:
    """Return a time zone: a name, or an offset.

    Raises:
        Invalid: for the field ``zone``.
    """
    try:
        if text[0] in "+-":
            zone = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo
            return zone or UTC
        return ZoneInfo(text)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        pass
    except KeyError:
        pass
    raise Invalid(FieldError("zone", "invalid", "Name a time zone such as Europe/Berlin, or an offset such as +01:00."))


def read_map(file: Path) -> dict[str, str]:
    """Return a map of threads: in each line, a thread id or address in the archive, and an address here.

    Raises:
        Invalid: for the field ``map``: the file cannot be read, or a line has not two columns.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Invalid(FieldError("map", "invalid", f"{file.name} cannot be read: {error.strerror}.")) from None
    except UnicodeDecodeError:
        raise Invalid(FieldError("map", "invalid", f"{file.name} is not UTF-8 text. Save it as UTF-8.")) from None
    found: dict[str, str] = {}
    for number, row in enumerate(csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ","), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != COLUMNS_OF_MAP or not all(cells):
            detail = f"Line {number} of {file.name} must have two columns: thread id or old address, new address."
            raise Invalid(FieldError("map", "invalid", detail))
        found[cells[0]] = cells[1]
    return found


@contextmanager
def _reporting(terminal: Terminal, *, is_quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress: a bar for a person at a terminal, else a line now and then."""
    if is_quiet:
        yield lambda _: None
        return
    bar = _Bar.open() if terminal.interactive else None
    try:
        yield bar.show if bar else _Lines(terminal).show
    finally:
        if bar:
            bar.close()


class _Lines:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown = time.monotonic()

    def show(self, progress: Progress) -> None:
        if time.monotonic() - self._shown >= REPORT_SECONDS:
            self._shown = time.monotonic()
            of_all = f" of {progress.total:,}" if progress.total else ""
            self._terminal.print_error(f"{progress.phase}: {progress.done:,}{of_all}")


class _Bar:
    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._bar: Any = None
        self._phase = ""

    @classmethod
    def open(cls) -> "_Bar | None":
        try:
            from tqdm import tqdm  # noqa: PLC0415 -- of the extra "archives"; without it there are lines
        except ImportError:
            return None
        return cls(tqdm)

    def show(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self.close()
            self._phase = progress.phase
            self._bar = self._make(desc=progress.phase, total=progress.total, unit=" comments", leave=False)
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


REASONS: Final = {
    LeftOutReason.PINGBACK: "pingbacks",
    LeftOutReason.TRACKBACK: "trackbacks",
    LeftOutReason.SPAM: "spam",
    LeftOutReason.TRASH: "in the trash",
    LeftOutReason.DELETED: "deleted",
    LeftOutReason.EMPTY: "without text",
    LeftOutReason.BAD_THREAD: "on no page here",
    LeftOutReason.UNREADABLE: "unreadable",
}
REPAIRS: Final = {
    Repair.CONTROL_CHARACTERS: "control characters dropped",
    Repair.DATE_UNKNOWN: "date unknown, taken from the comment before",
    Repair.NAME_CUT: "names cut",
    Repair.NAME_MISSING: "without a name",
    Repair.WEBSITE_DROPPED: "invalid websites dropped",
    Repair.EMAIL_DROPPED: "invalid email addresses dropped",
    Repair.TEXT_CUT: "texts cut",
    Repair.PARENT_LEFT_OUT: "replies moved up, since what they answer was left out",
    Repair.PARENT_MISSING: "replies moved to the top, since what they answer is missing",
}


def describe_books(books: Books, options: ImportOptions) -> Iterator[str]:
    """Return the books as lines of a table, with the sum written out."""
    yield "Dry run: nothing was changed. An import would do this." if options.is_dry_run else "Import:"
    counted = [("imported", books.imported), ("merged", books.merged), ("already there", books.existing)]
    counted += [(f"left out: {REASONS[reason]}", number) for reason, number in books.left_out.items() if number]
    rows = [("read", books.read), *counted]
    width = max(len(title) for title, _ in rows)
    named = ", ".join(f"{number:,} {status.value}" for status, number in sorted(books.statuses.items()))
    statuses = f"  ({named})" if named else ""
    for title, number in rows:
        yield f"  {title:<{width}}  {number:>10,}{statuses if title == 'imported' else ''}"
    sign = "=" if books.balance else "is not"
    yield f"  {books.read:,} {sign} {' + '.join(f'{number:,}' for _, number in counted)}"
    yield f"Threads with new comments: {books.threads:,}. Threads without comments: {books.threads_without_comments:,}."
    for repair, number in books.repairs.items():
        yield f"  mended: {REPAIRS[repair]}: {number:,}"
    if books.left_out.get(LeftOutReason.BAD_THREAD):
        yield "Comments on no page here: name their site with --site, or their pages with --map."
    if not options.keeps_spam and any(books.left_out.get(one) for one in (LeftOutReason.SPAM, LeftOutReason.TRASH)):
        yield "Spam and trash were left out. To import them too, add: --keep-spam"


def _find_problem(books: Books, files: Sequence[ArchiveFile], chosen: ArchiveFormat | None) -> str:
    if books.read:
        return "" if books.balance else "The sum is wrong: some comments were lost. Please report this."
    with suppress(UnreadableArchive):
        found = find_format(files[0])
        if chosen and found is not chosen:
            return f"No comment was read. {files[0].name} looks like the format {found.name}: name that instead."
        return "No comment was read. The file seems to have none: export it again."
    return "No comment was read. Check that this is the right file and format."


COMMANDS: Final[Commands] = {("import", "import"): _import}
