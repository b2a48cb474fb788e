"""Numbers of comments by status and site, without erased ones.

The database itself keeps them: a trigger adds every change of a thread's counters to the totals of its site, in the
same transaction. So they are right even if the program forgets a change, and a page of the queue does not add up all
threads.
"""

from collections.abc import Sequence
from typing import Final

from commentsvc.storage.database import PublicRead, Row, site_condition

TOTAL_TABLE: Final = "site_total"
COUNTERS: Final = ("approved", "pending", "spam", "trash", "reported")


async def count_by_status(unit: PublicRead, sites: Sequence[str] | None) -> Row:
    """Return one row ``approved, pending, spam, trash, reported``: numbers of comments on these sites."""
    on_sites, values = site_condition("site_id", sites)
    sums = ", ".join(f"CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}" for name in COUNTERS)
    (row,) = await unit.all(f"SELECT {sums} FROM {TOTAL_TABLE} WHERE {on_sites}", **values)
    return row
