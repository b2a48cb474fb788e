"""Make an SQLite database with many comments: python -m bench.seed_database FILE COMMENTS [--sites 1].

The same arguments make the same comments. Texts have a vocabulary like that of a language: a few words are in almost
every comment, most are rare. 92 % of the comments are approved, 4 % pending, 3 % spam and 1 % in the trash; a thread
has 50 comments on average, and the busiest has thousands. Indexes are made at the end, which takes a third of the time.
"""

import argparse
import asyncio
import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commentsvc.config.settings import Config
from commentsvc.domain.comment_text import search_words
from commentsvc.domain.confusables import skeleton
from commentsvc.domain.crypto import Keyring, new_secret, text_digest
from commentsvc.domain.email_address import Email
from commentsvc.domain.ids import Ids
from commentsvc.domain.initials import find_hue
from commentsvc.domain.models import Status
from commentsvc.domain.row_digest import digest_email, digest_row
from commentsvc.domain.search_tokens import tokens
from commentsvc.domain.timestamps import format_time
from commentsvc.operations import secret_file, startup
from commentsvc.service import Service
from commentsvc.storage import schema, search
from commentsvc.storage.comments import PATH_DIGITS, path_step
from commentsvc.storage.sqlite import SqliteDatabase

COMMON = (
    "the of and to a in that it is was for on are with as i be at have this or had by but not what all were we when "
    "your can said there use each which she do how their if will up other about out many then them these so some her "
    "would make like him into time has look two more write go see number no way could people my than first water been"
)
SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo za bri cle dra fle gri pla ste tri shu chor"
WORDS_PER_COMMENT = (8, 25, 40, 60, 120)
PER_THREAD = 50
BEGIN = datetime(2021, 1, 1, tzinfo=UTC).timestamp()
SPAN = 5 * 365 * 86_400
STATUSES = {"approved": 92, "pending": 4, "spam": 3, "trash": 1}
ROWS_AT_ONCE = 5000
Row = dict[str, Any]
TABLES = ("site_total", "thread", "thread_name", "comment", "comment_search", "contact", "decision", "thread_search")
INDEXES = ("comment_index", "thread_index")


async def prepare(file: Path, origins: str) -> Service:
    """Create the database with its key; return the service."""
    config = Config(database_url=f"sqlite:///{file}", sites=origins)
    keys = secret_file.read_secrets(config)
    if not keys:
        keys = [new_secret()]
        secret_file.write_secrets(file.with_name("secret.key"), keys)
    database = await SqliteDatabase.open(file)
    service = Service(db=database, config=config, keyring=Keyring(keys))
    await schema.migrate(database, service.now())
    await startup.prepare_database(service)
    await database.close()
    return service


