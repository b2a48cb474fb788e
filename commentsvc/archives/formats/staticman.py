"""Comments as data files, as Staticman writes them for Jekyll and Hugo: YAML or JSON, a folder for each thread.

A reply names its parent by id (``replying_to_uid``), or by its place among the comments of the thread that are no
replies, in the order of their file names (``replying_to``, from 1). Texts are Markdown.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.folders import Member, is_folder, read_members
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.json_rows import decode_row
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, Repair, ThreadRecord
from commentsvc.archives.values import Row, earliest_key, email_of, first_of, optional, text_of
from commentsvc.archives.yaml_values import read_documents

ENDINGS: Final = (".yml", ".yaml", ".json")
MAX_FILE_BYTES: Final = 2_097_152
FOLDER: Final = "comments"
LIST: Final = re.compile(rb"\s*(?:#[^\n]*\n\s*|---[^\n]*\n\s*)*-\s")  # a YAML file with many comments
SAMPLE_FILES: Final = 50  # of which the format is guessed
TEXTS: Final = ("message", "comment", "body", "content", "text")
NAMES: Final = ("name", "author", "nick")
DATES: Final = ("date", "published", "timestamp", "created")
WEBSITES: Final = ("url", "website", "link")
PARENT_IDS: Final = ("replying_to_uid", "replying_to_id", "replyID", "reply_to", "replyThread", "parent_id")
POSITION: Final = "replying_to"
NO_PARENT: Final = frozenset({"", "0", "undefined", "null"})


@dataclass(frozen=True)
class DataFile:
    """A comment, and where it was found. ``row`` is None if it cannot be read."""

    path: PurePosixPath
    row: Row | None
    id: str
    thread: str
    repairs: tuple[Repair, ...] = ()

    @property
    def parent_id(self) -> str | None:
        """Return the id of the comment that it answers, if it names one by id."""
        names = (text_of((self.row or {}).get(key)) for key in PARENT_IDS)
        return next((name for name in names if name not in NO_PARENT), None)

    @property
    def position(self) -> str | None:
        """Return the place of the comment that it answers."""
        place = text_of((self.row or {}).get(POSITION))
        return None if place in NO_PARENT else place


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of the data files."""
    found = _comment_files(read_members(file, ENDINGS, MAX_FILE_BYTES))
    if not any(one.row for one in found):
        raise UnreadableArchive(f"{file.name} has no data files of comments: YAML or JSON, a folder for each thread.")
    threads: dict[str, list[DataFile]] = {}
    for one in sorted(found, key=lambda one: one.path.as_posix()):
        if one.row is None or not _is_comment(one.row):
            yield LeftOut(reason=LeftOutReason.UNREADABLE)
        elif not one.thread:
            yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=one.id, parent=one.parent_id)
        else:
            threads.setdefault(one.thread, []).append(one)
    for thread, files in threads.items():
        yield ThreadRecord(id=thread, links=_links(thread, files))
        tops = [one.id for one in files if one.parent_id is None and one.position is None]
        yield from (_comment(one, tops) for one in files)


def _comment_files(members: Iterable[Member]) -> list[DataFile]:
    """Return the comments; those below a folder of that name alone, if there is one: a whole blog may be given."""
    found = [one for member in members for one in _parse(member)]
    inside = [one for one in found if FOLDER in one.path.parent.parts]
    return inside or found


def _parse(member: Member) -> Iterator[DataFile]:
    path = PurePosixPath(member.path)
    is_thread = LIST.match(member.data or b"") is not None
    for number, (row, dropped) in enumerate(_values(member)):
        known = row if isinstance(row, dict) else None
        place = path.with_suffix("").as_posix() + (f"#{number + 1}" if is_thread else "")
        thread = _thread(path.with_suffix("") / path.name if is_thread else path) or text_of(
            (known or {}).get("_parent")
        )
        own = first_of(known or {}, "_id", "id") or place
        yield DataFile(path, known, own, thread, (Repair.CONTROL_CHARACTERS,) if dropped else ())


def _values(member: Member) -> list[tuple[Any, bool]]:
    if member.data is None:
        return [(None, False)]
    if member.path.lower().endswith(".json"):
        return [(decode_row(member.data), False)]
    try:
        return list(read_documents(io.BytesIO(member.data), member.path)) or [(None, False)]
    except UnreadableArchive:
        return [(None, False)]


def _thread(path: PurePosixPath) -> str:
    """Return the folder of a file below the folder of all comments."""
    parts = path.parent.parts
    if FOLDER in parts:
        parts = parts[len(parts) - parts[::-1].index(FOLDER) :]
    return "/".join(parts)


def _links(thread: str, files: list[DataFile]) -> tuple[str, ...]:
    pages = [page for one in files if one.row and (page := optional(one.row.get("_parent")))]
    links = [_link(page) for page in (*pages, thread)]
    return tuple(dict.fromkeys(links))


def _link(page: str) -> str:
    return page if page.startswith(("/", "http://", "https://")) else f"/{page}"


def _comment(one: DataFile, tops: list[str]) -> CommentRecord:
    row = one.row or {}
    return CommentRecord(
        id=one.id,
        thread=one.thread,
        parent=_parent(one, tops),
        text=first_of(row, *TEXTS),
        markup=Markup.MARKDOWN,
        name=first_of(row, *NAMES),
        email=email_of(row.get("email")),  # mostly a hash
        website=next((found for key in WEBSITES if (found := optional(row.get(key)))), None),
        created_at=earliest_key(row, DATES),
        repairs=one.repairs,
    )


def _parent(one: DataFile, tops: list[str]) -> str | None:
    if one.parent_id is not None or one.position is None:
        return one.parent_id
    if not one.position.isascii() or not one.position.isdigit():
        return one.position  # some themes write the id here
    place = int(one.position[:9])
    return tops[place - 1] if 0 < place <= len(tops) else f"{one.thread}#{place}"


def _is_comment(row: Row) -> bool:
    return any(key in row for key in TEXTS) and "by_nickname" not in row


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is a folder of such data files, or an archive of one."""
    if not is_folder(file, head):
        return False
    try:
        members = read_members(file, ENDINGS, MAX_FILE_BYTES)
        some = [one for member, _number in zip(members, range(SAMPLE_FILES), strict=False) for one in _parse(member)]
    except UnreadableArchive:
        return False
    rows = [one.row for one in some if one.row and _is_comment(one.row)]
    return any(any(key in row for key in NAMES) and any(key in row for key in DATES) for row in rows)


FORMAT: Final = ArchiveFormat("staticman", "Staticman, data files of Jekyll and Hugo", read, matches)
