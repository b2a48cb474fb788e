"""Find the comments in data files of Jekyll and Hugo: YAML, JSON, and the front matter of texts.

A file has one comment, a list of them, or a map: of comments, or of lists by page. A post that was imported from
WordPress has the list ``comments`` in its front matter.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.folders import Member
from commentsvc.archives.values import Row, first_of
from commentsvc.archives.yaml_values import read_documents

DATA: Final = (".yml", ".yaml", ".json")
TEXT: Final = (".md", ".markdown", ".html")
FOLDERS: Final = frozenset({"comments", "_comments"})
# Folders that hold the pages of a blog or their data, and are no page.
ROOTS: Final = frozenset(
    {"_data", "_drafts", "_includes", "_posts", "assets", "content", "data", "docs", "source", "src", "static"}
)
TEXTS: Final = ("message", "comment", "body", "content", "text", "comment_content")
# Fields of comments of Cusdis, Twikoo, Valine, Commento, Artalk and Remark42.
FOREIGN: Final = frozenset({"by_nickname", "isSpam", "$loki", "objectId", "commentHex", "page_key", "locator"})
NAMES: Final = ("name", "author", "nick", "nickname", "comment_author")
DATES: Final = (
    *("date", "published", "timestamp", "created", "created_at", "createdAt", "datetime"),
    *("comment_date_gmt", "comment_date"),
)
LIST: Final = "comments"  # of the front matter of a post
REPLIES: Final = ("replies", "children")
MAX_REPLIES: Final = 100  # of replies to replies
MAX_NODES: Final = 200_000  # values of a YAML file with a map
LIST_FILE: Final = re.compile(rb"\s*(?:#[^\n]*\n\s*|---[^\n]*\n\s*)*-\s")  # YAML
MAP_FILE: Final = re.compile(rb"\s*(?:#[^\n]*\n\s*|---[^\n]*\n\s*)*[^\s{<\[:][^\n:{<]*:[ \t]*\r?\n\s*- ")  # of lists
MAX_DEPTH: Final = 4  # of maps in maps, and of lists in lists
KEY: Final = re.compile(rb"^[ \t]*+(?:-[ \t]++)*+([a-zA-Z_]{3,20}):", re.MULTILINE)
FRONT_MATTER: Final = re.compile(
    rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class DataRow:
    """A comment in a file. ``row`` is None if it cannot be read."""

    path: PurePosixPath
    row: Row | None
    names: tuple[str, ...] = ()  # keys of the maps that lead to it
    key: str = ""  # its own key, if it is in a map itself
    numbers: tuple[int, ...] = ()  # its place in the lists that lead to it
    above: "DataRow | None" = None  # the comment that has it among its replies
    level: int = 0  # of replies to replies
    page: Row = field(default_factory=dict)  # the front matter of the post that has it
    has_controls: bool = False  # characters that YAML forbids were dropped

    @property
    def place(self) -> str:
        """Return where it is: an id, if it has none. It is the same whether a blog or its comments alone are given."""
        parts = self.path.with_suffix("").parts
        last = max((number for number, part in enumerate(parts[:-2]) if part in FOLDERS), default=-1)
        keys = (self.key,) if self.key else ()
        # New comments may come first in a list, so its numbers change.
        digest = (_digest(self.row or {}),) if self.numbers else ()
        steps = (*self.names, *keys, *digest)
        return "#".join(("/".join(parts[last + 1 :] if last >= 0 else below_roots(parts)), *steps))

    @property
    def is_inside(self) -> bool:
        """Return whether it is where blogs keep comments: a whole blog may be given."""
        return bool(self.page) or is_comments(self.path)


def _digest(row: Row) -> str:
    written = "\n".join(first_of(row, *keys) for keys in (NAMES, DATES, TEXTS))
    return hashlib.blake2b(written.encode("utf-8", "replace"), digest_size=8).hexdigest()


def below_roots(parts: Sequence[str]) -> Sequence[str]:
    """Return a path without the folders that contain whole blogs."""
    first = max((number for number, part in enumerate(parts[:-1]) if part in ROOTS), default=-1)
    return parts[first + 1 :]


def is_comments(path: PurePosixPath) -> bool:
    """Return whether a file is in a folder of comments, or has their name."""
    return not FOLDERS.isdisjoint(path.parent.parts) or path.stem in FOLDERS


def is_comment(row: Row) -> bool:
    """Return whether a row can be a comment."""
    return any(key in row for key in TEXTS) and FOREIGN.isdisjoint(row)


def is_list(head: bytes) -> bool:
    """Return whether a file begins as a YAML list of comments, or as a map of such lists. Those of wp2hugo do not."""
    if not LIST_FILE.match(head) and not MAP_FILE.match(head):
        return False
    keys = {key.decode() for key in KEY.findall(head)}
    return all(not keys.isdisjoint(names) for names in (TEXTS, NAMES, DATES))


def read_data_file(member: Member) -> Iterator[DataRow]:
    """Yield the comments of a file; a row without content for one that has none. A text without any yields nothing."""
    path = PurePosixPath(member.path)
    if path.suffix.lower() in TEXT:
        yield from _read_text(path, member.data)
        return
    values = _read_values(member)
    has_many = len(values) > 1 or LIST_FILE.match(member.data or b"") is not None
    for number, (value, dropped) in enumerate(values):
        numbers = (number,) if has_many else ()
        found = list(_comments(value, DataRow(path, None, numbers=numbers, has_controls=dropped)))
        yield from found or [DataRow(path, value if isinstance(value, dict) else None)]


def _read_values(member: Member) -> list[tuple[Any, bool]]:
    """Return the values in a file. Those of a YAML list are returned one by one."""
    if member.data is None:
        return [(None, False)]
    try:
        if member.path.lower().endswith(".json"):
            return [(json.loads(member.data.removeprefix(BOM).decode("utf-8", "replace"), strict=False), False)]
        return list(read_documents(io.BytesIO(member.data), member.path, MAX_NODES)) or [(None, False)]
    except (UnreadableArchive, ValueError, RecursionError):
        return [(None, False)]


def _read_text(path: PurePosixPath, data: bytes | None) -> Iterator[DataRow]:
    """Yield the comment that a text is, if it is in a folder of comments; otherwise those of a post."""
    matter = FRONT_MATTER.match(data or b"")
    if matter is None or data is None:
        return
    values = _read_values(Member(f"{path}.yml", matter[1]))
    row, dropped = values[0]
    if not isinstance(row, dict):
        return
    if is_comments(path):
        text = data[matter.end() :].decode("utf-8", "replace")
        yield DataRow(path, row if first_of(row, *TEXTS) else {**row, TEXTS[0]: text}, has_controls=dropped)
    elif isinstance(row.get(LIST), list):
        yield from _comments(row[LIST], DataRow(path, None, page=row, has_controls=dropped))


def _comments(value: object, at: DataRow) -> Iterator[DataRow]:
    """Yield the comments in a value, which is the one in ``at``."""
    if isinstance(value, list) and len(at.numbers) < MAX_DEPTH:
        names = (*at.names, at.key) if at.key else at.names
        for number, one in enumerate(value):
            yield from _comments(one, replace(at, names=names, key="", numbers=(*at.numbers, number)))
    elif isinstance(value, Mapping) and _is_one(value, at):
        own = replace(at, row=value)
        yield own
        replies = next((value[key] for key in REPLIES if isinstance(value.get(key), list) and value[key]), None)
        if replies and at.level == MAX_REPLIES:
            yield replace(at, row=None)
        elif replies:
            yield from _comments(replies, replace(at, above=own, numbers=(), level=at.level + 1))
    elif isinstance(value, Mapping) and len(at.names) < MAX_DEPTH:
        names = (*at.names, at.key) if at.key else at.names
        for key, one in value.items():
            if isinstance(one, list | Mapping):
                yield from _comments(one, replace(at, names=names, key=str(key) or "/"))


def _is_one(value: Row, at: DataRow) -> bool:
    # A list or map of anything else may have texts too.
    is_alone = not at.names and not at.key and not at.numbers
    return is_comment(value) and (is_alone or any(key in value for key in (*NAMES, *DATES)))
