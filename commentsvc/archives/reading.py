"""Read an archive into a temporary file, and count what is left out."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from msgspec import Struct, structs

from commentsvc.archives.books import Books, Progress
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.formats.registry import ArchiveFormat
from commentsvc.archives.options import ImportOptions
from commentsvc.archives.preparation import is_empty, storable
from commentsvc.archives.records import CommentRecord, LeftOut, LeftOutReason, ThreadRecord
from commentsvc.archives.staging import Staging
from commentsvc.domain.models import Status
from commentsvc.domain.timestamps import EARLIEST_YEAR

REPORTED: Final = 1000  # records between two reports
LEFT_OUT_STATUSES: Final = {Status.SPAM: LeftOutReason.SPAM, Status.TRASH: LeftOutReason.TRASH}
EPOCH: Final = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC)


class Stopped(Exception):  # noqa: N818 -- somebody has cancelled the import
    """Reading was stopped."""


class Reading(Struct):
    """One reading of an archive. ``stop`` ends it, from another thread."""

    staging: Staging
    options: ImportOptions
    books: Books
    now: datetime
    report: Callable[[Progress], None]
    stop: threading.Event

    def read(self, files: Sequence[ArchiveFile], archive_format: ArchiveFormat) -> None:
        """Read files of one format.

        Raises:
            UnreadableArchive: a file cannot be read.
            Stopped: it was stopped.
        """
        records = 0
        for file in files:
            name_source = archive_format.name_source
            source = self.staging.add_source(name_source(file) if name_source else archive_format.name)
            for record in archive_format.read(file):
                self._add(source, record)
                records += 1
                if records % REPORTED == 0:
                    self.report(Progress("reading", records, None))
                    if self.stop.is_set():
                        raise Stopped
        self.staging.finish_reading()
        comments = self.books.read - sum(self.books.left_out.values())
        self.books.merged += comments - self.staging.count_comments()  # those with the same id

    def _add(self, source: int, record: ThreadRecord | CommentRecord | LeftOut) -> None:
        if isinstance(record, ThreadRecord):
            self.staging.add_thread(source, _storable_thread(record))
            return
        self.books.read += 1
        if isinstance(record, LeftOut):
            self._leave_out(source, record.reason, record.id, record.parent)
            return
        record = storable(record)
        reason = self._reason(record)
        if reason:
            self._leave_out(source, reason, record.id, record.parent)
            return
        if record.edited_at:
            record = structs.replace(record, edited_at=aware(record.edited_at, self.options.zone, self.now))
        created_at = aware(record.created_at, self.options.zone, self.now) if record.created_at else None
        milliseconds = None if created_at is None else round(created_at.timestamp() * 1000)
        twin = _twin(record, milliseconds) if self.options.merges_duplicates else None
        self.staging.add_comment(source, record, milliseconds, twin)

    def _reason(self, record: CommentRecord) -> LeftOutReason | None:
        if record.status in LEFT_OUT_STATUSES and not self.options.keeps_spam:
            return LEFT_OUT_STATUSES[record.status]
        if not record.id:
            return LeftOutReason.UNREADABLE
        return LeftOutReason.EMPTY if is_empty(record) else None

    def _leave_out(self, source: int, reason: LeftOutReason, record_id: str | None, parent: str | None) -> None:
        self.books.leave_out(reason)
        if record_id:
            self.staging.add_left_out(source, _storable(record_id), parent and _storable(parent))


def aware(moment: datetime, zone: tzinfo, now: datetime) -> datetime | None:
    """Return a time of an archive in UTC; None if it cannot be right: before 1970, or in the future."""
    try:
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return moment if EPOCH < moment <= now else None


def _twin(record: CommentRecord, milliseconds: int | None) -> bytes | None:
    if milliseconds is None:
        return None
    parts = (record.name, str(milliseconds // 1000), record.text)
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).digest()


def _storable(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _storable_thread(record: ThreadRecord) -> ThreadRecord:
    return structs.replace(
        record,
        id=_storable(record.id),
        links=tuple(map(_storable, record.links)),
        title=_storable(record.title) if record.title else None,
    )
