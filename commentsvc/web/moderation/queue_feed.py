"""The Atom feed (RFC 4287) of the moderation queue: what waits, for a moderator's feed reader."""

import uuid
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from aiohttp import hdrs, web
from markupsafe import Markup, escape

from commentsvc.moderation import queue_feed
from commentsvc.moderation.queue_feed import QueueFeed, WaitingComment
from commentsvc.web.api.feeds import KIND, NEVER, add_element
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.pages.templates import language_header, request_locale
from commentsvc.web.server.cache_headers import Body, cacheable, make_body
from commentsvc.web.server.off_loop import run_off_loop
from commentsvc.web.server.routing import SERVICE, VISIT

NAMESPACE: Final = {"xmlns": "http://www.w3.org/2005/Atom"}
# The reader's own cache may keep it, and asks each time: a revoked feed ends at once. No search engine lists it.
HEADERS: Final = {hdrs.CACHE_CONTROL: "private, no-cache", "X-Robots-Tag": "noindex"}


async def get_queue_feed(request: web.Request) -> web.Response:
    """Return an Atom feed of what waits on a site, by the token of a moderator's feed."""
    service = request.app[SERVICE]
    feed = await queue_feed.read_queue_feed(service, request.match_info["token"], request[VISIT])
    locale = request_locale(request, feed.language)

    def render() -> Body:
        return make_body(request, render_queue_feed(feed, service.config.own_url, locale))

    body = await run_off_loop(render)
    response = cacheable(request, body, kind=KIND, vary=language_header(feed.language))
    response.headers.update(HEADERS)
    return response


def render_queue_feed(feed: QueueFeed, own_url: str, locale: Locale) -> bytes:
    """Return the feed. Its address, which is a secret, is not in it."""
    root = Element("feed", NAMESPACE)
    title = locale.gettext("Waiting comments on %(site)s", site=feed.site.name)
    add_element(root, "id", uuid.UUID(feed.id).urn)
    add_element(root, "title", title.unescape(), {"xml:lang": locale.lang})
    add_element(root, "generator", "commentsvc")
    add_element(SubElement(root, "author"), "name", feed.site.name)
    add_element(root, "link", attributes={"rel": "alternate", "type": "text/html", "href": f"{own_url}/moderate"})
    add_element(root, "updated", max((entry.updated_at for entry in feed.entries), default=NEVER))
    for entry in feed.entries:
        _add_entry(root, feed, entry, own_url, locale)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _add_entry(root: Element, feed: QueueFeed, entry: WaitingComment, own_url: str, locale: Locale) -> None:
    element = SubElement(root, "entry")
    page = f"{own_url}/moderate/comments/{entry.id}"
    title = locale.gettext("A comment is waiting on %(page)s", page=entry.page)
    # Not the id that the comment has in public feeds: readers show an entry with a known id only once.
    add_element(element, "id", uuid.uuid5(uuid.UUID(feed.site.id), f"waiting {entry.id}").urn)
    add_element(element, "title", title.unescape(), {"xml:lang": locale.lang})
    add_element(element, "published", entry.created_at)
    add_element(element, "updated", entry.updated_at)
    add_element(element, "link", attributes={"rel": "alternate", "type": "text/html", "href": page})
    add_element(SubElement(element, "author"), "name", feed.site.name if entry.name is None else entry.name)
    add_element(element, "content", _content(entry, page, locale), {"type": "html"})


def _content(entry: WaitingComment, page: str, locale: Locale) -> str:
    """Return the content as HTML. The commenter's words are plain text: nothing in them can be clicked or is loaded."""
    reasons = [Markup("<li>{}</li>").format(locale.translate(reason)) for reason in entry.reasons]
    parts = [Markup("<ul>{}</ul>").format(Markup().join(reasons))] if reasons else []
    if entry.text is not None:
        lines = Markup("<br>").join(escape(line) for line in entry.text.splitlines())
        parts.append(Markup('<blockquote dir="auto">{}</blockquote>').format(lines))
    parts.append(Markup('<p><a href="{}">{}</a></p>').format(page, locale.gettext("Decide")))
    return str(Markup().join(parts))
