"""Receive a file of any size: to the disk, piece by piece, at a pace that is bounded from below."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from commentsvc.archives import jobs
from commentsvc.archives.import_schemas import ImportQuery, ImportRecord
from commentsvc.archives.uploads import Upload
from commentsvc.domain.errors import MalformedRequest, TooSlow, Unavailable, UnsupportedMediaType
from commentsvc.domain.messages import translatable
from commentsvc.web.server.routing import SERVICE, WHO

# A file may take hours, but not a connection that does next to nothing.
PACE_SECONDS: Final = 10.0
PACE_BYTES: Final = 16 * 1024
PIECE: Final = 1024 * 1024  # written at once, in a thread
UPLOADS_AT_ONCE: Final = 4  # of each process
# What aiohttp raises for bodies and forms that nobody can read: without an end, with strange headers or charsets.
BROKEN: Final = (web.RequestPayloadError, HttpProcessingError, ValueError, RuntimeError, AssertionError)

Read = Callable[[], Awaitable[bytes]]


class Arriving:
    """The number of uploads that are arriving."""

    number = 0


@asynccontextmanager
async def begin_upload(request: web.Request) -> AsyncIterator[Upload]:
    """Yield a new upload. It is removed unless it is kept.

    Raises:
        UnsupportedMediaType: the body is compressed.
        TooLarge: the request says that it will be.
        Conflict, Unavailable: there is no folder, or no room.
    """
    service = request.app[SERVICE]
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Send the body unencoded. The file itself may be a .gz.", accept_encoding="identity")
    arriving = service.part(Arriving)
    if arriving.number >= UPLOADS_AT_ONCE:
        raise Unavailable(translatable("Too many files are arriving at once. Please try again later."))
    arriving.number += 1
    try:
        upload = await asyncio.to_thread(jobs.begin_upload, service)
        try:
            await asyncio.to_thread(upload.require_room, request.content_length or 0)
            yield upload
        finally:
            await asyncio.to_thread(upload.discard)
    finally:
        arriving.number -= 1


async def receive(request: web.Request, read: Read, upload: Upload) -> None:
    """Store what ``read`` returns until it returns nothing.

    Raises:
        TooSlow: less than 16 KiB arrived in 10 seconds.
        MalformedRequest: the body is empty, or ends too early.
        TooLarge, Unavailable: see ``Upload``.
    """
    pace, piece = Pace(), bytearray()
    while chunk := await pace.wait(request, read):
        piece += chunk
        if len(piece) >= PIECE:
            await asyncio.to_thread(upload.write, bytes(piece))
            piece.clear()
            pace.rest()
    if piece:
        await asyncio.to_thread(upload.write, bytes(piece))
    if not upload.bytes:
        raise MalformedRequest(translatable("The file is empty. Choose another one."))
    await asyncio.to_thread(upload.keep)


class Pace:
    """Checks that a body arrives fast enough."""

    def __init__(self) -> None:
        """Begin to count."""
        self.rest()

    def rest(self) -> None:
        """Begin again: the time before was ours."""
        self._until = asyncio.get_running_loop().time() + PACE_SECONDS
        self._missing = PACE_BYTES

    async def wait(self, request: web.Request, read: Read) -> bytes:
        """Return the next piece of a body.

        Raises:
            TooSlow: it takes too long.
            MalformedRequest: the body ends too early.
        """
        try:
            async with asyncio.timeout_at(self._until):
                chunk = await read()
        except TimeoutError:
            request.protocol._lingering_time = 0  # noqa: SLF001 -- the rest of the body would get as much time again
            raise TooSlow from None
        except BROKEN:
            raise MalformedRequest(translatable("The file ends too early. Send it again.")) from None
        self._missing -= len(chunk)
        if self._missing <= 0:
            self.rest()
        return chunk


async def add_import(request: web.Request, query: ImportQuery, upload: Upload) -> ImportRecord:
    """Add the import of a file that has arrived. If that fails, the file is removed."""
    try:
        return await jobs.add_import(request.app[SERVICE], request[WHO], query, upload)
    except BaseException:
        upload.folder.remove(upload.job_id)
        raise
