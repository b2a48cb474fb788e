"""Find the page where a comment is shown: it may have moved, or have been merged with another one."""

from dataclasses import dataclass

from commentsvc.comments.shown import require_public
from commentsvc.domain.models import ReadableComment, ReadableThread, Site
from commentsvc.service import public_read
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.storage import comments, threads
from commentsvc.storage.database import PublicRead


@dataclass(frozen=True)
class CommentPlace:
    """The present thread of a public comment, and its site."""

    comment: ReadableComment
    thread: ReadableThread
    site: Site
    directory: SiteDirectory


@public_read
async def find_comment(unit: PublicRead, comment_id: str) -> CommentPlace:
    """Return where a public comment is.

    Raises:
        NotFound: the comment does not exist, or was never public.
        Gone: the comment was public, but is not any more.
    """
    comment = require_public(await comments.get_readable(unit, comment_id))
    thread = (await threads.get_readable(unit, [comment.thread_id]))[comment.thread_id]
    directory = await resolve.read_directory.within(unit)
    return CommentPlace(comment, thread, directory.by_id(comment.site_id), directory)
