"""Import an archive: read it, find its pages, arrange its comments, and write them in pieces."""

import asyncio
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from commentsvc.archives import renumbering
from commentsvc.archives.arrangement import Arranged, arrange
from commentsvc.archives.authors import Authors
from commentsvc.archives.books import Books, Progress
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import ArchiveFormat
from commentsvc.archives.garbage import collect_rarely
from commentsvc.archives.incoming import Incoming, Target
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.pace import Pace
from commentsvc.archives.pages import PageFinder, find_pages
from commentsvc.archives.pieces import import_piece, list_new
from commentsvc.archives.preparation import Prepared
from commentsvc.archives.reading import Reading
from commentsvc.archives.records import LeftOutReason
from commentsvc.archives.staging import Staging
from commentsvc.archives.uploads import reserved_bytes
from commentsvc.archives.workers import Preparer, open_preparer
from commentsvc.audit import log
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.ids import id_at
from commentsvc.domain.models import Actor, ActorKind
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import servers
from commentsvc.storage.database import PrivateRead, Row, Write

AHEAD: Final = 3  # pieces that are prepared while one is written
COMMENTS_AHEAD: Final = 1500  # in them
# After each unit other writers have their turn: so long, and beside a server this part of the time that the unit took.
PAUSE_SECONDS: Final = 0.002
PAUSE_SHARE: Final = 0.05
SQLITE: Final = "sqlite:///"
NAMED_SITES: Final = 10  # in an error


class Piece(Struct, frozen=True):
    """Comments that are prepared and written together, each with its page and its encoded content."""

    comments: list[tuple[Target, Arranged]]
    encoded: list[bytes]


async def import_archive(
    service: Service,
    files: Sequence[ArchiveFile],
    archive_format: ArchiveFormat,
    options: ImportOptions,
    report: Callable[[Progress], None],
    *,
    actor: Actor = log.OPERATOR,
) -> Books:
    """Import the comments of an archive that were never imported; return the books. A dry run changes nothing.

    Nobody gets mail about them. ``report`` is called in the event loop. ``actor`` is who imports, for the audit log.

    Raises:
        Invalid: for the field ``site``: there is no site of this name.
        UnreadableArchive: a file cannot be read. Nothing was imported.
        Unavailable: the database could not store something. Comments that were imported stay: run the import again.
    """
    directory = await resolve.read_directory(service)
    site = directory.by_name(options.site) if options.site else None
    if options.site and site is None:
        names = ", ".join(one.name for one in directory.sites[:NAMED_SITES])
        raise Invalid(FieldError("site", "unknown_site", f"There is no site of this name. Sites here: {names}."))
    with (
        Staging.open(_folder_of(service), reserved_bytes(service.config)) as staging,
        open_preparer(service.config.limits) as preparer,
        collect_rarely(),
    ):
        running = _Import(service, staging, preparer, archive_format, options, report, actor)
        await running.read(files)
        await asyncio.to_thread(find_pages, staging, PageFinder(directory, site, options.thread_map))
        await running.write()
        return running.books


def _folder_of(service: Service) -> Path:
    url = service.config.database_url
    return Path(url.removeprefix(SQLITE)).parent if url.startswith(SQLITE) else Path(tempfile.gettempdir())


