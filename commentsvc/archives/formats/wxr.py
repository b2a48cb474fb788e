"""WordPress eXtended RSS 1.0, 1.1 and 1.2: the file that WordPress writes with Tools > Export."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Final
from urllib.parse import urlsplit

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, Repair, ThreadRecord
from commentsvc.archives.values import moment
from commentsvc.archives.xml_scan import Element, Grammar, scan
from commentsvc.archives.xml_stream import decode_head
from commentsvc.archives.xml_values import PREFIX, read_content, read_time
from commentsvc.domain.models import Status

GRAMMAR: Final = Grammar(
    root="rss",
    records={"item": None, "comment": "item"},
    fields=(
        "comment_id",
        "comment_author",
        "comment_author_email",
        "comment_author_url",
        "comment_author_IP",
        "comment_date_gmt",
        "comment_date",
        "comment_content",
        "comment_approved",
        "comment_type",
        "comment_parent",
        "comment_user_id",
        "comment_status",
        "post_id",
        "post_name",
        "post_type",
        "title",
        "link",
        "guid",
    ),
    skipped=("encoded", "meta_value"),
)
STATUSES: Final = {
    "1": Status.APPROVED,
    "approve": Status.APPROVED,
    "approved": Status.APPROVED,
    "0": Status.PENDING,
    "hold": Status.PENDING,
    "spam": Status.SPAM,
    "trash": Status.TRASH,
    "post-trashed": Status.TRASH,
}
# The types that plugins add for the federated web are pings too: they say that another page likes or names this one.
PINGS: Final = {"trackback": LeftOutReason.TRACKBACK} | dict.fromkeys(
    ("pingback", "webmention", "mention", "like", "repost", "announce", "bookmark", "tag"), LeftOutReason.PINGBACK
)
# Other types are notes of plugins, such as those of shops about orders. Nobody may read them before a moderator did.
COMMENTS: Final = frozenset({"", "comment", "review"})
# WordPress exports these with all others, and few have comments.
PAGELESS: Final = frozenset(
    {
        "attachment",
        "custom_css",
        "customize_changeset",
        "nav_menu_item",
        "oembed_cache",
        "revision",
        "user_request",
        "wp_block",
        "wp_font_face",
        "wp_font_family",
        "wp_global_styles",
        "wp_navigation",
        "wp_template",
        "wp_template_part",
    }
)
MAX_DIGITS: Final = 20  # of a BIGINT UNSIGNED
ID_GROUP: Final = 256
MAX_GROUPS: Final = 100_000  # 15 MB; real ids fill their groups
HEAD: Final = re.compile(rf"<{PREFIX}rss[\s>]|<{PREFIX}(?:wxr_version|base_blog_url|base_site_url|comment_id)\s*>")
NAMESPACE: Final = re.compile(r"wordpress\.org/export/|<\w+:wxr_version>|<wp:")
BLOG: Final = re.compile(rf"<{PREFIX}base_blog_url\s*>([^<]+|\s*<!\[CDATA\[[^\]]+\]\]>\s*)<")
ORIGIN: Final = re.compile(r"\Ahttps?://[^/?#]+")
COMMENTED: Final = re.compile("<!--(?:(?!-->|<!--).)*-->", re.DOTALL)
ITEM: Final = re.compile(rf"<{PREFIX}item[\s>]")
LINK: Final = re.compile(r"<link\s*>([^<]+|\s*<!\[CDATA\[[^\]]+\]\]>\s*)</link")


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export.

    Raises:
        UnreadableArchive: the file cannot be read.
    """
    for part in file.parts():  # which may have the same comments, as exports of two months have
        yield from _read_part(part)


def _read_part(file: ArchiveFile) -> Iterator[Record]:
    reader = Reader(find_blog(file.head()))
    with file.open() as data:
        for element in scan(data, GRAMMAR, file.name):
            if element.name == "comment":
                yield reader.read_comment(element)
            elif element.is_cut:
                yield LeftOut(reason=LeftOutReason.UNREADABLE)
            if element.name == "item":
                yield from reader.read_item(element)


def find_blog(head: bytes) -> str:
    """Return the address of the blog, or nothing if the file does not name it."""
    text = COMMENTED.sub("", decode_head(head))
    found = BLOG.search(text) or LINK.search(ITEM.split(text, maxsplit=1)[0])
    return read_content(found[1]).rstrip("/") if found else ""


