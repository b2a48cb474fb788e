"""The books of an import: everything that was read is imported, merged, already there, or left out for a reason."""

from collections import Counter
from typing import Annotated

from msgspec import Meta, Struct, field

from commentsvc.archives.records import LeftOutReason, Repair
from commentsvc.domain.models import Status


class Books(Struct, kw_only=True):
    """Numbers of comments of an archive. After a dry run they say what an import would do."""

    read: int = 0
    imported: int = 0
    statuses: Annotated[dict[Status, int], Meta(description="Those imported, by status.")] = field(default_factory=dict)
    merged: Annotated[int, Meta(description="Duplicates of another comment in the archive.")] = 0
    existing: Annotated[int, Meta(description="Imported earlier, or erased since.")] = 0
    left_out: dict[LeftOutReason, int] = field(default_factory=dict)
    repairs: dict[Repair, int] = field(default_factory=dict)
    threads: int = 0  # that got a comment
    threads_without_comments: int = 0

    @property
    def balance(self) -> bool:
        """Return whether the sums agree."""
        return self.read == self.imported + self.merged + self.existing + sum(self.left_out.values())

    @property
    def is_good(self) -> bool:
        """Return whether something was read, and the sums agree."""
        return self.read > 0 and self.balance

    def leave_out(self, reason: LeftOutReason) -> None:
        """Count something that is not imported."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def count_status(self, status: Status) -> None:
        """Count a status of something that is imported."""
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def count_repairs(self, repairs: Counter[Repair]) -> None:
        """Count what was mended."""
        for repair, number in repairs.items():
            self.repairs[repair] = self.repairs.get(repair, 0) + number


class Progress(Struct, frozen=True):
    """The progress of an import. ``total`` is the size in ``unit``, or None if it is not known."""

    phase: str  # "reading" or "importing"
    done: int
    total: int | None