def make_vocabulary(rng: random.Random, size: int = 50_000) -> tuple[list[str], list[float]]:
    """Return words and their cumulated weights: the n-th word is as frequent as 1/n (Zipf)."""
    syllables, words = SYLLABLES.split(), dict.fromkeys(COMMON.split())
    while len(words) < size:
        words["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3, 3, 4))))] = None
    return list(words), list(itertools.accumulate(1 / (rank + 3) for rank in range(size)))


class Thread:
    """A thread, and its comments so far."""

    def __init__(self, number: int, site: str, id_: str, created_at: str) -> None:
        self.number, self.site, self.id, self.created_at = number, site, id_, created_at
        self.counts: Counter[str] = Counter()
        self.seq = 0
        self.approved: list[tuple[str, str]] = []


class Seeder:
    """Makes the rows of comments, oldest first."""

    def __init__(
        self, keyring: Keyring, sites: list[str], number: int, rng: random.Random, sizes: Sequence[int] = ()
    ) -> None:
        self.rng, self.sites, self.number = rng, sites, number
        self.moment = BEGIN
        self.statuses = {"approved": 1} if sizes else STATUSES
        self.new_id = Ids(lambda: int(self.moment * 1000))
        self.words, self.weights = make_vocabulary(rng)
        self.threads: list[Thread] = []
        self.planned = [thread for thread, size in enumerate(sizes) for _ in range(size)]
        rng.shuffle(self.planned)
        # Most authors write once or twice, some write hundreds of comments.
        emails = [Email(f"user{at}@example.org") for at in range(max(20, number // 20))]
        self.sealed = [(keyring.seal(one), keyring.digest(one)) for one in emails]
        self.authors = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(emails))))

    def pick_thread(self) -> Thread:
        """Return the thread of the next comment, perhaps a new one."""
        if self.planned:
            while len(self.threads) <= self.planned[-1]:
                self.threads.append(Thread(len(self.threads), self.sites[0], self.new_id(), self.now()))
            return self.threads[self.planned.pop()]
        if not self.threads or self.rng.random() < 1 / PER_THREAD:
            site = self.sites[len(self.threads) % len(self.sites)]
            self.threads.append(Thread(len(self.threads), site, self.new_id(), self.now()))
        if self.rng.random() < 0.7:  # most comments are on new pages
            return self.threads[-1 - min(len(self.threads) - 1, int(self.rng.expovariate(1 / 10)))]
        return self.threads[int(len(self.threads) * self.rng.random() ** 3)]

    def now(self) -> str:
        """Return the moment of the next comment."""
        return format_time(datetime.fromtimestamp(self.moment, UTC))

    def text(self, at: int) -> str:
        """Return the text of a comment."""
        words = self.rng.choices(self.words, cum_weights=self.weights, k=self.rng.choice(WORDS_PER_COMMENT))
        if at % 50 == 0:
            words.append(f"https://shop{at % 7919}.example/{self.rng.choice(self.words)}")
        if at % 1000 == 7:
            words.append("東京都で会いましょう")
        return " ".join(words).capitalize() + "."

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Yield ``table, row`` for each comment; a row is a mapping with more columns than the table may have."""
        for at in range(self.number):
            self.moment = BEGIN + SPAN * at / self.number
            thread, id_, now = self.pick_thread(), self.new_id(), self.now()
            (status,) = self.rng.choices([*self.statuses], weights=[*self.statuses.values()])
            yield from self.rows_of_comment(at, thread, id_, now, status)

    def rows_of_comment(self, at: int, thread: Thread, id_: str, now: str, status: str) -> Iterator[tuple[str, Row]]:
        """Yield ``table, row`` for one comment."""
        thread.seq += 1
        thread.counts[status] += 1
        parent = self.rng.choice(thread.approved[-20:]) if thread.approved and self.rng.random() < 0.5 else None
        path = (parent[1] if parent else "") + path_step(thread.seq)
        depth = len(path) // PATH_DIGITS - 1
        if status == "approved" and depth < 5:
            thread.approved.append((id_, path))
        author = self.rng.choices(range(len(self.sealed)), cum_weights=self.authors)[0]
        text, name = self.text(at), f"User {author}"
        html = f"<p>{text}</p>\n"
        common = {"site_id": thread.site, "comment_id": id_, "created_at": now, "status": status}
        yield "comment", common | {
            "id": id_, "thread_id": thread.id, "parent_id": parent and parent[0], "author_id": f"author-{author}",
            "depth": depth, "path": path, "top": path[:PATH_DIGITS], "name": name, "text": text, "html": html,
            "hue": find_hue(thread.site, f"author-{author}", name), "text_digest": text_digest(text),
            "row_digest": digest_row(id_, name, text, html, now), "version": 1, "listed_replies": 0, "reports": 0,
            "status_before": "pending" if status in {"spam", "trash"} else None,
            "published_at": now if status == "approved" else None,
            "listed_at": now if status == "approved" else None,
        }  # fmt: skip
        sealed, digest = self.sealed[author]
        network = f"198.{author % 200}.{author // 200 % 250}.0/24"
        yield "contact", common | {
            "email_sealed": sealed, "email_digest": digest, "network": network, "network_digest": digest, "agent": "B",
            "name_key": skeleton(name), "row_digest": digest_email(id_, sealed),
        }  # fmt: skip
        code = "mode" if status == "pending" else None
        yield "decision", common | {
            "seq": at + 1, "actor_kind": "rule", "actor_name": "mode", "reason_code": code,
        }  # fmt: skip
        yield "comment_search", common | search_row(thread.site, name, text, html, status, code)


def search_row(site: str, name: str, text: str, html: str, status: str, code: str | None) -> Row:
    """Return the columns of the search."""
    reasons = "rule:mode\nHeld for a moderator" if code else "rule:mode"
    words = [search.site_mark(site), *tokens(name), *search_words(text, html)]
    return {"words": f" {' '.join(dict.fromkeys(words))} ", "marks": search.marks(Status(status), reasons)}


def rows_of_thread(thread: Thread) -> Iterator[tuple[str, Row]]:
    """Yield ``table, row`` for a thread."""
    key = f"/posts/{thread.number}"
    title = f"Post number {thread.number}"
    yield "thread", thread.counts | {
        "id": thread.id, "site_id": thread.site, "key": key, "title": title, "created_at": thread.created_at,
        "last_seq": thread.seq, "version": thread.seq, "reported": 0,
        "published_at": thread.created_at if thread.approved else None,
        **{status: thread.counts[status] for status in STATUSES},
    }  # fmt: skip
    yield "thread_search", {"thread_id": thread.id, "words": search.thread_words(thread.site, key, title)}
    yield "thread_name", {"site_id": thread.site, "name": key, "thread_id": thread.id}


def totals_of(site: str, threads: list[Thread]) -> Row:
    """Return the row with the totals of a site."""
    counts: Counter[str] = sum((thread.counts for thread in threads if thread.site == site), Counter())
    return {"site_id": site, "shard": 0, "reported": 0, **{status: counts[status] for status in STATUSES}}


class Writer:
    """Inserts rows, many at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.waiting: dict[str, list[Row]] = {table: [] for table in TABLES}
        self.columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in TABLES
        }

    def add(self, table: str, row: Row) -> None:
        """Add a row."""
        self.waiting[table].append(row)
        if len(self.waiting[table]) >= ROWS_AT_ONCE:
            self.flush(table)

    def flush(self, table: str) -> None:
        """Insert the rows that wait."""
        rows, self.waiting[table] = self.waiting[table], []
        if rows:
            names = [name for name in self.columns[table] if name in rows[0]]
            values = ", ".join(f":{name}" for name in names)
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"  # noqa: S608 -- names of the schema
            self.connection.executemany(statement, rows)


