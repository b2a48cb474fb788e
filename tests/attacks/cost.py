"""Fifty hostile clients ask for what costs most: readers still get quick answers.

``--number`` is the number of seconds for each kind of request, from one network and from fifty.
"""

import asyncio
import json
import multiprocessing
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from random import Random

from tests.attacks.clients import LONG, ORIGIN, PAGES, Reader, Target, describe, harass, percentile, target
from tests.attacks.command import Figures, run

CLIENTS = 50
MOST_MS = 250
EACH = 40  # different requests of a client
FORM = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Mode: navigate"
JSON = "Content-Type: application/json"
HEAVY = "".join(f"**a{n}** [b](https://x.example/{n}) `c` > d\n\n* e\n" for n in range(230))[:9900]

Kind = Callable[[Random], tuple[str, str, bytes]]  # first line, headers, body


def get(path: str, headers: str = "") -> tuple[str, str, bytes]:
    return f"GET {path}", headers, b""


def random_id(rng: Random) -> str:
    return f"{rng.getrandbits(32):08x}-0000-7000-8000-{rng.getrandbits(48):012x}"


def random_time(rng: Random) -> str:
    return f"2020-01-01T00:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z"


KINDS: dict[str, Kind] = {
    "previews": lambda rng: ("POST /v1/preview", JSON, json.dumps({"comment": f"{rng.random()}{HEAVY}"}).encode()),
    "thread pages, random reply_to": lambda rng: get(f"/t?{LONG}&reply_to={random_id(rng)}"),
    "lists, random since": lambda rng: get(f"/v1/comments?{LONG}&limit=1000&since={random_time(rng)}"),
    "lists, random token": lambda rng: get(f"/v1/comments?{LONG}&limit=1000", f"Authorization: Bearer {rng.random()}"),
    "lists, random origins": lambda rng: get(f"/v1/comments?{LONG}", f"Origin: https://{rng.random()}.example"),
    "lists, languages": lambda rng: get(f"/v1/comments.html?{LONG}&known={rng.random()}", "Accept-Language: de"),
    "fragments, known": lambda rng: get(f"/v1/comments.html?{LONG}&limit=1000&known={rng.randrange(10**6)}"),
    "counts of 200 pages": lambda rng: (
        "POST /v1/counts",
        FORM,
        "&".join(f"thread={ORIGIN}/{random_id(rng)}/%3Fa={'x' * 180}" for _ in range(200)).encode(),
    ),
    "feed of a site": lambda rng: get(f"/v1/latest.atom?limit={rng.randrange(100, 200)}&lang=x{rng.random()}"),
    "feed of a thread": lambda rng: get(f"/v1/comments.atom?{LONG}&limit={rng.randrange(100, 200)}"),
    "refused forms": lambda rng: ("POST /v1/comments", FORM, f"{LONG}&name={rng.random()}&comment=".encode()),
    "forms for unknown addresses": lambda rng: ("POST /nowhere", FORM, f"comment={rng.random()}{HEAVY * 5}".encode()),
    "forms of a megabyte": lambda rng: ("POST /v1/comments", FORM, f"{rng.random()}={'+a%20' * 190_000}".encode()),
    "searches without a session": lambda rng: ("POST /moderate/search", FORM, f"q={rng.random()}{HEAVY}".encode()),
    "demo page": lambda _: get("/"),
    "documents": lambda _: get("/docs"),
    "comments one by one": lambda rng: get(f"/v1/comments/{random_id(rng)}"),
    "forms to fill in": lambda _: get("/v1/form"),
}


def requests_of(kind: Kind, place: int, networks: int) -> Iterator[list[bytes]]:
    """Yield the requests of each client. All have one network, or each its own."""
    for client in range(CLIENTS):
        rng = Random(client)  # noqa: S311 -- the same each time
        address = f"203.{place}.{client if networks > 1 else 0}.{client + 1}"
        yield [_write(*kind(rng), address) for _ in range(EACH if kind is not KINDS["forms of a megabyte"] else 2)]


def _write(line: str, headers: str, body: bytes, address: str) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    more = f"{headers}\r\n" if headers else ""
    head = f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: {address}\r\n{length}{more}\r\n"
    return head.encode() + body


async def attack(number: int, kinds: Collection[str] = KINDS) -> Figures:
    """Attack a service for so many seconds with each kind of request; return what readers waited, and what broke."""
    spawn = multiprocessing.get_context("spawn")
    with target(300) as service, ProcessPoolExecutor(1, mp_context=spawn) as hostile:
        figures: dict[str, object] = {}
        worst, broken = 0.0, list[str]()
        for networks in (1, CLIENTS):
            for place, name in enumerate(kinds, 1 if networks == 1 else 100):
                where = (place, networks)
                reader, statuses = await asyncio.to_thread(_attack, service, hostile, KINDS[name], where, number)
                every = [wait for waits in reader.waits.values() for wait in waits]
                figures[f"{name}, {networks} network(s)"] = (
                    f"{describe(every)}; new p99 {percentile(reader.waits.get('new', [0]), 0.99):.0f}; {dict(statuses)}"
                )
                worst = max(worst, percentile(every, 0.99))
                broken += [f"{name}: readers got {dict(reader.refused)}"] if reader.refused else []
                failed = any(500 <= status != 503 for status in statuses) or not any(statuses)
                broken += [f"{name}: {dict(statuses)}"] if failed else []
        figures |= {"worst p99": f"{worst:.0f} ms", "errors in the log": len(service.errors()), "broken": broken}
        return figures | {"peak memory": f"{service.peak_mib()} MiB"}


def _attack(service: Target, hostile: ProcessPoolExecutor, kind: Kind, where: tuple[int, int], seconds: int):
    reader = Reader(service.port, PAGES)
    requests = list(requests_of(kind, *where))
    with reader.reading():
        return reader, hostile.submit(harass, service.port, requests, seconds).result()


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return (
        float(str(figures["worst p99"]).split()[0]) > MOST_MS
        or bool(figures["broken"])
        or bool(figures["errors in the log"])
    )


if __name__ == "__main__":
    run(attack, number=8, is_broken=is_broken)
