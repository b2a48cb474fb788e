"""Measure what the memory of decisions costs a post: python -m bench.memory FILE [--posts 300] [--remembered 1000000].

FILE is a database of ``bench.seed_database``. Memory gets rows of its comments, and of erased ones up to the number
``--remembered``, 3 % of them spam. Their keys are random: the fingerprints of a million texts would take minutes. Then
comments are posted with memory and without it in turn, and the processor time and the duration of both are compared:
of new texts, and of a text that is spam in 10,000 comments.
"""

import argparse
import asyncio
import itertools
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.seed_database import make_vocabulary
from commentsvc.comments import post
from commentsvc.comments.schemas import NewComment
from commentsvc.config.settings import Config
from commentsvc.domain.comment_text import render_text
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.fields import Limits
from commentsvc.domain.ids import Ids
from commentsvc.domain.models import Visit
from commentsvc.domain.validation import validate
from commentsvc.operations import secret_file
from commentsvc.rules import facts
from commentsvc.service import Service, private_read
from commentsvc.spam import keys
from commentsvc.spam.near_text import prepare_fingerprint, read_fingerprint
from commentsvc.spam.recall import NOTHING, Recalled, recall
from commentsvc.storage.database import PrivateRead
from commentsvc.storage.sqlite import SqliteDatabase

CAMPAIGN: Final = (
    "Win big tonight at the best casino of the town, the first hundred coins are free for you and your friends"
)
COPIES: Final = 10_000
BANDS: Final = 8
SPAM_SHARE: Final = 0.03


async def _without_memory(*_args: Any, **_given: Any) -> Recalled:
    return NOTHING


async def _without_fingerprint(*_args: Any) -> None:
    return None


def _make_keys(rng: random.Random, comment_id: str, *, is_spam: bool) -> Iterator[tuple[int, str, str]]:
    label, number = ("spam", 2 + BANDS) if is_spam else ("good", 2 if rng.random() < 0.3 else 1)
    for _ in range(number):
        yield rng.getrandbits(64) - (1 << 63), label, comment_id


def fill(file: Path, key: bytes, number: int) -> int:
    """Put this number of comments into memory, unless there are some; return their number."""
    connection, rng = sqlite3.connect(file, isolation_level=None), random.Random(7)  # noqa: S311 -- not secret
    rows = connection.execute("SELECT id, site_id, status = 'spam' FROM comment ORDER BY id").fetchall()
    new_id = Ids()
    rows += [(new_id(), rows[0][1], int(rng.random() < SPAM_SHARE)) for _ in range(number - len(rows))]
    if connection.execute("SELECT COUNT(*) FROM memory").fetchone()[0]:
        return len(rows)
    for name, value in (("cache_size", -500_000), ("foreign_keys", 0), ("synchronous", 0)):
        connection.execute(f"PRAGMA {name}={value}")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO memory (comment_id, site_id, label, source, approved, decided_at) "
        "VALUES (?, ?, ?, 'person', 0, '2026-01-01T00:00:00.000Z')",
        ((id_, site, "spam" if is_spam else "good") for id_, site, is_spam in rows),
    )
    made = [one for id_, _, is_spam in rows for one in _make_keys(rng, id_, is_spam=bool(is_spam))]
    connection.executemany("INSERT INTO memory_key (key, label, comment_id) VALUES (?, ?, ?)", sorted(made))
    found = keys.hash_fingerprint(key, rows[0][1], read_fingerprint(render_text(CAMPAIGN).html, None))
    spam = [id_ for id_, _, is_spam in rows if is_spam][:COPIES]
    connection.executemany(
        "INSERT INTO memory_key (key, label, comment_id) VALUES (?, 'spam', ?)",
        ((number, id_) for number in found.list_all() for id_ in spam),
    )
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return len(rows)


async def open_service(file: Path) -> Service:
    """Return the service on the database, without limits."""
    config = Config(database_url=f"sqlite:///{file}", rate_limit="off", form_seconds="off")
    database = await SqliteDatabase.open(file)
    return Service(db=database, config=config, keyring=Keyring(secret_file.read_secrets(config)))


async def measure(service: Service, texts: Iterator[str], number: int) -> dict[str, list[tuple[float, float]]]:
    """Post comments with memory and without it in turn; return the seconds and processor seconds of each."""
    ways = {"with": (recall, prepare_fingerprint), "without": (_without_memory, _without_fingerprint)}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for at in range(number):
        for way in random.sample([*ways], 2):  # in any order, so that none profits from the other's pages
            vars(facts)["recall"], vars(post)["prepare_fingerprint"] = ways[way]
            fields = {"name": service.new_id(), "email": f"mia{at}@example.com", "comment": next(texts)}
            draft = validate(NewComment, {"thread": "https://blog0.example/posts/3", **fields}, Limits())
            started, used = time.perf_counter(), time.process_time()
            await post.post_comment(service, draft, Visit(address=f"203.0.{at % 250}.7"))
            found[way].append((time.perf_counter() - started, time.process_time() - used))
    vars(facts)["recall"], vars(post)["prepare_fingerprint"] = ways["with"]
    return found


def make_texts(rng: random.Random) -> Iterator[str]:
    """Yield new texts of 40 words."""
    words, weights = make_vocabulary(rng)
    while True:
        yield " ".join(rng.choices(words, cum_weights=weights, k=40)).capitalize() + "."


def report(name: str, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print the medians of both ways, and their ratio."""
    for at, what in enumerate(("ms", "processor ms")):
        medians = {way: statistics.median(one[at] for one in times) * 1000 for way, times in found.items()}
        ratio = medians["with"] / medians["without"]
        print(f"{name}: {medians['with']:.3f} {what} with memory, {medians['without']:.3f} without: {ratio:.2f}x")


async def run(file: Path, number: int, remembered: int) -> None:
    """Fill memory, then measure."""
    service = await open_service(file)
    try:
        key = await _read_key(service)
        print(f"{fill(file, key, remembered):,} comments in memory")
        texts = make_texts(random.Random(11))  # noqa: S311 -- not secret
        await measure(service, texts, number // 5)  # the first ones fill the caches
        report("new texts", await measure(service, texts, number))
        report(f"a text that is spam {COPIES:,} times", await measure(service, itertools.repeat(CAMPAIGN), number))
    finally:
        await service.db.close()


@private_read
async def _read_key(unit: PrivateRead) -> bytes:
    key = await keys.find_key(unit)
    if key is None:
        raise LookupError("the database has no key of memory: it was not made by bench.seed_database")
    return key


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--posts", type=int, default=300)
    parser.add_argument("--remembered", type=int, default=1_000_000)
    given = parser.parse_args()
    asyncio.run(run(given.file, given.posts, given.remembered))


if __name__ == "__main__":
    main()
