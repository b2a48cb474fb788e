"""Export comments as a table for people and spreadsheets: CSV (RFC 4180), docs/archive-format.md.

The file begins with a byte order mark: without it, Excel reads UTF-8 as another charset. Other programs skip it.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

from commentsvc.archives.export import Exported, Sink, Source
from commentsvc.archives.schemas import CommentLine, Contacts, ThreadLine

MARK: Final = "\ufeff"
COLUMNS: Final = (
    "site", "page", "title", "id", "parent", "status", "created_at", "edited_at", "name", "email", "website", "text",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula
# (https://owasp.org/www-community/attacks/CSV_Injection); some also take the full-width forms.
# Where a list is separated by semicolons, some open the file so, and a cell begins after each of them, or after a tab.
FORMULA_INSIDE: Final = re.compile(r"(?<=[;\t])(?=[ \"]*(?:[=+@＝＋＠]|[-－][\w(]))")
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


async def export_csv(source: Source, sink: Sink) -> Exported:
    """Write a table of the comments, without erased ones."""
    names = {line.id: line.name for line in await source.list_sites()}
    with_email = source.contacts is Contacts.CLEAR
    columns = [name for name in COLUMNS if with_email or name != "email"]
    await sink((MARK + format_rows([columns])).encode())
    threads: set[str] = set()
    comments = 0
    async for thread, lines in source.read_threads_with_comments():
        shown = [line for line in lines if not line.erased_at]
        rows = [_make_row(names[thread.site], thread, line, with_email=with_email) for line in shown]
        threads.add(thread.id)
        comments += len(rows)
        await sink(format_rows(rows).encode())
    return Exported(len(names), len(threads), comments)


def _make_row(site: str, thread: ThreadLine, line: CommentLine, *, with_email: bool) -> list[str]:
    email = [(line.contact and line.contact.email) or ""] if with_email else []
    page, edited = thread.url or thread.key, line.edited_at or ""
    before = [site, page, thread.title or "", line.id, line.parent or "", line.status, line.created_at, edited]
    return [*before, line.name, *email, line.website or "", line.text]


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells. No cell is a formula: an apostrophe before it makes it a text."""
    written = io.StringIO()
    csv.writer(written).writerows([[escape_formula(cell) for cell in row] for row in rows])
    return written.getvalue()


def escape_formula(cell: str) -> str:
    """Return a cell that spreadsheets take for a text."""
    return FORMULA_INSIDE.sub("'", f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell)
