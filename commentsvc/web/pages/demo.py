"""The front page at ``/``: how to start, and a demo of a thread."""

from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from commentsvc.access.names import FIRST_MODERATOR
from commentsvc.comments.schemas import TreeComment
from commentsvc.domain import markdown
from commentsvc.domain.initials import find_hue
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Actor, ActorKind, Principal
from commentsvc.domain.timestamps import format_time
from commentsvc.sites import manage
from commentsvc.web.pages import assets
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import request_locale
from commentsvc.web.pages.thread import PageQuery, thread_page
from commentsvc.web.server import security
from commentsvc.web.server.routing import SERVICE

DEMO_THREAD: Final = "demo"
QUOTE: Final = translatable("Partial indexes are smaller than you think.")
FIRST: Final = translatable(
    "Ours went from 40 GB to 3 GB. One thing to add: the query has to repeat the condition, or the planner will not "
    "use the index. The [manual has an example](%(address)s); this is ours:"
)
MANUAL: Final = "https://www.postgresql.org/docs/current/indexes-partial.html"
CODE: Final = "```sql\ncreate index waiting on comments (created_at)\n  where status = 'pending';\n```"
REPLY: Final = translatable("Thank you, I have added that to the post.")
SECOND: Final = translatable("We did the opposite and kept the full index. Disk is cheap.")


async def demo(request: web.Request) -> web.Response:
    """Show how to start, an example of a thread, and the form of a real one."""
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
        example=build_example(request_locale(request), service.clock()),
        owner=FIRST_MODERATOR,
        own_place=lambda **_query: "",  # links of the example stay on the page
    )
    page.headers["Content-Security-Policy"] = security.WIDGET_POLICY
    return page


def build_example(locale: Locale, now: datetime) -> list[TreeComment]:
    """Return three comments by nobody: they exist on the page only, and no list, count or feed has them."""
    reply = _build_comment("2", "Priya", locale.translate(REPLY), now - timedelta(minutes=51), by_moderator=True)
    text = f"> {locale.translate(QUOTE)}\n\n{locale.translate(FIRST) % {'address': MANUAL}}\n\n{CODE}"
    return [
        _build_comment("1", "Ana", text, now - timedelta(hours=2), replies=[reply]),
        _build_comment("3", "Sam Lee", locale.translate(SECOND), now - timedelta(minutes=4)),
    ]


def _build_comment(
    number: str,
    name: str,
    text: str,
    time: datetime,
    *,
    by_moderator: bool = False,
    replies: list[TreeComment] | None = None,
) -> TreeComment:
    return TreeComment(
        id=f"example{number}",  # unlike a stored id, it has no hyphens: the widget does not look for it
        parent="example1" if by_moderator else None,
        in_reply_to="example1" if by_moderator else None,
        depth=1 if by_moderator else 0,
        name=name,
        hue=find_hue("", "", name),
        website=None,
        html=markdown.render(text),
        created_at=format_time(time),
        edited_at=None,
        by_moderator=by_moderator,
        deleted=False,
        replies=replies or [],
    )