class Reader:
    """Turns the elements of one file into records."""

    def __init__(self, blog: str) -> None:
        """Read an export of the blog with this address."""
        self._blog = blog
        self._items = 0  # that have ended
        self._commented: str | None = None  # thread of the latest comment
        self._seen: dict[int, int] = {}  # comment ids, as bits: a set would need 60 bytes for each

    def read_item(self, item: Element) -> Iterator[Record]:
        """Yield the thread of a post, unless nobody can comment on it."""
        thread = self._name_thread(item)
        if self._commented == thread or item.get("post_type") not in PAGELESS:
            yield ThreadRecord(
                id=thread,
                links=self._find_links(item),
                title=unescape(item.get("title")) or None,
                is_closed=item.get("comment_status") == "closed",
            )
        self._items += 1

    def _name_thread(self, item: Element) -> str:
        # A comment may be read before its post's id. Both have to find the same name.
        return item.fields.setdefault("thread", item.get("post_id") or item.get("link") or f"item {self._items + 1}")

    def _find_links(self, item: Element) -> tuple[str, ...]:
        """Return the addresses of a post: its link, the one by its id, and the one by its name.

        The name is a guess, and could be the path of another page: it is for blogs that had no paths.
        """
        number, name, link = item.get("post_id"), item.get("post_name"), unescape(item.get("link"))
        blog = self._blog or "".join(ORIGIN.findall(link))
        links = [link]
        if number:
            links.append(f"{blog}/?p={number}")
        if name and (not link or "?" in link):
            links.append(f"{blog}/{name}/")
        return tuple(dict.fromkeys(link for link in links if link))

    def read_comment(self, comment: Element) -> CommentRecord | LeftOut:
        """Return a comment, or why it is left out."""
        number = comment.get("comment_id")
        parent = _read_number(comment.get("comment_parent"))
        ping = PINGS.get(comment.get("comment_type").lower())
        if ping:
            return LeftOut(reason=ping, id=number or None, parent=parent)
        if comment.is_cut or not number:
            return LeftOut(reason=LeftOutReason.UNREADABLE, id=number or None, parent=parent)
        if comment.outer is None:
            return LeftOut(reason=LeftOutReason.BAD_THREAD, id=number, parent=parent)
        thread = self._commented = self._name_thread(comment.outer)
        return CommentRecord(
            id=self._unique(number, thread),
            thread=thread,
            parent=parent,
            text=comment.get("comment_content"),
            markup=Markup.WORDPRESS,
            # WordPress stores names and addresses as HTML.
            name=unescape(comment.get("comment_author")),
            author=_read_number(comment.get("comment_user_id")),
            email=comment.get("comment_author_email") or None,
            website=unescape(comment.get("comment_author_url")) or None,
            address=comment.get("comment_author_IP") or None,
            created_at=_read_date(comment),
            status=_read_status(comment),
            repairs=(Repair.CONTROL_CHARACTERS,) if comment.has_controls else (),
        )

    def _unique(self, number: str, thread: str) -> str:
        """Return an id that no earlier comment has: exports of several blogs are sometimes joined into one file."""
        if not number.isdecimal() or len(number) > MAX_DIGITS:
            return number
        group, bit = divmod(int(number), ID_GROUP)
        seen = self._seen.get(group, 0)
        if seen or len(self._seen) < MAX_GROUPS:
            self._seen[group] = seen | 1 << bit
        return f"{number} {thread}" if seen >> bit & 1 else number


def _read_number(number: str) -> str | None:
    return None if number in {"", "0"} else number


def _read_status(comment: Element) -> Status:
    status = STATUSES.get(comment.get("comment_approved").lower(), Status.PENDING)
    is_note = comment.get("comment_type").lower() not in COMMENTS
    return Status.PENDING if is_note and status is Status.APPROVED else status


def _read_date(comment: Element) -> datetime | None:
    """Return when a comment was written: in UTC if that is known, or else in the zone of the blog."""
    when = _read_time(comment.get("comment_date_gmt"))
    if when is None:
        return _read_time(comment.get("comment_date"))
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _read_time(text: str) -> datetime | None:
    return read_time(text) or moment(text)  # other programs that write this format have other ways to write a time


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is an export of WordPress."""
    text = decode_head(head)
    return bool(HEAD.search(text) and NAMESPACE.search(text))


def name_source(file: ArchiveFile) -> str:
    """Return the name of the export: it has the host of the blog."""
    head = file.head()
    link = LINK.search(decode_head(head))
    try:
        host = urlsplit(find_blog(head) or (read_content(link[1]) if link else "")).hostname
    except ValueError:
        host = None
    return f"wxr/{host}" if host else "wxr"


FORMAT: Final = ArchiveFormat(name="wxr", title="WordPress", read=read, matches=matches, name_source=name_source)
