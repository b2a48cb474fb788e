"""Read a form with a file, part by part: its token and fields first, then the file as it arrives."""

from dataclasses import dataclass, field
from typing import Final

from aiohttp import BodyPartReader, MultipartReader, web

from commentsvc.domain.errors import MalformedRequest
from commentsvc.domain.messages import translatable
from commentsvc.web.server.endpoint import require_csrf_token
from commentsvc.web.server.routing import MULTIPART
from commentsvc.web.server.upload import BROKEN, Pace

MOST_FIELD: Final = 4096
MOST_FIELDS: Final = 20
PIECE: Final = 256 * 1024
NO_FILE: Final = translatable("Choose a file.")


@dataclass
class UploadForm:
    """A form up to its file, which is still arriving."""

    part: BodyPartReader
    reader: MultipartReader
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the file, as the browser says."""
        return self.part.filename or ""

    async def read(self) -> bytes:
        """Return the next piece of the file; nothing at its end."""
        chunk = await self.part.read_chunk(PIECE)
        # A field after it would be ignored, such as the site.
        if not chunk and await self.reader.next() is not None:
            raise MalformedRequest(translatable("The file must be the last field of the form."))
        return chunk


async def read_upload_form(request: web.Request) -> UploadForm:
    """Read a form up to its file. The token must be its first field, so that nothing is stored without it.

    Raises:
        Forbidden: the token is missing, or not one of this session.
        MalformedRequest: the form has no file, or cannot be read.
        TooSlow: it takes too long.
    """
    if request.content_type != MULTIPART:
        require_csrf_token(request, "")  # another page's form, or one whose token cannot be read
    pace, fields = Pace(), dict[str, str]()
    try:
        reader = await request.multipart()
    except BROKEN:
        raise MalformedRequest(NO_FILE) from None
    for _ in range(MOST_FIELDS):
        part = await _next_part(request, reader, pace)
        if part.filename is not None and fields:
            return UploadForm(part, reader, fields)
        name = part.name or ""
        text = await pace.wait(request, lambda: part.read_chunk(MOST_FIELD))  # noqa: B023 -- awaited at once
        value = text.decode("utf-8", "replace")
        if not fields:
            require_csrf_token(request, value if name == "csrf" else "")
        fields[name] = value
    raise MalformedRequest(NO_FILE)


async def _next_part(request: web.Request, reader: MultipartReader, pace: Pace) -> BodyPartReader:
    found: list[object] = []

    async def read() -> bytes:
        found.append(await reader.next())
        return b""

    await pace.wait(request, read)
    if not isinstance(found[0], BodyPartReader):
        raise MalformedRequest(NO_FILE)
    return found[0]
