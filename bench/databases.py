"""Databases to measure: made once, kept in ``.bench/``, and copied for each run so that every run finds the same."""

import hashlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from bench.corpus import Corpus, Thread
from bench.seed_database import list_origins, seed
from bench.servers import BLOG, ROOT

KEPT: Final = ROOT / ".bench"
# No comment waits for a disk while a database is made.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- a new folder in it
# Kept databases are made again if one of these changes.
MADE_FROM: Final = (
    "schema.sql",
    "bench/corpus.py",
    "bench/databases.py",
    "bench/seed_database.py",
    "commentsvc/domain/comment_text.py",
    "commentsvc/domain/search_tokens.py",
    "commentsvc/storage/search.py",
)
DIGITS: Final = 12  # of the digest of these files


@contextmanager
def open_folder(prefix: str = "run-") -> Iterator[Path]:
    """Yield an empty folder on a real disk."""
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix=prefix) as folder:
        yield Path(folder)


@contextmanager
def copy_corpus(corpus: Corpus) -> Iterator[Path]:
    """Yield a folder with a database that has the comments of a corpus."""
    sizes = [thread.comments for thread in corpus.threads]
    with _copy(corpus.name, lambda file: seed(file, BLOG, sum(sizes), sizes)) as folder:
        yield folder


@contextmanager
def copy_seeded(comments: int, sites: int = 1) -> Iterator[Path]:
    """Yield a folder with a database of ``seed_database.py``."""
    with _copy(f"{comments}-{sites}", lambda file: seed(file, list_origins(sites), comments)) as folder:
        yield folder


@contextmanager
def _copy(name: str, make: Callable[[Path], object]) -> Iterator[Path]:
    digest = hashlib.sha256(b"".join((ROOT / file).read_bytes() for file in MADE_FROM)).hexdigest()[:DIGITS]
    kept = KEPT / f"{name}-{digest}"
    if not kept.exists():
        for old in KEPT.glob(f"{name}-{'?' * DIGITS}"):
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as filling:
            make(Path(filling) / "comments.db")
            _forget_networks(Path(filling) / "comments.db")
            _keep(Path(filling), kept)
    with open_folder() as folder:
        copied = folder / "data"
        shutil.copytree(kept, copied)
        yield copied


def _keep(made: Path, kept: Path) -> None:
    """Copy a folder under a name that it has only when it is complete: the copy may be interrupted."""
    with open_folder("part-") as part:
        shutil.copytree(made, part / "data").rename(kept)


def _forget_networks(file: Path) -> None:
    """Do what the service would do in its first minutes, in which it could not be measured: the comments are old."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE contact SET network = NULL, network_digest = NULL, agent = NULL")


def read_threads(folder: Path, sites: int, number: int = 100) -> list[Thread]:
    """Return threads of a seeded database with 20 to 200 comments, by their full address."""
    connection = sqlite3.connect(f"file:{folder / 'comments.db'}?mode=ro", uri=True)
    statement = """
        SELECT thread.key, site.name, COUNT(*) FROM thread
            JOIN site ON site.id = thread.site_id JOIN comment ON comment.thread_id = thread.id
        WHERE thread.id IN (SELECT id FROM thread ORDER BY id LIMIT 5000)
        GROUP BY thread.id HAVING COUNT(*) BETWEEN 20 AND 200 ORDER BY thread.id LIMIT :number
    """
    found = connection.execute(statement, {"number": number}).fetchall()
    connection.close()
    host = "blog0.example" if sites == 1 else ""
    return [Thread(f"https://{host or re.sub(r':.*', '', name)}{key}", comments) for key, name, comments in found]
