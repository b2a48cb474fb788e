"""The address of a comment that stays the same: ``/c/{id}``."""

from typing import Final

from aiohttp import hdrs, web

from commentsvc.comments.permalink import find_comment
from commentsvc.web.pages import redirects
from commentsvc.web.server.routing import SERVICE

CACHED: Final = "public, max-age=60"  # a page that moved is found again after a minute


async def open_comment(request: web.Request) -> web.Response:
    """Redirect to the page where a comment is shown now: its article if that is known, else the thread's page."""
    comment_id = request.match_info["id"]
    place = await find_comment(request.app[SERVICE], comment_id)
    page = redirects.find_page(place.directory, place.site, place.thread.url) if place.thread.url else None
    if page:
        target = page[1]
    else:
        site = place.site.name if len(place.directory.sites) > 1 else None
        target = redirects.thread_page(place.thread.key, site, at=comment_id)
    headers = {hdrs.LOCATION: f"{target}#comment-{comment_id}", hdrs.CACHE_CONTROL: CACHED}
    return web.Response(status=302, headers=headers)
