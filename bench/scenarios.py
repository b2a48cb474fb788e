"""The requests that are measured: what readers, their browsers and commenters send to a blog of some size."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from bench.corpus import Corpus, Thread, write_comment
from bench.load import NUMBER, build_request
from bench.servers import Server

GZIP: Final = ("Accept-Encoding", "gzip")
TEXTS: Final = 256  # different comments, each made unique by a number
READS_PER_WRITE: Final = 19


@dataclass(frozen=True)
class Scenario:
    """Requests sent in turn over a number of connections."""

    name: str
    connections: int
    build: Callable[[Corpus, Server], list[bytes]]


def list_path(thread: Thread, more: str = "&limit=50") -> str:
    """Return the path of a list of comments."""
    return f"/v1/comments?thread={quote(thread.path, safe='')}&view=flat{more}"


def build_lists(corpus: Corpus, _server: Server) -> list[bytes]:
    """Return the first pages of threads with 50 comments."""
    return [build_request("GET", list_path(thread)) for thread in corpus.of_size(50)]


def build_gzip(corpus: Corpus, _server: Server) -> list[bytes]:
    """Return the same for browsers."""
    return [build_request("GET", list_path(thread), headers=[GZIP]) for thread in corpus.of_size(50)]


def build_known(corpus: Corpus, server: Server) -> list[bytes]:
    """Return the same for browsers that have the answer."""
    found = []
    for thread in corpus.of_size(50):
        tag = server.ask("GET", list_path(thread)).headers["ETag"]
        found.append(build_request("GET", list_path(thread), headers=[("If-None-Match", tag)]))
    return found


def build_long_lists(corpus: Corpus, _server: Server) -> list[bytes]:
    """Return whole threads with 1,000 comments."""
    return [build_request("GET", list_path(thread, "&limit=1000")) for thread in corpus.of_size(1000)]


def build_counts(corpus: Corpus, _server: Server) -> list[bytes]:
    """Return the numbers of comments that the front page of a blog shows: 20 threads at once."""
    paths = [quote(thread.path, safe="") for thread in corpus.threads]
    pages = [paths[at : at + 20] for at in range(0, len(paths) - 19, 20)]
    return [build_request("GET", f"/v1/counts?{'&'.join(f'thread={path}' for path in page)}") for page in pages]


def on_each(path: str) -> Callable[[Corpus, Server], list[bytes]]:
    """Return a builder of requests for each thread with 50 comments. ``{}`` in the path becomes the thread."""

    def build(corpus: Corpus, _server: Server) -> list[bytes]:
        threads = [quote(thread.path, safe="") for thread in corpus.of_size(50)]
        return [build_request("GET", path.format(thread), headers=[GZIP]) for thread in threads]

    return build


def build_posts(corpus: Corpus, _server: Server) -> list[bytes]:
    """Return new comments for the threads that no other request reads."""
    return make_posts([thread.path for thread in corpus.others()])


def make_posts(paths: Sequence[str], number: int = TEXTS) -> list[bytes]:
    """Return comments for these threads. Their texts have a number that changes each time."""
    rng = random.Random(11)  # noqa: S311 -- the same each time
    fields = [write_comment(rng, paths[at % len(paths)]) for at in range(number)]
    return [build_request("POST", "/v1/comments", one | {"comment": f"{one['comment']} {NUMBER}"}) for one in fields]


def build_mixed(corpus: Corpus, server: Server) -> list[bytes]:
    """Return 95 % lists and 5 % comments, to the same threads."""
    paths = [thread.path for thread in corpus.of_size(50)]
    reads, mixed = build_lists(corpus, server), list[bytes]()
    for at, post in enumerate(make_posts(paths)):
        mixed += [reads[(at * READS_PER_WRITE + step) % len(reads)] for step in range(READS_PER_WRITE)]
        mixed.append(post)
    return mixed


# The numbers of connections change least often, so that each is compared with a constant of the same minute.
SCENARIOS: Final = (
    Scenario("list50_c1", 1, build_lists),
    Scenario("post_c1", 1, build_posts),
    Scenario("list1000", 4, build_long_lists),
    Scenario("list50", 16, build_lists),
    Scenario("list50_gzip", 16, build_gzip),
    Scenario("list50_304", 16, build_known),
    Scenario("counts20", 16, build_counts),
    Scenario("fragment50", 16, on_each("/v1/comments.html?thread={}")),
    Scenario("page50", 16, on_each("/t?thread={}")),
    Scenario("feed", 16, on_each("/v1/comments.atom?thread={}")),
    Scenario("latest", 16, on_each("/v1/latest")),
    Scenario("post_c16", 16, build_posts),
    Scenario("mixed", 16, build_mixed),
    Scenario("post_c64", 64, build_posts),
)
