"""Check rows against the digests that were stored with them (docs/decisions/0087-backups.md)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from commentsvc.domain.row_digest import digest_row
from commentsvc.storage import comments, contacts
from commentsvc.storage.database import PrivateRead

ROWS_AT_ONCE: Final = 500  # of a unit: 3 ms for usual comments
# Bytes of text from a file, where one flipped bit may have made it invalid UTF-8; text from PostgreSQL.
Value: TypeAlias = str | bytes | None


class DamagedRow(Struct, frozen=True):
    """A row whose content is not what the service wrote."""

    table: str
    id: str
    fault: str

    def __str__(self) -> str:
        """Return the fault in words, without the content of the row."""
        return f"{self.table} {self.id} {self.fault}"


class RowCheck(Struct, frozen=True):
    """The result of a check: how many rows were read, and which are damaged."""

    rows: int = 0
    damaged: Sequence[DamagedRow] = ()

    def __add__(self, other: "RowCheck") -> "RowCheck":
        return RowCheck(self.rows + other.rows, [*self.damaged, *other.damaged])


def _check_comment(row: Mapping[str, Any]) -> str | None:
    found = digest_row(row["id"], row["name"], row["text"], row["html"], row["created_at"])
    return _compare(row["row_digest"], found)


def _check_contact(row: Mapping[str, Any]) -> str | None:
    if row["posted_at"] is None:
        return "belongs to no comment"
    if _text(row["posted_at"]) != _text(row["created_at"]):
        return "has another time than its comment"
    if row["email_sealed"] is None and row["row_digest"] is None:
        return None
    return _compare(row["row_digest"], digest_row(row["id"], row["email_sealed"]))


def _compare(stored: Value, found: str) -> str | None:
    if not stored:
        return "has no digest"
    return None if _text(stored) == found else "does not match its digest"


def _text(value: Value) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value or ""


Check: TypeAlias = Callable[[Mapping[str, Any]], str | None]
CHECKS: Final[Mapping[str, tuple[str, Check]]] = {
    "comment": (comments.DIGESTED, _check_comment),
    contacts.TABLE: (contacts.DIGESTED, _check_contact),
}


def check_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> RowCheck:
    """Check rows that the statement of a table in ``CHECKS`` has returned."""
    check = CHECKS[table][1]
    faults = [(row, fault) for row in rows if (fault := check(row))]
    return RowCheck(len(rows), [DamagedRow(table, _text(row["id"]), fault) for row, fault in faults])


async def check_piece(unit: PrivateRead, table: str, after: str) -> tuple[RowCheck, str | None]:
    """Check some rows of a table after an id; return also the id to go on after, None at the end."""
    rows = await unit.all(CHECKS[table][0], after=after, limit=ROWS_AT_ONCE)
    return check_rows(table, rows), rows[-1]["id"] if len(rows) == ROWS_AT_ONCE else None
