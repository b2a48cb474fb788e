"""Atom feeds (RFC 4287) of approved comments, with links from replies to their parents (RFC 4685)."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec
from markupsafe import Markup

from commentsvc.comments.read import ThreadPage
from commentsvc.comments.schemas import (
    FeedQuery,
    LatestFeedQuery,
    LatestPage,
    PublicComment,
    PublicThread,
    ThreadListing,
    ThreadQuery,
)
from commentsvc.domain.models import Site, Visit
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory
from commentsvc.web.pages import redirects
from commentsvc.web.pages.i18n import Locale

KIND: Final = "application/atom+xml"
NAMESPACES: Final = {"xmlns": "http://www.w3.org/2005/Atom", "xmlns:thr": "http://purl.org/syndication/thread/1.0"}
# A feed must have an update time, even without entries.
NEVER: Final = "1970-01-01T00:00:00.000Z"
# Characters that XML 1.0 does not allow, not even escaped (2.2, Char).
ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Source:
    """The site of a feed. ``within`` is its name if links must contain it."""

    service: Service
    site: Site
    within: str | None
    locale: Locale

    def address(self, path: str) -> str:
        return f"{self.service.config.own_url}{path}"

    def id_of(self, name: str) -> str:
        """Return an id that stays the same when the service moves to another host."""
        return uuid.uuid5(uuid.UUID(self.site.id), name).urn

    def page_of(self, thread: PublicThread) -> str:
        """Return the article's address, else that of the thread's page."""
        return thread.url or self.address(redirects.thread_page(thread.key, self.within))


def thread_query(query: FeedQuery) -> ThreadQuery:
    """Return the query for the comments of a thread's feed, newest first."""
    return ThreadQuery(
        thread=query.thread,
        site=query.site,
        order="newest",
        view="flat",
        limit=query.limit,
        cursor=query.cursor,
    )


def render_thread_feed(service: Service, query: FeedQuery, listed: ThreadPage, locale: Locale) -> bytes:
    """Return the feed of a thread. An unknown thread looks like one without approved comments."""
    source, listing = _Source(service, listed.place.site, listed.within, locale), listed.listing
    if not isinstance(listing, ThreadListing):
        raise TypeError("the page must be flat")
    thread = listing.thread
    feed = _feed(
        source,
        id_=source.id_of(f"thread {listed.place.ref.name}"),
        title=locale.gettext("Comments on %(title)s", title=thread.title or thread.key),
        page=source.page_of(thread),
        here="/v1/comments.atom",
        query=query,
        further=listing.next_cursor,
    )
    return _serialize(feed, source, [(comment, thread) for comment in listing.comments])


def render_site_feed(
    service: Service,
    query: LatestFeedQuery,
    latest: LatestPage,
    directory: SiteDirectory,
    visit: Visit,
    locale: Locale,
) -> bytes:
    """Return the feed of a site's comments in all threads."""
    site = resolve.resolve_site(directory, query.site, visit.origin)
    source = _Source(service, site, site.name if len(directory.sites) > 1 else None, locale)
    origins = directory.hosts_of(site)
    feed = _feed(
        source,
        id_=source.id_of("latest"),
        title=locale.gettext("Comments on %(title)s", title=site.name),
        page=f"{origins[0]}/" if origins else source.address("/"),
        here="/v1/latest.atom",
        query=query,
        further=latest.next_cursor,
    )
    return _serialize(feed, source, [(comment, comment.thread) for comment in latest.comments])


def _feed(
    source: _Source,
    *,
    id_: str,
    title: Markup,
    page: str,
    here: str,
    query: FeedQuery | LatestFeedQuery,
    further: str | None,
) -> Element:
    """Return a feed without its entries. Its pages are linked by their cursors (RFC 5005, 3)."""
    feed = Element("feed", NAMESPACES)
    add_element(feed, "id", id_)
    add_element(feed, "title", title.unescape(), {"xml:lang": source.locale.lang})
    add_element(feed, "generator", "commentsvc")
    add_element(feed, "link", attributes={"rel": "alternate", "type": "text/html", "href": page})
    add_element(feed, "link", attributes={"rel": "self", "type": KIND, "href": source.address(_self_link(here, query))})
    if further:
        following = source.address(_self_link(here, msgspec.structs.replace(query, cursor=further)))
        add_element(feed, "link", attributes={"rel": "next", "type": KIND, "href": following})
    return feed


def _self_link(path: str, query: msgspec.Struct) -> str:
    """Return the path and query of this feed; default values are left out."""
    fields = {field.encode_name: (getattr(query, field.name), field.default) for field in msgspec.structs.fields(query)}
    given = {name: value for name, (value, default) in fields.items() if value != default}
    return f"{path}?{urlencode(given)}" if given else path


def _serialize(feed: Element, source: _Source, entries: Sequence[tuple[PublicComment, PublicThread]]) -> bytes:
    shown = [(comment, thread) for comment, thread in entries if not comment.deleted]
    changes = [comment.edited_at or comment.created_at for comment, _ in shown]
    add_element(feed, "updated", max(changes, default=NEVER))
    for comment, thread in shown:
        _add_entry(feed, source, comment, thread)
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True))


def _add_entry(feed: Element, source: _Source, comment: PublicComment, thread: PublicThread) -> None:
    entry, page = SubElement(feed, "entry"), source.page_of(thread)
    name = comment.name or ""
    title = source.locale.gettext("%(name)s on %(title)s", name=name, title=thread.title or thread.key)
    add_element(entry, "id", uuid.UUID(comment.id).urn)
    add_element(entry, "title", title.unescape(), {"xml:lang": source.locale.lang})
    add_element(entry, "published", comment.created_at)
    add_element(entry, "updated", comment.edited_at or comment.created_at)
    add_element(
        entry, "link", attributes={"rel": "alternate", "type": "text/html", "href": f"{page}#comment-{comment.id}"}
    )
    if comment.parent:
        reply_to = {
            "ref": uuid.UUID(comment.parent).urn,
            "type": "text/html",
            "href": f"{page}#comment-{comment.parent}",
        }
        add_element(entry, "thr:in-reply-to", attributes=reply_to)
    author = SubElement(entry, "author")
    add_element(author, "name", name)
    if comment.website:
        add_element(author, "uri", comment.website)
    add_element(entry, "content", comment.html, {"type": "html"})


def add_element(parent: Element, tag: str, text: str | None = None, attributes: dict[str, str] | None = None) -> None:
    """Append an element. Characters that XML does not allow are replaced."""
    clean = {name: ILLEGAL.sub("\ufffd", value) for name, value in (attributes or {}).items()}
    SubElement(parent, tag, clean).text = ILLEGAL.sub("\ufffd", text or "") or None
