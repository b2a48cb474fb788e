"""Verify the audit log."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from commentsvc.audit.log import entry_hash, salted_digest
from commentsvc.service import Service, private_read
from commentsvc.storage import audit
from commentsvc.storage.audit import Entry
from commentsvc.storage.database import PrivateRead, Row

ENTRIES_PER_READ: Final = 1000


class AuditLogBroken(Exception):  # noqa: N818 -- a result of the verification, not a failure
    """The audit log was altered; names the first entry that shows it."""

    def __init__(self, seq: int, problem: str, created_at: str = "") -> None:
        date = f" of {created_at}" if re.fullmatch(r"[0-9TZ:.-]{24}", created_at) else ""
        super().__init__(f"Entry {seq:,}{date} {problem}")
        self.seq = seq


class VerifiedLog(Struct, frozen=True):
    """The result of a successful verification."""

    entries: int
    head: str
    noted: int | None  # the entry whose hash was noted elsewhere


async def verify_log(service: Service, noted: str | None = None) -> VerifiedLog:
    """Verify the whole log. It is read in pages, so that writers do not wait.

    ``noted`` is the hash of an entry, as it was noted elsewhere earlier.

    Raises:
        AuditLogBroken: an entry was changed, removed or inserted, or no entry has the hash ``noted``.
    """
    seq, last, noted_seq = 0, "", None
    noted = noted and noted.strip().lower()
    while True:
        rows, newest = await _next_entries(service, seq or None)
        for row in rows:
            seq, last = _check_entry(row, seq, last)
            noted_seq = seq if last == noted else noted_seq
        if len(rows) < ENTRIES_PER_READ:
            break
    _check_end(seq, last, *newest)
    if noted and noted_seq is None:
        raise AuditLogBroken(
            seq, "is the last, and no entry has the hash that you noted: the log was cut or rewritten."
        )
    return VerifiedLog(seq, last, noted_seq)


def find_break(rows: Iterable[Row], head: tuple[int, str]) -> str | None:
    """Return where a log is broken; None if it is not. ``rows`` are all of it; ``head``: see ``storage.audit``."""
    seq, last = 0, ""
    try:
        for row in rows:
            seq, last = _check_entry(row, seq, last)
        _check_end(seq, last, *head)
    except AuditLogBroken as error:
        return str(error)
    return None


@private_read
async def _next_entries(unit: PrivateRead, seq: int | None) -> tuple[Sequence[Row], tuple[int, str]]:
    """Return the next entries, with the number of all entries and the newest hash at the same moment."""
    return await audit.list_after(unit, seq, ENTRIES_PER_READ), await audit.get_head(unit)


def _check_entry(row: Row, after: int, previous: str) -> tuple[int, str]:
    """Check that an entry follows entry ``after``; return its number and hash."""
    expected = after + 1
    try:
        entry = msgspec.convert(dict(row), Entry)
    except msgspec.ValidationError:
        raise AuditLogBroken(expected, "is not valid: its fields have the wrong types.") from None
    if entry.seq > expected:
        raise AuditLogBroken(expected, f"is missing: the next one is {entry.seq:,}.")
    if entry.seq < expected:
        raise AuditLogBroken(entry.seq, "was inserted before the first entry.", entry.created_at)
    if entry.hash != entry_hash(entry):
        raise AuditLogBroken(entry.seq, "was altered: its hash does not match its content.", entry.created_at)
    if entry.previous != previous:
        raise AuditLogBroken(
            entry.seq, "does not follow the entry before it, which was altered or replaced.", entry.created_at
        )
    if not _note_matches(entry):
        raise AuditLogBroken(entry.seq, "was altered: its note was changed.", entry.created_at)
    return entry.seq, entry.hash


def _note_matches(entry: Entry) -> bool:
    """Return whether the note matches its digest in the chain, or was erased with its salt."""
    if entry.salt is None:
        return entry.note is None
    try:
        digest = msgspec.json.decode(entry.body, type=dict[str, Any]).get("note")
    except msgspec.DecodeError:
        return False
    return bool(digest == (None if entry.note is None else salted_digest(entry.salt, entry.note)))


def _check_end(seq: int, last: str, counted: int, newest: str) -> None:
    if seq < counted:
        raise AuditLogBroken(seq + 1, f"is missing: {counted:,} entries were written.")
    if seq > counted:
        raise AuditLogBroken(counted + 1, f"was inserted: only {counted:,} entries were written.")
    if last != newest:
        raise AuditLogBroken(seq, "was replaced: it is not the last one written.")
