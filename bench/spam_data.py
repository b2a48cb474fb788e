"""Comments with labels, on which the filters of spam are judged: spam by time, and good comments of real blogs."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import find_format
from commentsvc.archives.preparation import is_empty, prepare, storable
from commentsvc.archives.records import CommentRecord
from commentsvc.domain.comment_text import render_text
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Status
from commentsvc.spam.features import Sample, sample_of, weigh_features
from commentsvc.spam.near_text import Fingerprint, read_fingerprint

MADE_UP: Final = ("isso-tests", "remark42", "wptt")  # archives that were written to test importers


@dataclass(frozen=True)
class Comment:
    """A comment, and whether it is spam."""

    html: str
    name: str = ""
    website: str | None = None
    is_spam: bool = False
    group: str = ""  # such as the video
    has_time: bool = True

    @cached_property
    def sample(self) -> Sample:
        """The facts that the filter may use."""
        return sample_of(self.name, self.website, self.html, 0.0)

    @cached_property
    def values(self) -> dict[int, float]:
        """The values of its features."""
        return dict(weigh_features(self.sample))

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint that memory compares."""
        return read_fingerprint(self.html, self.website)

    def without_author(self) -> "Comment":
        """Return it without name and website."""
        return Comment(self.html, is_spam=self.is_spam)


def list_sets(folder: Path) -> list[str]:
    """Return the names of the labelled sets in a folder."""
    return sorted(path.name.removesuffix(".gz").removesuffix(".jsonl") for path in (folder / "spam").glob("*.jsonl*"))


def read_labelled(folder: Path, name: str) -> list[Comment]:
    """Read a labelled set, oldest first; comments without a time come last.

    Each line is an object with ``text`` and ``spam``, and maybe with ``name``, ``website``, ``video`` and ``at``.
    """
    packed = folder / "spam" / f"{name}.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else packed.with_suffix("").read_bytes()
    rows = [json.loads(line) for line in text.split(b"\n") if line.strip()]
    return [
        Comment(
            render_text(row["text"]).html,
            row.get("name") or "",
            row.get("website") or None,
            bool(row["spam"]),
            row.get("video") or "",
            bool(row.get("at")),
        )
        for row in rows
    ]


def read_archives(folder: Path) -> Iterator[Comment]:
    """Read the comments that real blogs approved."""
    for path in sorted((folder / "archives").iterdir()):
        if path.name.startswith(MADE_UP):
            continue
        file = ArchiveFile(path)
        for record in find_format(file).read(file):
            if isinstance(record, CommentRecord) and record.status is Status.APPROVED and not is_empty(record):
                found = prepare(storable(record), Limits())
                yield Comment(found.html, found.name, found.website)
