"""Count the work of the SQLite writer: its statements, the B-trees that a write touches, the plans of queries."""

import sqlite3
import struct
from contextlib import asynccontextmanager, closing
from itertools import groupby

FRAME_HEADER = 24  # bytes; https://sqlite.org/fileformat2.html#walformat
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")


@asynccontextmanager
async def statements_of(service):
    """Yield a list; statements that the writer runs in this block are added to it, with their values."""
    found, seen = [], []
    await service.db._writer.set_trace_callback(seen.append)
    try:
        yield found
    finally:
        await service.db._writer.set_trace_callback(None)
        # The driver reports a statement once more for each of its triggers.
        once = [sql for sql, _ in groupby(seen)]
        found += [sql for sql in once if not sql.startswith((*CONTROL, "--"))]


def changed_pages(path):
    """Return the numbers of the pages in the write-ahead log, each once for each commit that changed it."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    page_size, salts = struct.unpack(">8xI4x8s", log[:24])
    frames = range(32, len(log) - page_size, FRAME_HEADER + page_size)
    return [struct.unpack(">I", log[at : at + 4])[0] for at in frames if log[at + 8 : at + 16] == salts]


def trees_of(path, pages):
    """Return the names of the tables and indexes that own these pages."""
    with closing(sqlite3.connect(path)) as database:
        owners = dict(database.execute("SELECT pageno, name FROM dbstat"))
    return sorted({owners[page] for page in pages if page in owners})
