"""Export a site as WordPress eXtended RSS, so that its comments can go to WordPress."""

from collections.abc import AsyncIterator
from itertools import count

from commentsvc.archives.export import Exported, Sink, Source
from commentsvc.archives.export_wxr import WxrComment, WxrPage, WxrSite, WxrThread, write_wxr
from commentsvc.archives.schemas import CommentLine, Contacts, SiteLine, ThreadLine
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.timestamps import parse_time

LOCAL = "http://localhost"  # of a site without origins


async def export_wxr(source: Source, sink: Sink) -> Exported:
    """Write the comments of one site, without erased ones.

    Raises:
        Invalid: for the field ``site``: there are several sites.
    """
    listed = await source.list_sites()
    if len(listed) != 1:
        raise Invalid(FieldError("site", "required", "A WXR file has one site. Name the site to export."))
    (line,) = listed
    pages = _Pages(source, line)
    site = WxrSite(title=line.name, url=pages.origin, written_at=source.unit.clock())
    async for piece in write_wxr(site, pages.read(), with_emails=source.contacts is Contacts.CLEAR):
        await sink(piece)
    return Exported(1, pages.threads, pages.comments)


class _Pages:
    """Numbers threads and comments, as WordPress needs it."""

    def __init__(self, source: Source, site: SiteLine) -> None:
        self.origin = next((one for one in site.origins if "*" not in one), LOCAL)
        self.threads = self.comments = 0
        self._source = source
        self._next = count(1)

    async def read(self) -> AsyncIterator[WxrPage]:
        """Yield the comments of one thread after the other."""
        thread_id, numbers = "", dict[str, int | None]()
        async for thread, lines in self._source.read_threads_with_comments():
            if thread.id != thread_id:
                thread_id, numbers = thread.id, {}
                self.threads += 1
            found = [self._number(line, numbers) for line in lines]
            yield WxrPage(thread=self._thread(thread), comments=[one for one in found if one])

    def _thread(self, line: ThreadLine) -> WxrThread:
        path = line.key if line.key.startswith("/") else f"/{line.key}"
        return WxrThread(
            number=self.threads,
            url=line.url or self.origin + path,
            title=line.title,
            is_closed=line.closed_at is not None,
            created_at=parse_time(line.created_at),
        )

    def _number(self, line: CommentLine, numbers: dict[str, int | None]) -> WxrComment | None:
        """Return a comment; None for an erased one, whose replies then answer its parent."""
        parent = numbers.get(line.parent) if line.parent else None
        if line.erased_at:
            numbers[line.id] = parent
            return None
        self.comments += 1
        number = numbers[line.id] = next(self._next)
        return WxrComment(
            number=number,
            parent=parent,
            name=line.name,
            email=line.contact.email if line.contact else None,
            website=line.website,
            html=line.html,
            status=line.status,
            created_at=parse_time(line.created_at),
        )
