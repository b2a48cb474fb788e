"""Comments as data files, as Staticman writes them for Jekyll and Hugo: YAML or JSON, a folder for each thread.

A reply names its parent by id (``replying_to_uid``), or by its place among the comments of the thread that are no
replies, in the order of their file names (``replying_to``, from 1). Texts are Markdown.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.folders import Member, is_folder, read_members
from commentsvc.archives.formats.archive_format import ArchiveFormat
from commentsvc.archives.formats.data_files import (
    BOM,
    DATA,
    DATES,
    FOLDERS,
    LIST,
    NAMES,
    TEXT,
    TEXTS,
    DataRow,
    is_comment,
    is_comments,
    is_list,
    read_data_file,
)
from commentsvc.archives.formats.data_pages import EITHER, find_links, find_thread
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, Markup, Record, Repair, ThreadRecord
from commentsvc.archives.values import Row, earliest_key, email_of, first_of, moment, optional, text_of
from commentsvc.domain.models import Status

MAX_FILE_BYTES: Final = 2_097_152
SAMPLE_ROWS: Final = 50  # of which the format is guessed
IDS: Final = ("_id", "id", "comment_id", "comment_ID")
EMAILS: Final = ("email", "author_email", "mail", "comment_author_email")
WEBSITES: Final = ("url", "website", "link", "author_url", "comment_author_url")
PARENT_IDS: Final = (
    *("replying_to_uid", "replying_to_id", "replyID", "reply_to", "replyThread", "parent_id", "parentId"),
    *("replyto", "in_reply_to", "comment_parent"),
)
POSITION: Final = "replying_to"
GMT: Final = ("date_gmt",)
NO_PARENT: Final = frozenset({"", "0", "undefined", "null"})
HIDDEN: Final = ("approved", "published")  # false: it waits for a moderator
FALSE: Final = frozenset({"false", "no", "off", "0"})
# Fields in which themes, and copies of the table of WordPress, write the status. With any other word it is approved.
STATES: Final = ("comment_approved", "status")
STATUSES: Final = {
    **dict.fromkeys(("0", "hold", "pending", "unapproved"), Status.PENDING),
    "spam": Status.SPAM,
    **dict.fromkeys(("trash", "post-trashed", "deleted"), Status.TRASH),
}


@dataclass(frozen=True)
class Found:
    """A comment and its thread. ``id`` is the written one, or its place in the files."""

    at: DataRow
    row: Row
    id: str
    thread: str

    @property
    def parent_id(self) -> str | None:
        """Return the id of the comment that it answers, if it names one by id."""
        if self.at.above and self.at.above.row is not None:
            return _id_of(self.at.above)
        names = (text_of(self.row.get(key)) for key in PARENT_IDS)
        return next((name for name in names if name not in NO_PARENT), None)

    @property
    def position(self) -> str | None:
        """Return the place of the comment that it answers."""
        place = text_of(self.row.get(POSITION))
        return None if place in NO_PARENT else place


def read(file: ArchiveFile) -> Iterator[Record]:
    """Yield the threads and comments of the data files."""
    rows = _rows_of_comments(one for member in _members(file) for one in read_data_file(member))
    if not any(one.row for one in rows):
        raise UnreadableArchive(f"{file.name} has no data files of comments: YAML or JSON, a folder for each thread.")
    rows.sort(key=lambda one: (one.path.as_posix(), one.names, one.numbers))
    ids = {_id_of(one) for one in rows}
    threads: dict[str, list[Found]] = {}
    for one in rows:
        thread = find_thread(one, ids)
        if one.row is None or not is_comment(one.row):
            yield LeftOut(reason=LeftOutReason.UNREADABLE)
        elif not thread:
            yield LeftOut(reason=LeftOutReason.BAD_THREAD, id=_id_of(one))
        else:
            threads.setdefault(thread, []).append(Found(one, one.row, _id_of(one), thread))
    counts = Counter(own for own, _ in {(one.id, one.thread) for found in threads.values() for one in found})
    for thread, found in threads.items():
        yield ThreadRecord(id=thread, links=find_links([one.at for one in found], thread, ids), title=_title(found))
        yield from _Thread(found, ids, counts).comments()


def _members(file: ArchiveFile) -> Iterator[Member]:
    """Yield the files of a folder, or the only file: then it is called as it is, so that its thread is the same."""
    head = file.head()
    if is_folder(file, head):
        # The folder of all comments itself may be given.
        folder = file.path.resolve().name if file.path.is_dir() else ""
        start = f"{folder}/" if folder in FOLDERS else ""
        for member in read_members(file, (*DATA, *TEXT), MAX_FILE_BYTES):
            yield Member(start + member.path, member.data)
        return
    ending = ".json" if head.removeprefix(BOM).lstrip().startswith((b"{", b"[")) else ".yml"
    name = PurePosixPath(file.name)
    with file.open() as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableArchive(f"{file.name} has more than 2 MB. Give a folder with smaller files.")
    yield Member(name.name if name.suffix.lower() in DATA else f"{LIST}{ending}", data)


def _rows_of_comments(rows: Iterable[DataRow]) -> list[DataRow]:
    """Return the comments; those below a folder of that name alone, if there is one: a whole blog may be given."""
    found = list(rows)
    inside = [one for one in found if one.is_inside]
    return inside or found


def _id_of(one: DataRow) -> str:
    return first_of(one.row or {}, *IDS) or one.place


def _title(found: list[Found]) -> str | None:
    return optional(found[0].at.page.get("title"))


class _Thread:
    """The comments of a thread in their order, and the ids that they have in the whole archive."""

    def __init__(self, found: Sequence[Found], ids: set[str], counts: Counter[str]) -> None:
        self._found = found
        self._ids = ids
        self._counts = counts
        self._tops = [one.id for one in found if self._parent_id(one) is None and one.position is None]

    def comments(self) -> Iterator[CommentRecord]:
        """Yield the comments."""
        texts: dict[str, str] = {}
        places: Counter[str] = Counter()
        for one in self._found:
            text = first_of(one.row, *TEXTS)
            own = one.at.place
            if one.id != own and texts.setdefault(one.id, text) == text:
                own = self._name(one.id)
            else:  # no id, or that of a comment that says something else
                places[own] += 1
                own = f"{own} {places[own]}" if places[own] > 1 else own
            yield _comment(one, own, self._parent(one), text)

    def _name(self, written: str) -> str:
        """Return an id that is unique in the archive: some blogs number the comments of each page from 1."""
        is_unique = not written.isdecimal() and self._counts[written] <= 1
        return written if is_unique else f"{self._found[0].thread}#{written}"

    def _parent_id(self, one: Found) -> str | None:
        if one.parent_id is not None:
            return one.parent_id
        either = (text_of(one.row.get(key)) for key in EITHER)
        return next((name for name in either if name in self._ids and name not in NO_PARENT), None)

    def _parent(self, one: Found) -> str | None:
        parent = self._parent_id(one)
        if parent is not None:
            return None if parent == one.id else self._name(parent)
        place = one.position
        if place is None:
            return None
        if not place.isascii() or not place.isdigit():
            return self._name(place)  # some themes write the id here
        number = int(place[:9])
        if 0 < number <= len(self._tops):
            return self._name(self._tops[number - 1])
        return self._name(place)  # an id, or the place of nobody


def _comment(one: Found, own: str, parent: str | None, text: str) -> CommentRecord:
    author = one.row.get("author")
    person = author if isinstance(author, dict) else one.row
    return CommentRecord(
        id=own,
        thread=one.thread,
        parent=parent,
        text=text,
        markup=Markup.MIXED,
        name=first_of(person, *NAMES) or first_of(one.row, *NAMES),
        email=next((found for key in EMAILS if (found := email_of(person.get(key)))), None),  # mostly a hash
        website=next((found for key in WEBSITES if (found := optional(person.get(key)))), None),
        created_at=_date(one.row),
        status=_status(one.row),
        repairs=(Repair.CONTROL_CHARACTERS,) if one.at.has_controls else (),
    )


def _status(row: Row) -> Status:
    found = STATUSES.get(first_of(row, *STATES).lower(), Status.APPROVED)
    is_hidden = any(text_of(row.get(key)).lower() in FALSE for key in HIDDEN)
    return Status.PENDING if is_hidden and found is Status.APPROVED else found


def _date(row: Row) -> datetime | None:
    gmt = next((when for key in GMT if (when := moment(row.get(key)))), None)
    if gmt:
        return gmt.replace(tzinfo=UTC)  # the importer of Jekyll adds the zone of the blog
    return earliest_key(row, DATES)


def matches(file: ArchiveFile, head: bytes) -> bool:
    """Return whether a file is a folder of such data files, or an archive of one."""
    if not is_folder(file, head):
        return is_list(head)
    try:
        return any(_looks_right(one.row) for one in _sample(file))
    except UnreadableArchive:
        return False


def _sample(file: ArchiveFile) -> Iterator[DataRow]:
    """Yield some rows: a blog may have many data files before those with comments."""
    others = 0
    for member in _members(file):
        path = PurePosixPath(member.path)
        if not is_comments(path):
            others += 1
        if is_comments(path) or others <= SAMPLE_ROWS or path.suffix.lower() in TEXT:
            yield from read_data_file(member)


def _looks_right(row: Row | None) -> bool:
    return (
        row is not None
        and is_comment(row)
        and any(key in row for key in NAMES)
        and any(key in row for key in (*DATES, *GMT))
    )


FORMAT: Final = ArchiveFormat("staticman", "Staticman, data files of Jekyll and Hugo", read, matches)
