"""The demo page at ``/``."""

from typing import Final

from aiohttp import web

from commentsvc.domain.models import Actor, ActorKind, Principal
from commentsvc.sites import manage
from commentsvc.web.pages import assets
from commentsvc.web.pages.thread import PageQuery, thread_page
from commentsvc.web.server import security
from commentsvc.web.server.routing import SERVICE

DEMO_THREAD: Final = "demo"


async def demo(request: web.Request) -> web.Response:
    """Show the widget and the line to paste."""
    service = request.app[SERVICE]
    listing = await manage.list_sites(service, Principal(Actor(ActorKind.SYSTEM, None, "demo"), frozenset(), None))
    query = PageQuery(thread=DEMO_THREAD, site=listing.sites[0].name)
    page = await thread_page(
        request,
        query,
        template="demo.html",
        sites=listing.sites[:1] if len(listing.sites) == 1 else [],
        moderation=service.config.moderation,
        script=assets.embed(),
    )
    page.headers["Content-Security-Policy"] = security.WIDGET_POLICY
    return page
