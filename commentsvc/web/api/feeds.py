"""What was approved lately, for feed readers: Atom (RFC 4287), replies naming what they answer (RFC 4685)."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec
from markupsafe import Markup

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
from commentsvc.web.pages.i18n import Words

KIND: Final = "application/atom+xml"
NAMESPACES: Final = {"xmlns": "http://www.w3.org/2005/Atom", "xmlns:thr": "http://purl.org/syndication/thread/1.0"}
# A feed must say when it changed; one without entries never did.
LONG_AGO: Final = "1970-01-01T00:00:00.000Z"
# What XML 1.0 has no place for, not even escaped (2.2, Char).
ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Source:
    """What a feed is of. ``within`` is the site's name where links must say it."""

    service: Service
    site: Site
    within: str | None
    words: Words

    def address(self, path: str) -> str:
        return f"{self.service.config.own_origin}{path}"

    def id_of(self, name: str) -> str:
        """An id that stays when the service moves to another host."""
        return uuid.uuid5(uuid.UUID(self.site.id), name).urn

    def page_of(self, thread: PublicThread) -> str:
        """The article itself, else the page that we have of its thread."""
        return thread.url or self.address(redirects.thread_page(thread.key, self.within))


def thread_query(query: FeedQuery) -> ThreadQuery:
    """What of a thread stands in its feed: the newest first."""
    return ThreadQuery(
        thread=query.thread,
        site=query.site,
        order="newest",
        view="flat",
        limit=query.limit,
        cursor=query.cursor,
    )


async def of_thread(service: Service, query: FeedQuery, listing: ThreadListing, visit: Visit, words: Words) -> bytes:
    """A thread's newest comments. One that nobody knows is like one of which nothing was approved yet."""
    everything = await resolve.read_directory(service)
    place = resolve.resolve_thread(everything, query.thread, query.site, visit.origin)
    source = _source(service, everything, place.site, words)
    thread = listing.thread
    feed = _feed(
        source,
        id_=source.id_of(f"thread {place.ref.name}"),
        title=words.gettext("Comments on %(title)s", title=thread.title or thread.key),
        page=source.page_of(thread),
        here="/v1/comments.atom",
        query=query,
        further=listing.next_cursor,
    )
    return _with_entries(feed, source, [(comment, thread) for comment in listing.comments])


async def of_site(service: Service, query: LatestFeedQuery, latest: LatestPage, visit: Visit, words: Words) -> bytes:
    """A site's newest comments, whatever their thread."""
    everything = await resolve.read_directory(service)
    site = resolve.resolve_site(everything, query.site, visit.origin)
    source = _source(service, everything, site, words)
    origins = everything.origins_of(site)
    feed = _feed(
        source,
        id_=source.id_of("latest"),
        title=words.gettext("Comments on %(title)s", title=site.name),
        page=f"{origins[0]}/" if origins else source.address("/"),
        here="/v1/latest.atom",
        query=query,
        further=latest.next_cursor,
    )
    return _with_entries(feed, source, [(comment, comment.thread) for comment in latest.comments])


def _source(service: Service, everything: SiteDirectory, site: Site, words: Words) -> _Source:
    return _Source(service, site, site.name if len(everything.sites) > 1 else None, words)


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
    """All of a feed but its entries. Its pages name one another by their cursors (RFC 5005, 3)."""
    feed = Element("feed", NAMESPACES)
    _add(feed, "id", id_)
    _add(feed, "title", title.unescape(), {"xml:lang": source.words.lang})
    _add(feed, "generator", "commentsvc")
    _add(feed, "link", attributes={"rel": "alternate", "type": "text/html", "href": page})
    _add(feed, "link", attributes={"rel": "self", "type": KIND, "href": source.address(_asked(here, query))})
    if further:
        following = source.address(_asked(here, msgspec.structs.replace(query, cursor=further)))
        _add(feed, "link", attributes={"rel": "next", "type": KIND, "href": following})
    return feed


def _asked(path: str, query: msgspec.Struct) -> str:
    """How to ask this again; what goes without saying is left out."""
    known = {field.encode_name: (getattr(query, field.name), field.default) for field in msgspec.structs.fields(query)}
    said = {name: value for name, (value, default) in known.items() if value != default}
    return f"{path}?{urlencode(said)}" if said else path


def _with_entries(feed: Element, source: _Source, found: Sequence[tuple[PublicComment, PublicThread]]) -> bytes:
    shown = [(comment, thread) for comment, thread in found if not comment.deleted]
    changes = [comment.edited_at or comment.created_at for comment, _ in shown]
    _add(feed, "updated", max(changes, default=LONG_AGO))
    for comment, thread in shown:
        _add_entry(feed, source, comment, thread)
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True))


def _add_entry(feed: Element, source: _Source, comment: PublicComment, thread: PublicThread) -> None:
    entry, page = SubElement(feed, "entry"), source.page_of(thread)
    name = comment.name or ""
    title = source.words.gettext("%(name)s on %(title)s", name=name, title=thread.title or thread.key)
    _add(entry, "id", uuid.UUID(comment.id).urn)
    _add(entry, "title", title.unescape(), {"xml:lang": source.words.lang})
    _add(entry, "published", comment.created_at)
    _add(entry, "updated", comment.edited_at or comment.created_at)
    _add(entry, "link", attributes={"rel": "alternate", "type": "text/html", "href": f"{page}#comment-{comment.id}"})
    if comment.parent:
        answered = {
            "ref": uuid.UUID(comment.parent).urn,
            "type": "text/html",
            "href": f"{page}#comment-{comment.parent}",
        }
        _add(entry, "thr:in-reply-to", attributes=answered)
    author = SubElement(entry, "author")
    _add(author, "name", name)
    if comment.website:
        _add(author, "uri", comment.website)
    _add(entry, "content", comment.html, {"type": "html"})


def _add(parent: Element, tag: str, text: str | None = None, attributes: dict[str, str] | None = None) -> None:
    clean = {name: ILLEGAL.sub("\ufffd", value) for name, value in (attributes or {}).items()}
    SubElement(parent, tag, clean).text = ILLEGAL.sub("\ufffd", text or "") or None
