"""A real service, hostile clients in another process, and an honest reader who measures their waits."""

import asyncio
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from tests.conftest import fields_of
from tests.operations.test_operating import port_of, serving

ORIGIN = "https://blog.example"
HONEST = "192.0.2.9"
LONG = f"thread={ORIGIN}/long/"
PAGES: dict[str, Callable[[int], str]] = {
    "known": lambda _: f"/v1/comments?{LONG}",
    "new": lambda number: f"/v1/comments?{LONG}&limit={2 + number % 48}&since=2021-01-01T00:00:{number % 60:02}Z",
    "page": lambda number: f"/t?{LONG}&lang=de" if number % 2 else f"/t?{LONG}",
    "count": lambda number: f"/v1/counts?{LONG}&thread=/new{number}/",
    "feed": lambda _: "/v1/latest.atom",
}
# Comments can be posted as fast as possible, but the budget of work of networks holds.
SETTINGS = {
    "RATE_LIMIT": "9999/100",
    "FORM_SECONDS": "off",
    "MODERATION": "none",
    "SITES": ORIGIN,
    "TRUSTED_PROXIES": "127.0.0.0/8",
}


@dataclass
class Target:
    """A service that runs, with one long thread."""

    port: int
    pid: int
    folder: Path

    def peak_mib(self) -> int:
        """Return the most memory that the process has used, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    def errors(self) -> list[str]:
        """Return the lines of the log that are errors."""
        return [line for line in (self.folder / "log").read_text(encoding="utf-8").splitlines() if " error " in line]

    def fill(self, comments: int, length: int) -> None:
        """Post comments to one thread."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self._post(number, length), range(comments)))

    def _post(self, number: int, length: int) -> None:
        text = f"Number {number}. " + "Some *words* and a [link](https://a.example/). " * (length // 50)
        body = json.dumps(fields_of(comment=text, thread=f"{ORIGIN}/long/", name=f"Mia {number}"))
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", "/v1/comments", body, {"Content-Type": "application/json"})
            assert connection.getresponse().status == http.HTTPStatus.CREATED


@contextmanager
def target(comments: int, length: int = 500, **settings: str) -> Iterator[Target]:
    """Start a service with a thread of so many comments."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), **(SETTINGS | settings)) as (process, printed):
        found = Target(port_of(printed), process.pid, Path(name))
        found.fill(comments, length)
        yield found


@dataclass
class Reader:
    """An honest reader, who asks for one page after the other. ``waits`` are in milliseconds, by name of the page."""

    port: int
    pages: dict[str, Callable[[int], str]]
    waits: dict[str, list[float]] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    stopping: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Read until stopped."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            for number, name in enumerate(cycle(self.pages)):
                started = time.perf_counter()
                connection.request("GET", self.pages[name](number), headers={"X-Forwarded-For": HONEST})
                response = connection.getresponse()
                response.read()
                self.waits.setdefault(name, []).append((time.perf_counter() - started) * 1000)
                if response.status != http.HTTPStatus.OK:
                    self.refused[response.status] += 1
                if self.stopping.wait(0.02):
                    return

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in a thread during the block."""
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self.read)
            try:
                yield
            finally:
                self.stopping.set()
                reading.result()


def percentile(waits: Sequence[float], share: float) -> float:
    """Return the wait that this share of the waits does not exceed."""
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0


def describe(waits: Sequence[float]) -> str:
    """Return the median and p99 of waits, and their number."""
    return f"p50 {statistics.median(waits):.0f}, p99 {percentile(waits, 0.99):.0f} ms of {len(waits)}"


def harass(port: int, requests: Sequence[Sequence[bytes]], seconds: float) -> Counter[int]:
    """Send requests without a pause, each client its own, one after the other. Return the numbers of statuses."""
    return asyncio.run(_harass(port, requests, time.monotonic() + seconds))


async def _harass(port: int, requests: Sequence[Sequence[bytes]], end: float) -> Counter[int]:
    statuses: Counter[int] = Counter()
    await asyncio.gather(*(_send_until(port, own, end, statuses) for own in requests))
    return statuses


async def _send_until(port: int, requests: Sequence[bytes], end: float, statuses: Counter[int]) -> None:
    for request in cycle(requests):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                async with asyncio.timeout(max(0.1, end - time.monotonic())):
                    statuses[int((await reader.readline()).split()[1])] += 1
                    while await reader.read(1 << 20):
                        pass
            finally:
                writer.close()
        except (OSError, IndexError):
            statuses[0] += 1
        if time.monotonic() >= end:
            return
