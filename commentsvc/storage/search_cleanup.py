"""Remove erased words from the file of an SQLite index.

FTS5 stores that a row was deleted beside its words; both disappear when the parts of the index are merged. A full merge
of a million comments writes 280 MB, so it is done in small steps, each a transaction of its own.
PostgreSQL removes erased words with VACUUM, so all of this does nothing there.
"""

from typing import Final

from commentsvc.storage.database import PrivateRead, Write
from commentsvc.storage.dialect import INDEX_NAMES

PAGES: Final = 100  # written in one step, 0.4 MB: other writers wait some milliseconds


async def count_unmerged(unit: PrivateRead) -> int | None:
    """Return how many erasures there were, if the index was not merged since the last one; else None."""
    row = await unit.one("SELECT erased FROM search_cleanup WHERE erased > merged")
    return int(row["erased"]) if row else None


async def merge_index(unit: Write, *, begin: bool) -> bool:
    """Merge some of the index; return whether there is more to do. The first step must ``begin``."""
    # A negative number begins a merge of everything: https://sqlite.org/fts5.html#the_merge_command
    before = await _count_changes(unit)
    for index in INDEX_NAMES:
        await unit.run(
            f"INSERT INTO {index} ({index}, rank) VALUES ('merge', CAST(:pages AS BIGINT))",
            pages=-PAGES if begin else PAGES,
        )
    return await _count_changes(unit) - before > len(INDEX_NAMES)  # an index with nothing to merge changes one row


async def note_merged(unit: Write, erased: int) -> None:
    """Store that the words of so many erasures are gone."""
    await unit.run("UPDATE search_cleanup SET merged = :erased WHERE merged < :erased", erased=erased)


async def count_unrewritten(unit: PrivateRead) -> int | None:
    """Return how many erasures there were, if the file was not rewritten since the last one; else None."""
    row = await unit.one("SELECT erased FROM search_cleanup WHERE erased > rewritten")
    return int(row["erased"]) if row else None


async def note_rewritten(unit: Write, erased: int) -> None:
    """Store that the file was rewritten after so many erasures."""
    await unit.run("UPDATE search_cleanup SET rewritten = :erased WHERE rewritten < :erased", erased=erased)


async def _count_changes(unit: PrivateRead) -> int:
    row = await unit.one("SELECT TOTAL_CHANGES() AS number")
    return int(row["number"]) if row else 0
