"""Write the comments of a site as WordPress eXtended RSS 1.2, so that WordPress can import them.

WordPress finds a post again by its title and date. A thread whose page is no post there becomes a new post.
"""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from msgspec import Struct

from commentsvc.archives.xml_values import drop_controls
from commentsvc.domain.models import Status

APPROVED: Final = {Status.APPROVED: "1", Status.PENDING: "0", Status.SPAM: "spam", Status.TRASH: "trash"}
PREFORMATTED: Final = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
LINE_BREAK: Final = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
HEAD: Final = """\
<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0"
	xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
	xmlns:content="http://purl.org/rss/1.0/modules/content/"
	xmlns:wfw="http://wellformedweb.org/CommentAPI/"
	xmlns:dc="http://purl.org/dc/elements/1.1/"
	xmlns:wp="http://wordpress.org/export/1.2/">
<channel>
	<title>{title}</title>
	<link>{link}</link>
	<description></description>
	<pubDate>{date}</pubDate>
	<wp:wxr_version>1.2</wp:wxr_version>
	<wp:base_site_url>{link}</wp:base_site_url>
	<wp:base_blog_url>{link}</wp:base_blog_url>
"""
THREAD: Final = """\
	<item>
		<title>{title}</title>
		<link>{link}</link>
		<pubDate>{date}</pubDate>
		<guid isPermaLink="false">{link}</guid>
		<description></description>
		<content:encoded></content:encoded>
		<excerpt:encoded></excerpt:encoded>
		<wp:post_id>{number}</wp:post_id>
		<wp:post_date>{local}</wp:post_date>
		<wp:post_date_gmt>{gmt}</wp:post_date_gmt>
		<wp:comment_status>{state}</wp:comment_status>
		<wp:ping_status>closed</wp:ping_status>
		<wp:post_name>{name}</wp:post_name>
		<wp:status>publish</wp:status>
		<wp:post_parent>0</wp:post_parent>
		<wp:menu_order>0</wp:menu_order>
		<wp:post_type>post</wp:post_type>
		<wp:post_password></wp:post_password>
		<wp:is_sticky>0</wp:is_sticky>
"""
COMMENT: Final = """\
		<wp:comment>
			<wp:comment_id>{number}</wp:comment_id>
			<wp:comment_author>{name}</wp:comment_author>
			<wp:comment_author_email>{email}</wp:comment_author_email>
			<wp:comment_author_url>{website}</wp:comment_author_url>
			<wp:comment_author_IP></wp:comment_author_IP>
			<wp:comment_date>{local}</wp:comment_date>
			<wp:comment_date_gmt>{gmt}</wp:comment_date_gmt>
			<wp:comment_content>{content}</wp:comment_content>
			<wp:comment_approved>{approved}</wp:comment_approved>
			<wp:comment_type></wp:comment_type>
			<wp:comment_parent>{parent}</wp:comment_parent>
			<wp:comment_user_id>0</wp:comment_user_id>
		</wp:comment>
"""
THREAD_END: Final = "\t</item>\n"
END: Final = "</channel>\n</rss>\n"


class WxrSite(Struct, frozen=True, kw_only=True):
    """The site that is written."""

    title: str
    url: str
    written_at: datetime


class WxrThread(Struct, frozen=True, kw_only=True):
    """A thread. Numbers are unique among threads, and are not 0."""

    number: int
    url: str
    title: str | None
    is_closed: bool
    created_at: datetime  # with the time zone of the site, or any


class WxrComment(Struct, frozen=True, kw_only=True):
    """A comment. Numbers are unique in the whole file, and are not 0."""

    number: int
    parent: int | None
    name: str
    email: str | None
    website: str | None
    html: str  # as readers see it
    status: Status
    created_at: datetime  # with the time zone of the site, or any


class WxrPage(Struct, frozen=True, kw_only=True):
    """Comments of one thread. A thread with many comments has several pages, one after the other."""

    thread: WxrThread
    comments: Sequence[WxrComment]


async def write_wxr(site: WxrSite, pages: AsyncIterator[WxrPage], *, with_emails: bool) -> AsyncIterator[bytes]:
    """Yield the pieces of a document, one for each page. Without ``with_emails`` no address is in it."""
    yield write_head(site).encode()
    thread: int | None = None
    async for page in pages:
        pieces = []
        if page.thread.number != thread:
            pieces = [write_thread(page.thread)] if thread is None else [THREAD_END, write_thread(page.thread)]
            thread = page.thread.number
        pieces += (write_comment(comment, with_email=with_emails) for comment in page.comments)
        yield "".join(pieces).encode()
    yield (END if thread is None else THREAD_END + END).encode()


def write_head(site: WxrSite) -> str:
    """Return the beginning of a document."""
    return HEAD.format(title=_text(site.title), link=_text(site.url), date=format_datetime(site.written_at))


def write_thread(thread: WxrThread) -> str:
    """Return the beginning of a thread. Its comments follow, then ``THREAD_END``."""
    return THREAD.format(
        title=_section(escape(thread.title or thread.url)),
        link=_text(thread.url),
        date=format_datetime(thread.created_at),
        number=thread.number,
        local=_time(thread.created_at),
        gmt=_time(thread.created_at.astimezone(UTC)),
        state="closed" if thread.is_closed else "open",
        name=_section(_slug(thread.url)),
    )


def write_comment(comment: WxrComment, *, with_email: bool) -> str:
    """Return a comment. WordPress keeps names and websites as HTML."""
    return COMMENT.format(
        number=comment.number,
        name=_section(escape(comment.name)),
        email=_text(comment.email or "") if with_email else "",
        website=_section(escape(comment.website or "")),
        local=_time(comment.created_at),
        gmt=_time(comment.created_at.astimezone(UTC)),
        content=_section(_without_line_breaks(comment.html)),
        approved=APPROVED[comment.status],
        parent=comment.parent or 0,
    )


def _without_line_breaks(html: str) -> str:
    """Return the same HTML, in which a line break means none: WordPress makes a <br> of it."""
    parts = PREFORMATTED.split(html)
    return "".join(part if number % 2 else LINE_BREAK.sub(" ", part) for number, part in enumerate(parts)).strip()


def _slug(url: str) -> str:
    """Return the last part of a path that names its page."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    return parts[-1] if parts else ""


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _text(text: str) -> str:
    return escape(drop_controls(text))


def _section(text: str) -> str:
    return f"<![CDATA[{drop_controls(text).replace(']]>', ']]]]><![CDATA[>')}]]>"
