"""Measure in groups. Each returns rows for the table of ratios, and prints the figures behind them."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from bench.corpus import LARGE, SMALL, Corpus, Thread
from bench.databases import copy_corpus, copy_seeded, open_folder, read_threads
from bench.lag_requests import create_key
from bench.load import Load, build_request, middle, send_load
from bench.postgres import open_reachable_folder, start_postgres
from bench.scenarios import GZIP, SCENARIOS, list_path, make_posts
from bench.seed_database import list_origins
from bench.servers import Server, start_hello, start_ours

HELLO: Final = [build_request("GET", "/healthz")]
STARTS: Final = 10
SIZES: Final = (10_000, 100_000, 1_000_000)
HEADER: Final = f"{'':24} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8} {'bytes':>8}"

Rows = dict[str, float]
Requests = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True)
class Effort:
    """The number of rounds, their duration, and the requests to measure."""

    rounds: int = 3
    seconds: int = 2
    names: Sequence[str] = field(default_factory=tuple)  # of the scenarios; all if empty

    def wants(self, name: str) -> bool:
        """Tell whether to measure a scenario."""
        return not self.names or name in self.names


def show(name: str, load: Load, more: str = "") -> None:
    """Print a row of figures."""
    figures = f"{load.rate:8.0f} {load.p50:8.2f} {load.p99:8.2f} {load.cpu:8.0f} {load.size:8.0f}"
    print(f"{name:24} {figures} {more}", flush=True)


def measure_corpus(corpus: Corpus, effort: Effort) -> Rows:
    """Measure every scenario beside a constant of a bare aiohttp server, in turn."""
    scenarios = [one for one in SCENARIOS if effort.wants(one.name)]
    loads: dict[str, list[Load]] = {one.name: [] for one in scenarios}
    constants: dict[str, list[Load]] = {one.name: [] for one in scenarios}
    with (
        copy_corpus(corpus) as folder,
        start_ours(folder) as (ours, _),
        open_folder() as empty,
        start_hello(empty) as (hello, _),
    ):
        for _ in range(effort.rounds):
            constant: dict[int, Load] = {}
            for one in scenarios:
                if one.connections not in constant:
                    constant[one.connections] = send_load(hello, HELLO, one.connections, effort.seconds)
                constants[one.name].append(constant[one.connections])
                requests = one.build(corpus, ours)
                loads[one.name].append(send_load(ours, requests, one.connections, effort.seconds))
    print(f"\n{corpus.name}: {len(corpus.threads):,} threads\n{HEADER} of a constant: rate, CPU")
    rows: Rows = {}
    for one in scenarios:
        rows[f"{one.name}.rate"] = _ratio(loads[one.name], constants[one.name], "rate")
        rows[f"{one.name}.cpu"] = _ratio(loads[one.name], constants[one.name], "cpu")
        more = f"{rows[f'{one.name}.rate']:.2f} {rows[f'{one.name}.cpu']:.2f}"
        if one.name.startswith("post"):
            rows[f"{one.name}.kilobytes"] = statistics.median(load.written for load in loads[one.name]) / 1000
            more += f", {rows[f'{one.name}.kilobytes']:.0f} kB written"
        show(one.name, middle(loads[one.name]), more)
    for connections in sorted({one.connections for one in scenarios}):
        found = next(constants[one.name] for one in scenarios if one.connections == connections)
        show(f"constant, c{connections}", middle(found))
    return rows


def measure_start(_effort: Effort) -> Rows:
    """Measure the time from the start of the process to its first answer, and the memory when nothing happens."""
    with copy_corpus(SMALL) as folder, open_folder() as empty:
        with start_ours(folder):
            pass  # creates what only a first start creates
        starts, memory, constants = [], [], []
        for _ in range(STARTS):
            with start_ours(folder) as (server, seconds):
                starts.append(seconds)
                server.wait_until_idle()
                memory.append(server.memory_mb())
            with start_hello(empty) as (_, seconds):
                constants.append(seconds)
    ratio = statistics.median(ours / constant for ours, constant in zip(starts, constants, strict=True))
    print(
        f"\ncold start {statistics.median(starts):.2f} s, a constant {statistics.median(constants):.2f} s: {ratio:.2f}"
    )
    print(f"idle memory {statistics.median(memory):.1f} MB (PSS)")
    return {"cold.ratio": ratio, "idle.megabytes": statistics.median(memory)}


def measure_growth(effort: Effort) -> Rows:
    """Measure what a request costs with a hundred times the comments."""
    loads = {}
    for size in SIZES:
        with copy_seeded(size) as folder, start_ours(folder, SITES=list_origins(1)) as (server, _):
            loads[size] = _measure_all(server, build_growth(server, read_threads(folder, 1)), effort)
    return _compare_loads("growth", loads, {f"{size:,}": size for size in SIZES}, SIZES[0], SIZES[-1])


def build_growth(server: Server, threads: Sequence[Thread]) -> Requests:
    """Return requests of readers, commenters and moderators to a seeded database, by name."""
    authorization = ("Authorization", f"Bearer {create_key(server)}")

    def by_key(path: str) -> list[bytes]:
        return [build_request("GET", path, headers=[authorization, GZIP])]

    def search(**filters: str) -> list[bytes]:
        body = {"status": "any", "limit": 50, **filters}
        return [build_request("POST", "/v1/moderation/search", body, [authorization, GZIP])]

    queue = server.ask("GET", "/v1/moderation/comments?limit=50", headers=dict([authorization])).json()["comments"]
    return {
        **_of_readers(threads),
        "queue": by_key("/v1/moderation/comments?status=pending&limit=50"),
        "time filter": by_key("/v1/moderation/comments?status=any&since=2025-12-01T00:00:00Z&limit=50"),
        "search, frequent word": by_key("/v1/moderation/comments?status=any&q=people&limit=50"),
        "search, unknown word": by_key("/v1/moderation/comments?status=any&q=zzzznothing&limit=50"),
        "search, Chinese": search(q="東京"),
        "search, email": search(email="user0@example.org"),
        "search, network": search(network="127.0.0.0/24"),  # only the comments just posted still have one
        "comment": [request for one in queue for request in by_key(f"/v1/moderation/comments/{one['id']}")],
        "threads": by_key("/v1/threads?limit=50"),
        "threads, text": by_key("/v1/threads?q=number&limit=50"),
    }


def _of_readers(threads: Sequence[Thread]) -> Requests:
    paths = [quote(thread.path, safe="") for thread in threads]
    pages = [paths[at : at + 20] for at in range(0, len(paths) - 19, 20)]
    return {
        "list50": [build_request("GET", list_path(thread)) for thread in threads],
        "counts20": [
            build_request("GET", f"/v1/counts?{'&'.join(f'thread={path}' for path in page)}") for page in pages
        ],
        "post": make_posts([thread.path for thread in threads]),
    }


def measure_sites(effort: Effort) -> Rows:
    """Measure what a request costs with a thousand sites."""
    loads = {}
    for sites in (1, 1000):
        with copy_seeded(100_000, sites) as folder, start_ours(folder, SITES=list_origins(sites)) as (server, _):
            threads = read_threads(folder, sites)
            asks = [("Origin", "https://blog0.example"), ("Access-Control-Request-Method", "GET")]
            preflight = [build_request("OPTIONS", "/v1/comments", headers=asks)]
            known = [
                build_request("GET", path, headers=[("If-None-Match", server.ask("GET", path).headers["ETag"])])
                for path in map(list_path, threads)
            ]
            requests = {**_of_readers(threads), "list50_304": known, "preflight": preflight}
            loads[sites] = _measure_all(server, requests, effort)
    return _compare_loads("sites", loads, {"1": 1, "1,000": 1000}, 1, 1000)


def _measure_all(server: Server, requests: Requests, effort: Effort) -> dict[str, Load]:
    wanted = {name: sent for name, sent in requests.items() if effort.wants(name)}
    found: dict[str, list[Load]] = {name: [] for name in wanted}
    for _ in range(effort.rounds):
        for name, sent in wanted.items():
            found[name].append(send_load(server, sent, 4, effort.seconds))
    return {name: middle(loads) for name, loads in found.items()}


def _compare_loads(
    group: str, loads: Mapping[int, Mapping[str, Load]], labels: Mapping[str, int], less: int, more: int
) -> Rows:
    print(f"\n{group}\n{HEADER} CPU, times the first")
    rows: Rows = {}
    for name in loads[less]:
        for label, at in labels.items():
            show(f"{name}, {label}", loads[at][name], f"{loads[at][name].cpu / loads[less][name].cpu:.2f}")
        rows[f"{name}.cpu"] = loads[more][name].cpu / loads[less][name].cpu
    return rows


def measure_workers(effort: Effort) -> Rows:
    """Measure two processes on one port beside one. The load generator needs a processor too."""
    rows: Rows = {}
    with (
        copy_corpus(SMALL) as first,
        copy_corpus(SMALL) as second,
        start_ours(first) as (one, _),
        start_ours(second, WORKERS="2") as (two, _),
    ):
        two.wait_until_idle()
        rows["two.megabytes"] = two.memory_mb()
        print(f"\nworkers: two take {rows['two.megabytes']:.1f} MB (PSS)\n{HEADER}")
        for scenario in SCENARIOS:
            if scenario.name in {"list50", "post_c16"} and effort.wants(scenario.name):
                requests = scenario.build(SMALL, one)
                alone, both = _measure_pair(one, two, requests, scenario.connections, effort)
                show(f"{scenario.name}, 1", middle(alone))
                show(f"{scenario.name}, 2", middle(both))
                rows[f"{scenario.name}.speedup"] = _ratio(both, alone, "rate")
                rows[f"{scenario.name}.cpu"] = _ratio(both, alone, "cpu")
    return rows


def _measure_pair(
    one: Server, other: Server, requests: Sequence[bytes], connections: int, effort: Effort
) -> tuple[list[Load], list[Load]]:
    """Send the same requests to two servers in turn."""
    loads: tuple[list[Load], list[Load]] = [], []
    for _ in range(effort.rounds):
        for server, found in zip((one, other), loads, strict=True):
            found.append(send_load(server, requests, connections, effort.seconds))
    return loads


def _ratio(loads: Sequence[Load], base: Sequence[Load], figure: str) -> float:
    """Return the median of the ratios of a figure, round by round: noise of a round affects both."""
    ratios = [getattr(a, figure) / getattr(b, figure) for a, b in zip(loads, base, strict=True)]
    return float(statistics.median(ratios))


def measure_postgres(effort: Effort) -> Rows:
    """Measure posting to PostgreSQL beside SQLite, on the same disk."""
    posts = make_posts([f"/posts/{number}" for number in range(200)])
    rows: Rows = {}
    with (
        open_reachable_folder() as folder,
        start_postgres(folder) as url,
        start_ours(folder) as (sqlite, _),
        _start_on(url) as postgres,
    ):
        print(f"\nPostgreSQL\n{HEADER}")
        for connections in (1, 16, 64):
            on_file, on_server = _measure_pair(sqlite, postgres, posts, connections, effort)
            show(f"SQLite, c{connections}", middle(on_file))
            show(f"PostgreSQL, c{connections}", middle(on_server))
            rows[f"post_c{connections}.rate"] = _ratio(on_server, on_file, "rate")
    return rows


@contextmanager
def _start_on(url: str) -> Iterator[Server]:
    with open_folder() as folder:
        secret = "a-secret-for-measuring-that-is-long-enough"  # noqa: S105 -- protects nothing
        with start_ours(folder, DATABASE_URL=url, SECRET_KEY=secret) as (server, _):
            yield server


GROUPS: Final[Mapping[str, Callable[[Effort], Rows]]] = {
    "start": measure_start,
    "small": lambda effort: measure_corpus(SMALL, effort),
    "large": lambda effort: measure_corpus(LARGE, effort),
    "sites": measure_sites,
    "growth": measure_growth,
    "workers": measure_workers,
    "postgres": measure_postgres,
}
