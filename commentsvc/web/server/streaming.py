"""Send an answer in pieces, while it is made."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from commentsvc.domain.request_id import REQUEST_ID
from commentsvc.web.server import security
from commentsvc.web.server.routing import REQUEST_ID_HEADER

LOG: Final = logging.getLogger(__name__)
Sink: TypeAlias = Callable[[bytes], Awaitable[None]]


async def stream_file(
    request: web.Request, name: str, kind: str, write: Callable[[Sink], Awaitable[object]]
) -> web.StreamResponse:
    """Send a file that a browser saves under this name. ``write`` gets the function that sends a piece.

    A refusal before the first piece becomes an ordinary answer. After it, the connection is cut: so the client sees
    that the file is not complete. A client that does not read is cut off too (``connections.Deadlines.unread``).
    """
    response = web.StreamResponse(
        headers={
            **security.HEADERS,
            hdrs.CONTENT_TYPE: f"{kind}; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
            hdrs.CACHE_CONTROL: "no-store",
            REQUEST_ID_HEADER: REQUEST_ID.get(),
        }
    )

    async def send(piece: bytes) -> None:
        if not response.prepared:
            await response.prepare(request)
        await response.write(piece)

    if request.method == hdrs.METH_HEAD:
        return response
    try:
        await write(send)
    except Exception as error:
        if not response.prepared or isinstance(error, ConnectionError):
            raise
        LOG.warning("an export was cut off: %s", error)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer was cut off") from error
    await response.write_eof()
    return response