def fill(file: Path, keyring: Keyring, number: int, sizes: Sequence[int] = ()) -> int:
    """Insert comments into a new database; return the number of threads.

    With ``sizes``, the threads have these numbers of comments, all of them approved.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    for name, value in (("journal_mode", "off"), ("synchronous", 0), ("cache_size", -500_000), ("foreign_keys", 0)):
        connection.execute(f"PRAGMA {name}={value}")
    sites = [row[0] for row in connection.execute("SELECT id FROM site ORDER BY name")]
    dropped = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in dropped:
        connection.execute(f"DROP INDEX {name}")
    writer = Writer(connection)
    seeder = Seeder(keyring, sites, number, random.Random(7), sizes)  # noqa: S311 -- not secret
    connection.execute("BEGIN")
    for table, row in seeder.rows():
        writer.add(table, row)
    for thread in seeder.threads:
        for table, row in rows_of_thread(thread):
            writer.add(table, row)
    for site in sites:
        writer.add("site_total", totals_of(site, seeder.threads))
    for table in TABLES:
        writer.flush(table)
    for _, statement in dropped:
        connection.execute(statement)
    for index in INDEXES:
        connection.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")  # noqa: S608 -- constants
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=wal")
    connection.close()
    return len(seeder.threads)


def list_origins(sites: int) -> str:
    """Return the origins of a number of sites, as the setting ``SITES``."""
    return " ".join(f"https://blog{number}.example" for number in range(sites))


def seed(file: Path, origins: str, comments: int, sizes: Sequence[int] = ()) -> int:
    """Make a database for these origins; return the number of threads. For ``sizes`` see ``fill``."""
    service = asyncio.run(prepare(file, origins))
    return fill(file, service.keyring, comments, sizes)


def main() -> None:
    """Read the arguments, and make the database."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("comments", type=int)
    parser.add_argument("--sites", type=int, default=1)
    given = parser.parse_args()
    if given.file.exists():
        parser.error(f"{given.file} exists already")
    started = time.monotonic()
    given.file.parent.mkdir(parents=True, exist_ok=True)
    threads = seed(given.file, list_origins(given.sites), given.comments)
    print(f"{given.comments:,} comments in {threads:,} threads, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
