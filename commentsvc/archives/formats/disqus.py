"""The XML export of Disqus: https://help.disqus.com/en/articles/1717164-comments-export."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import unquote

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, Repair, ThreadRecord
from commentsvc.archives.xml_scan import Element, Grammar, scan
from commentsvc.archives.xml_stream import decode_head
from commentsvc.archives.xml_values import PREFIX, read_content, read_time
from commentsvc.domain.models import Status

GRAMMAR: Final = Grammar(
    root="disqus",
    records={"thread": None, "post": None},
    fields=(
        "id",
        "message",
        "createdAt",
        "isDeleted",
        "isSpam",
        "isApproved",
        "isClosed",
        "isAnonymous",
        "email",
        "name",
        "username",
        "ipAddress",
        "link",
        "title",
    ),
    references={"thread": "post", "parent": "post"},
)
ROOT: Final = re.compile(rf"<{PREFIX}disqus[\s>]|disqus\.com/disqus-internals")
FORUM: Final = re.compile(rf"<{PREFIX}forum\s*>([^<]+)<")
# Disqus counts clicks: "http://disq.us/url?url=https%3A%2F%2Fa.example%2F%3A2vYB…&amp;cuid=123"
COUNTED: Final = re.compile(r"""https?://disq\.us/(?:url)?\?url=([^\s"'<>&]+)(?:&[^\s"'<>]*)?""")
DIGEST: Final = re.compile(r":[A-Za-z0-9_-]{20,40}\Z")
ADDRESS: Final = re.compile(r"https?://\S+|\A/\S*")
MENTION: Final = re.compile(r"(?<!\w)(@[\w-]{1,60}):disqus(?![.-]?\w)")  # shown without its end


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of an export.

    Raises:
        UnreadableArchive: the file cannot be read.
    """
    deleted: set[str] = set()  # threads
    with file.open() as data:
        for element in scan(data, GRAMMAR, file.name):
            if element.name == "post":
                yield _read_post(element, deleted)
            elif element.is_cut:
                yield LeftOut(reason=LeftOutReason.UNREADABLE)
            elif _is_true(element.get("isDeleted")):
                deleted.add(element.key)
            elif element.key:
                yield _read_thread(element)


def _read_thread(thread: Element) -> ThreadRecord:
    """Return a thread. Its own id is text of the page: an address, a path, "198 http://…/?p=198", or any name."""
    links = [thread.get("link"), *ADDRESS.findall(thread.get("id"))]
    return ThreadRecord(
        id=thread.key,
        links=tuple(dict.fromkeys(link for link in links if link)),
        title=thread.get("title") or None,
        is_closed=_is_true(thread.get("isClosed")),
    )


def _read_post(post: Element, deleted: set[str]) -> CommentRecord | LeftOut:
    """Return a comment, or why it is left out."""
    number = post.key or post.get("id")  # old exports have posts without the attribute
    parent, thread = post.get("parent") or None, post.get("thread")
    reason = None
    if post.is_cut or not number:
        reason = LeftOutReason.UNREADABLE
    elif _is_true(post.get("isDeleted")) or thread in deleted:
        reason = LeftOutReason.DELETED
    elif not thread:
        reason = LeftOutReason.BAD_THREAD
    if reason:
        return LeftOut(reason=reason, id=number or None, parent=parent)
    is_anonymous = _is_true(post.get("isAnonymous"))
    return CommentRecord(
        id=number,
        thread=thread,
        parent=parent,
        text=MENTION.sub(r"\1", COUNTED.sub(_read_target, post.get("message"))),
        markup=Markup.HTML,
        name=post.get("name"),
        author=None if is_anonymous else post.get("username") or None,
        email=post.get("email") or None,
        website=post.get("link") or None,
        address=post.get("ipAddress") or None,
        created_at=_read_date(post.get("createdAt")),
        status=_read_status(post),
        repairs=(Repair.CONTROL_CHARACTERS,) if post.has_controls else (),
    )


def _read_target(counted: re.Match[str]) -> str:
    """Return the address that a counted link leads to, as HTML."""
    return escape(DIGEST.sub("", unquote(counted[1])))


def _read_status(post: Element) -> Status:
    if _is_true(post.get("isSpam")):
        return Status.SPAM
    return Status.PENDING if post.get("isApproved").lower() in {"false", "0"} else Status.APPROVED


def _read_date(text: str) -> datetime | None:
    moment = read_time(text)
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment  # Disqus writes UTC


def _is_true(text: str) -> bool:
    return text.lower() in {"true", "1"}


def matches(_file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is an export of Disqus."""
    return bool(ROOT.search(decode_head(head)))


def name_source(file: ArchiveFile) -> str:
    """Return the name of the export: it has the name of the forum."""
    found = FORUM.search(decode_head(file.head()))
    forum = read_content(found[1]) if found else ""
    return f"disqus/{forum}" if forum else "disqus"


FORMAT: Final = ArchiveFormat(name="disqus", title="Disqus", read=read, matches=matches, name_source=name_source)
