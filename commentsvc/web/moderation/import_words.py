"""The books of an import in words."""

from datetime import datetime
from typing import Final

from commentsvc.archives.import_schemas import ImportBooks, ImportRecord
from commentsvc.archives.records import LeftOutReason, Repair
from commentsvc.domain.messages import Message, Plural, translatable, translatable_plural
from commentsvc.domain.timestamps import parse_time
from commentsvc.storage.import_jobs import JobState

REASONS: Final[dict[LeftOutReason, Message]] = {
    LeftOutReason.PINGBACK: translatable("Pingbacks"),
    LeftOutReason.TRACKBACK: translatable("Trackbacks"),
    LeftOutReason.SPAM: translatable("Spam"),
    LeftOutReason.TRASH: translatable("Trash"),
    LeftOutReason.DELETED: translatable("Deleted"),
    LeftOutReason.EMPTY: translatable("Empty text"),
    LeftOutReason.BAD_THREAD: translatable("No page address, or none of your sites"),
    LeftOutReason.UNREADABLE: translatable("Incomplete"),
}
STATES: Final[dict[JobState, Message]] = {
    JobState.UPLOADED: translatable("waiting"),
    JobState.CHECKING: translatable("dry run"),
    JobState.CHECKED: translatable("checked"),
    JobState.IMPORTING: translatable("importing"),
    JobState.DONE: translatable("imported"),
    JobState.FAILED: translatable("failed"),
    JobState.CANCELLED: translatable("stopped"),
}
REPAIRS: Final = {
    Repair.CONTROL_CHARACTERS: Plural(
        "%(num)s text had control characters: they were dropped.",
        "%(num)s texts had control characters: they were dropped.",
    ),
    Repair.DATE_UNKNOWN: Plural(
        "%(num)s comment has no date: it gets that of the comment before it.",
        "%(num)s comments have no date: they get that of the comment before them.",
    ),
    Repair.NAME_CUT: Plural("%(num)s long name was cut.", "%(num)s long names were cut."),
    Repair.NAME_MISSING: Plural("%(num)s comment has no name.", "%(num)s comments have no name."),
    Repair.WEBSITE_DROPPED: Plural(
        "%(num)s website was no address: it was dropped.", "%(num)s websites were no addresses: they were dropped."
    ),
    Repair.EMAIL_DROPPED: Plural(
        "%(num)s email address was not valid: it was dropped.",
        "%(num)s email addresses were not valid: they were dropped.",
    ),
    Repair.TEXT_CUT: Plural("%(num)s long text was cut.", "%(num)s long texts were cut."),
    Repair.PARENT_LEFT_OUT: Plural(
        "%(num)s reply to a comment that is left out was moved up.",
        "%(num)s replies to comments that are left out were moved up.",
    ),
    Repair.PARENT_MISSING: Plural(
        "%(num)s reply has no parent in its thread: it was put at the top level.",
        "%(num)s replies have no parent in their thread: they were put at the top level.",
    ),
}
MINUTE: Final = 60
LEAST_SHOWN: Final = 2  # per cent, from which on the time left is more than a guess


def describe_repair(repair: str, number: int) -> Message:
    """Return what was mended in so many comments, as a sentence."""
    return REPAIRS[Repair(repair)].about(number)


def list_left_out(books: ImportBooks) -> list[tuple[LeftOutReason, int]]:
    """Return why comments are left out, in the order of the books, and how many."""
    return [(reason, books.left_out[reason]) for reason in LeftOutReason if books.left_out.get(reason)]


def percent_done(job: ImportRecord) -> int | None:
    """Return how much of an import is done, of 100; None if that is not known."""
    return min(100 * job.progress // job.total, 100) if job.total else None


def describe_time_left(job: ImportRecord, now: datetime) -> Message | None:
    """Return how long an import will take; None if that is not known."""
    percent = percent_done(job)
    if percent is None or percent < LEAST_SHOWN or job.started_at is None:
        return None
    spent = (now - parse_time(job.started_at)).total_seconds()
    left = round(spent * ((job.total or 0) - job.progress) / job.progress)
    if left < MINUTE:
        return translatable_plural("about %(num)s second left", "about %(num)s seconds left", max(left, 1))
    return translatable_plural("about %(num)s minute left", "about %(num)s minutes left", round(left / MINUTE))


def seconds_taken(job: ImportRecord) -> int | None:
    """Return how long the dry run or the import took; None if it is not over."""
    if job.started_at is None or job.finished_at is None:
        return None
    return max(round((parse_time(job.finished_at) - parse_time(job.started_at)).total_seconds()), 1)


def format_bytes(number: int) -> str:
    """Return a size for people: ``84 MB``."""
    amount, units = float(number), ["GB", "MB", "kB", "B"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004 -- units of a thousand
        amount, _ = amount / 1000, units.pop()
    return f"{amount:.3g} {units[-1]}"
