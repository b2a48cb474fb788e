"""The threads of blogs, by size, and comments to post: the same in each run."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final

FREQUENT: Final = (
    "time year people way day thing world life school state family group country problem hand part place case week "
    "company system question work number night point home water room mother area money story month right study book "
    "eye job word issue side kind head house service friend father power hour game line end member law car city name "
    "team minute idea body back parent face others level office door health art war party result change morning "
    "reason research moment air teacher education"
)
WORDS: Final = FREQUENT.split()
LENGTH: Final = 300  # characters of an average comment
REPLIES: Final = 0.6
AT_ONCE: Final = 16  # connections that post


@dataclass(frozen=True)
class Thread:
    """A thread of the corpus."""

    path: str
    comments: int


@dataclass(frozen=True)
class Corpus:
    """The threads of a blog, by size."""

    name: str
    threads: Sequence[Thread]

    def of_size(self, comments: int) -> list[Thread]:
        """Return the threads with exactly this number of comments."""
        return [thread for thread in self.threads if thread.comments == comments]

    def others(self) -> list[Thread]:
        """Return the threads that are not measured by their size: comments may be added to them."""
        return [thread for thread in self.threads if thread.comments not in {50, 1000}]


def make_corpus(name: str, threads: int, comments: int) -> Corpus:
    """Return a blog: 4 % of the threads have 1,000 comments, 10 % exactly 50, 10 % 200 to 400, the others few."""
    rng = random.Random(7)  # noqa: S311 -- the same each time
    sizes = [1000] * (threads * 4 // 100) + [50] * (threads // 10)
    sizes += [rng.randint(200, 400) for _ in range(threads // 10)]
    few, left = threads - len(sizes), comments - sum(sizes)
    sizes += [max(1, left // few - (left // few == 50)) for _ in range(few)]
    rng.shuffle(sizes)
    return Corpus(name, [Thread(f"/posts/{number}", size) for number, size in enumerate(sizes)])


SMALL: Final = make_corpus("small", 60, 5_000)
LARGE: Final = make_corpus("large", 1_000, 100_000)


def write_text(rng: random.Random) -> str:
    """Return the text of a comment, with some Markdown."""
    words: list[str] = []
    length, wanted = 0, rng.gauss(LENGTH, 40)
    while length < wanted:
        word = rng.choice(WORDS)
        kind = rng.random()
        if kind < 0.02:
            word = f"*{word}*"
        elif kind < 0.03:
            word = f"[{word}](https://example.org/{word})"
        elif kind < 0.05:
            word += ".\n\nThen"
        words.append(word)
        length += len(word) + 1
    return " ".join(words) + "."


def write_comment(rng: random.Random, thread: str, parent: str | None = None) -> dict[str, str]:
    """Return the fields of a comment."""
    author = rng.randint(1, 5_000)
    fields = {
        "thread": thread,
        "name": f"User {author}",
        "email": f"user{author}@example.org",
        "comment": write_text(rng),
    }
    return fields | ({"parent": parent} if parent else {})


def post_corpus(corpus: Corpus, port: int, headers: dict[str, str]) -> None:
    """Post every comment of a corpus to the service on a port."""
    waiting, lock = iter(corpus.threads), threading.Lock()

    def post_threads() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for thread in _take(waiting, lock):
            _post_thread(connection, thread, headers)
        connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(post_threads) for _ in range(AT_ONCE)]:
            done.result()


def _take(threads: Iterator[Thread], lock: threading.Lock) -> Iterator[Thread]:
    while True:
        with lock:
            thread = next(threads, None)
        if thread is None:
            return
        yield thread


def _post_thread(connection: HTTPConnection, thread: Thread, headers: dict[str, str]) -> None:
    rng, ids = random.Random(thread.path), list[str]()  # noqa: S311 -- the same each time
    for _ in range(thread.comments):
        # Most replies are to recent comments.
        back = min(int(rng.expovariate(1 / 6)), max(len(ids) - 1, 0))
        parent = ids[-1 - back] if ids and rng.random() < REPLIES else None
        body = json.dumps(write_comment(rng, thread.path, parent))
        connection.request("POST", "/v1/comments", body, {"Content-Type": "application/json"} | headers)
        response = connection.getresponse()
        found = json.loads(response.read())
        if response.status not in {201, 202}:
            raise RuntimeError(f"{thread.path}: {response.status} {found}")
        ids.append(found["id"])