class _Import:
    def __init__(
        self,
        service: Service,
        staging: Staging,
        preparer: Preparer,
        archive_format: ArchiveFormat,
        options: ImportOptions,
        report: Callable[[Progress], None],
        actor: Actor,
    ) -> None:
        self.books = Books()
        self._service = service
        self._staging = staging
        self._preparer = preparer
        self._format = archive_format
        self._options = options
        self._report = report
        self._actor = actor
        self._decider = Actor(ActorKind.IMPORT, None, archive_format.name)
        self._total = 0
        self._written = 0
        self._last_page = 0
        self._sites: set[str] = set()
        self._unordered: set[str] = set()
        self._authors = Authors(service)
        self._pace = Pace()

    async def read(self, files: Sequence[ArchiveFile]) -> None:
        """Read the archive into the staging file, in a thread."""
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def report(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._report, progress)
            loop.call_soon_threadsafe(self._preparer.expect, progress.done)

        reading = Reading(self._staging, self._options, self.books, self._service.clock(), report, stop)
        task = asyncio.ensure_future(asyncio.to_thread(reading.read, files, self._format))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            with suppress(Exception):
                await task
            raise

    async def write(self) -> None:
        """Write what was read, unless this is a dry run; complete the books."""
        await asyncio.to_thread(self._count_read)
        try:
            self._preparer.expect(self._total)
            async with aclosing(self._prepare_ahead()) as pieces:
                await self._write_pieces(pieces)
            for thread_id in sorted(self._unordered):
                await renumbering.sort_thread(self._service, thread_id)
        finally:
            if self.books.imported and not self._options.is_dry_run:
                await _log_import(self._service, self._actor, self._format.name, self.books, sorted(self._sites))

    async def _write_pieces(self, pieces: AsyncIterator[list[Incoming]]) -> None:
        """Write pieces one after the other; the next one is completed while one is written."""
        writing: asyncio.Task[None] | None = None
        try:
            async for piece in pieces:
                if writing:
                    await writing
                writing = asyncio.create_task(self._write_piece(piece))
            if writing:
                await writing
        finally:
            if writing:
                await asyncio.wait([writing])

    def _count_read(self) -> None:
        staging, books = self._staging, self.books
        books.threads_without_comments = staging.count_threads_without_comments()
        without_page = staging.count_without_page()
        if without_page:
            reason = LeftOutReason.BAD_THREAD
            books.left_out[reason] = books.left_out.get(reason, 0) + without_page
        self._total = staging.count_comments() - without_page

    async def _prepare_ahead(self) -> AsyncGenerator[list[Incoming], None]:
        """Return the pieces with their prepared comments. Some are prepared before they are asked for."""
        pieces = self._pieces()
        waiting: deque[tuple[Piece, asyncio.Task[list[Prepared]]]] = deque()
        try:
            while True:
                while _has_room(waiting) and (piece := await asyncio.to_thread(next, pieces, None)):
                    waiting.append((piece, asyncio.create_task(self._preparer.prepare(piece.encoded))))
                if not waiting:
                    return
                piece, task = waiting.popleft()
                yield self._complete(piece, await task)
        finally:
            for _, task in waiting:
                task.cancel()

    def _pieces(self) -> Iterator[Piece]:
        """Return the arranged comments in pieces. It runs in a thread."""
        staging = self._staging
        piece, size = Piece([], []), 0
        for page in staging.list_pages():
            target = Target(page, staging.list_names(page.number))
            arrangement = arrange(staging.list_comments(page.number), staging.find_left_out, staging.find_time_before)
            self.books.merged += arrangement.merged
            if self._pace.is_better_ended(len(piece.comments), len(arrangement.comments)):
                yield piece
                piece, size = Piece([], []), 0
            for arranged in arrangement.comments:
                encoded = staging.find_record(arranged.comment.seq)
                if piece.comments and self._pace.is_enough(len(piece.comments), size + len(encoded)):
                    yield piece
                    piece, size = Piece([], []), 0
                piece.comments.append((target, arranged))
                piece.encoded.append(encoded)
                size += len(encoded)
        if piece.comments:
            yield piece

    def _complete(self, piece: Piece, prepared: Sequence[Prepared]) -> list[Incoming]:
        return [
            self._complete_one(target, arranged, one)
            for (target, arranged), one in zip(piece.comments, prepared, strict=True)
        ]

    def _complete_one(self, target: Target, arranged: Arranged, prepared: Prepared) -> Incoming:
        sources, site_id, comment = self._staging.sources, target.page.site_id, arranged.comment
        source = sources[comment.source]
        author_id = self._authors.find_id(source, prepared.author, prepared.email)
        sealed, digest = self._authors.seal(prepared.email) if prepared.email else (None, None)
        keys = [(site_id, sources[number], id_) for number, id_ in ((comment.source, comment.id), *arranged.twins)]
        return Incoming(
            target=target,
            arranged=arranged,
            prepared=prepared,
            author_id=author_id,
            hue=self._authors.find_hue(site_id, author_id, prepared.name),
            comment_id=id_at(arranged.created_at, arranged.order, keys[0]),
            keys=keys,
            answered=(site_id, sources[arranged.answered[0]], arranged.answered[1]) if arranged.answered else None,
            email_sealed=sealed,
            email_digest=digest,
        )

    async def _write_piece(self, piece: list[Incoming]) -> None:
        while piece:
            number = self._pace.comments
            await self._write_unit(piece[:number])
            piece = piece[number:]

    async def _write_unit(self, piece: list[Incoming]) -> None:
        started = time.perf_counter()
        if self._options.is_dry_run:
            new = await list_new(self._service, piece)
        else:
            self._staging.require_room()
            written = await import_piece(self._service, piece, self._decider)
            new = written.imported
            self._unordered |= written.unordered
        self._count(piece, new)
        if not self._options.is_dry_run:
            seconds = time.perf_counter() - started
            self._pace.note(len(new), seconds)
            self._pace.set_alone(is_alone=not await _list_servers(self._service))
            await asyncio.sleep(PAUSE_SECONDS + (0 if self._pace.is_alone else PAUSE_SHARE * seconds))

    def _count(self, piece: Sequence[Incoming], new: Sequence[Incoming]) -> None:
        books = self.books
        books.imported += len(new)
        books.existing += len(piece) - len(new)
        for one in new:
            books.count_status(one.prepared.status)
            books.count_repairs(Counter((*one.arranged.repairs, *one.prepared.repairs)))
            self._sites.add(one.target.page.site_id)
            if one.target.page.number > self._last_page:
                self._last_page = one.target.page.number
                books.threads += 1
        self._written += len(piece)
        self._report(Progress("importing", self._written, self._total))


def _has_room(waiting: Collection[tuple[Piece, object]]) -> bool:
    return len(waiting) < AHEAD and sum(len(piece.comments) for piece, _ in waiting) < COMMENTS_AHEAD


@private_read
async def _list_servers(unit: PrivateRead) -> Sequence[Row]:
    seconds = servers.SEEN_SECONDS
    return await servers.list_since(unit, unit.ago(seconds=seconds), unit.ahead(seconds=seconds))


@write
async def _log_import(unit: Write, actor: Actor, name: str, books: Books, sites: Sequence[str]) -> None:
    await log.add_entry(
        unit,
        actor=actor,
        verb="import",
        site_id=sites[0] if len(sites) == 1 else None,
        body={"format": name, "imported": books.imported, "sites": list(sites)},
    )
