"""Compare what was acknowledged with what an SQLite database holds after the service has ended."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from tests.attacks.command import Figures
from tests.operations.test_operating import run
from tests.replicas import ReplicaLoad, doubled, lost

# The key is a file: its loss would show in unreadable addresses.
SETTINGS = {"SECRET_KEY": "", "TRUSTED_PROXIES": ""}
DATABASE = Path("data", "commentsvc.db")


def read_stored(folder: Path) -> dict[str, list[str]]:
    """Return the ids of the stored comments by the submission in their text. The service has stopped."""
    found = defaultdict(list)
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        for id_, text in database.execute("SELECT id, text FROM comment"):
            found[text.removeprefix("From ").removesuffix(".")].append(id_)
    return found


def compare(folder: Path, load: ReplicaLoad) -> Figures:
    """Return what was lost, what was stored twice, and what is wrong with the files."""
    stored = read_stored(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        damaged = database.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
        orphans = database.execute("SELECT COUNT(*) FROM comment WHERE id NOT IN (SELECT comment_id FROM contact)")
        (alone,) = orphans.fetchone()
    status = run(folder, "secret", "status")
    audit = run(folder, "audit", "verify")
    return {
        "acknowledged": len(load.acknowledged),
        "stored, not acknowledged": len(set(stored) - set(load.acknowledged)),
        "lost": len(lost(load, stored)),
        "doubled": len(doubled(stored)),
        "comments without contact": alone,
        "damaged databases": int(damaged),
        "unreadable addresses": int("Addresses that no listed key opens: 0." not in status.stdout),
        "broken audit logs": int(audit.returncode != 0),
    }


PROMISES = (
    "lost",
    "doubled",
    "comments without contact",
    "damaged databases",
    "unreadable addresses",
    "broken audit logs",
)


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return any(figures[name] for name in PROMISES)
