"""Import an archive of our own format: check it as a whole, then store it in pieces.

Ids are kept, and what has one of these ids stays as it is: a killed import can be run again. Nobody gets mail, and no
webhook is told.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import chain, islice
from typing import Final, TypeVar

from commentsvc.archives import restore_sites
from commentsvc.archives.books import Books, Progress
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.line_checks import LineCheck
from commentsvc.archives.lines import read_lines
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.restore_comments import PIECE, Known, Prepared, prepare, restore_piece
from commentsvc.archives.schemas import ArchiveLine, CommentLine, RuleLine, SourceLine
from commentsvc.audit import log
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import Actor, Status
from commentsvc.service import Service, private_read, write
from commentsvc.storage import archive_inserts, comments, imported, installation
from commentsvc.storage.database import PrivateRead, Write

T = TypeVar("T")
Report = Callable[[Progress], None]
PIECE_BYTES: Final = 1_000_000  # of texts in one unit of work, about
LINES_PER_REPORT: Final = 1000


async def import_lines(
    service: Service,
    file: ArchiveFile,
    options: ImportOptions,
    report: Report = lambda _progress: None,
    *,
    actor: Actor = log.OPERATOR,
) -> Books:
    """Import an archive; return the books. Spam and trash come with it. ``actor`` is who imports, for the audit log.

    Raises:
        UnreadableArchive: a line is not valid, or the site does not fit; nothing was changed.
    """
    keys = frozenset(service.keyring.fingerprints) | await _list_lost_keys(service)
    check = await asyncio.to_thread(_check_file, service, file, keys, report)
    head = check.finish()
    sites = await restore_sites.plan_sites(service, list(check.sites.values()), options.site)
    books = Books(read=check.read)
    if options.is_dry_run:
        await _compare(service, file, books)
        return books
    known = Known()
    lines = read_lines(file)
    rest = await restore_sites.restore_sites(service, lines, sites, known, is_whole=head.site is None)
    if options.site is not None:
        (only,) = check.sites
        known.only_site = known.sites.get(only, only)
    rest = await _restore_rules(service, chain(rest, lines), known)
    rest = await restore_sites.restore_threads(service, chain(rest, lines), known)
    reader = Reader(chain(rest, lines), known, service.keyring)
    await _restore_comments(service, reader, books, report)
    await _restore_sources(service, reader.list_rest(), known)
    await _finish(service, books, actor)
    return books


@private_read
async def _list_lost_keys(unit: PrivateRead) -> frozenset[str]:
    return await installation.list_lost_keys(unit)


def _check_file(service: Service, file: ArchiveFile, keys: frozenset[str], report: Report) -> LineCheck:
    check = LineCheck(service, keys)
    for number, line in read_lines(file):
        check.check(number, line)
        if isinstance(line, RuleLine):
            restore_sites.check_rule(number, line, service.keyring)
        if number % LINES_PER_REPORT == 0:
            report(Progress("reading", number, None))
    check.finish()
    return check


async def _compare(service: Service, file: ArchiveFile, books: Books) -> None:
    """Count what an import would do."""
    threads: set[str] = set()
    listed = (line for _, line in read_lines(file) if isinstance(line, CommentLine))
    while piece := await asyncio.to_thread(_take, listed):
        known = await _list_known(service, [line.id for line in piece])
        books.existing += sum(line.id in known for line in piece)
        threads |= {line.thread for line in piece if line.id not in known}
    books.imported = books.read - books.existing
    books.threads = len(threads)


def _take(lines: Iterator[T]) -> list[T]:
    return list(islice(lines, PIECE))


@private_read
async def _list_known(unit: PrivateRead, comment_ids: list[str]) -> set[str]:
    return await archive_inserts.list_known(unit, "comment", comment_ids)


async def _restore_rules(
    service: Service, lines: Iterator[tuple[int, ArchiveLine]], known: Known
) -> Iterator[tuple[int, ArchiveLine]]:
    for number, line in lines:
        if not isinstance(line, RuleLine):
            return iter([(number, line)])
        await restore_sites.restore_rule(service, restore_sites.make_rule(line, service.keyring, known))
    return iter([])


class Reader:
    """Reads the comments of an archive in pieces, and prepares them. It is used in one thread at a time."""

    def __init__(self, lines: Iterator[tuple[int, ArchiveLine]], known: Known, keyring: Keyring) -> None:
        self._lines = lines
        self._known = known
        self._keyring = keyring
        self._above: list[CommentLine] = []  # the comment before, and its ancestors
        self._rest: list[tuple[int, ArchiveLine]] = []

    def read_piece(self) -> list[Prepared]:
        """Return the next comments; none at the end."""
        piece: list[Prepared] = []
        size = 0
        for number, line in self._lines:
            if not isinstance(line, CommentLine):
                self._rest.append((number, line))
                break
            piece.append(prepare(line, self._list_tombstones(line), self._known, self._keyring))
            size += len(line.html) + sum(len(revision.html) for revision in line.revisions)
            if len(piece) == PIECE or size > PIECE_BYTES:
                break
        return piece

    def list_rest(self) -> Iterator[tuple[int, ArchiveLine]]:
        """Return the lines after the comments."""
        return chain(self._rest, self._lines)

    def _list_tombstones(self, line: CommentLine) -> dict[str, str]:
        while self._above and self._above[-1].id != line.parent:
            self._above.pop()
        found = {one.id: one.listed_at for one in self._above if one.listed_at and one.status is not Status.APPROVED}
        self._above.append(line)
        return found


async def _restore_comments(service: Service, reader: Reader, books: Books, report: Report) -> None:
    filled: set[str] = set()
    async with aclosing(_read_ahead(reader)) as pieces:
        async for piece in pieces:
            threads = await restore_piece(service, piece)
            filled.update(threads)
            books.imported += len(threads)
            books.existing += len(piece) - len(threads)
            report(Progress("importing", books.imported + books.existing, books.read))
    books.threads = len(filled)


async def _read_ahead(reader: Reader) -> AsyncGenerator[list[Prepared], None]:
    """Return the pieces of an archive. The next one is prepared while one is stored."""
    reading = asyncio.create_task(asyncio.to_thread(reader.read_piece))
    try:
        while piece := await reading:
            reading = asyncio.create_task(asyncio.to_thread(reader.read_piece))
            yield piece
    finally:
        await asyncio.wait([reading])  # nobody else reads from this file at the same time


async def _restore_sources(service: Service, lines: Iterator[tuple[int, ArchiveLine]], known: Known) -> None:
    found = (line for _, line in lines if isinstance(line, SourceLine))
    while piece := await asyncio.to_thread(_take, found):
        await _add_sources(
            service,
            [
                {
                    "site_id": known.sites.get(line.site, line.site),
                    "source": line.source,
                    "source_id": line.id,
                    "comment_id": line.comment,
                }
                for line in piece
            ],
        )


@write
async def _add_sources(unit: Write, rows: list[dict[str, str]]) -> None:
    await imported.add(unit, rows)


async def _finish(service: Service, books: Books, actor: Actor) -> None:
    latest = await _log_import(service, actor, {"imported": books.imported, "existing": books.existing})
    if latest and isinstance(service.new_id, Ids):
        service.new_id.follow(latest)  # later comments are later than those of another clock


@write
async def _log_import(unit: Write, actor: Actor, body: dict[str, int]) -> str | None:
    latest = await comments.get_greatest_id(unit)
    await log.add_entry(unit, actor=actor, verb="import", site_id=None, body=body)
    return latest
