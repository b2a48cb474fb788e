"""Servers that share one PostgreSQL database, nginx before them as docs/scaling.md configures it, and load on them."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import asyncpg

from commentsvc.config import PREFIX
from tests.conftest import SECRET, fields_of
from tests.proxies import NGINX_HEAD, documented, free_port, started

ROOT = Path(__file__).parent.parent
NGINX = NGINX_HEAD + "{documented}\n}}\n"
DOCUMENTED_SERVERS = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"]
SETTINGS = {
    "SECRET_KEY": SECRET,
    "MODERATION": "none",
    "RATE_LIMIT": "off",
    "FORM_SECONDS": "off",
    "ACCESS_LOG": "off",
    "TRUSTED_PROXIES": "127.0.0.1",
}
PAUSE = 0.05  # seconds before a client repeats a request


class Server:
    """A server on a port of its own. It can be killed, stopped and started again on the same port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"log-{self.port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        ours = {f"{PREFIX}{name}": value for name, value in (SETTINGS | settings | {"PORT": str(self.port)}).items()}
        self._environment = clean | {"PYTHONPATH": str(ROOT)} | ours
        self._folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> "Server":
        """Start; ``await_start`` returns when it serves."""
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "commentsvc", "serve"],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    async def await_start(self) -> None:
        """Return when the server accepts connections."""
        line = await asyncio.to_thread(self.process.stdout.readline)
        assert line.startswith("commentsvc is running at "), self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self.process.kill()
        self.close()

    async def stop(self) -> None:
        """Stop the server as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.process.wait, 30) == 0
        self.close()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


@asynccontextmanager
async def servers(folder: Path, number: int, **settings: str):
    """Run servers with these settings."""
    with ExitStack() as stack:
        found = [Server(folder, **settings) for _ in range(number)]
        for server in found:
            stack.callback(server.close)
            server.start()
        for server in found:
            await server.await_start()
        yield found


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """Run nginx as documented, before servers on these ports; yield its address."""
    port = free_port()
    configuration = documented("nginx", "scaling.md")
    changes = {place: f"127.0.0.1:{port}" for place, port in zip(DOCUMENTED_SERVERS, ports, strict=True)}
    changes |= {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/comments.crt": str(folder / "certificate"),
        "/etc/ssl/private/comments.key": str(folder / "key"),
    }
    for place, ours in changes.items():
        assert configuration.count(place) == 1, place
        configuration = configuration.replace(place, ours)
    with started("nginx", folder, NGINX.format(folder=folder, documented=configuration)):
        yield f"https://127.0.0.1:{port}"


class ReplicaLoad:
    """Clients that post and read until the block ends, and the fate of their requests."""

    def __init__(self, *urls: str) -> None:
        # The id of the comment and the time in seconds since 1970, by submission.
        self.acknowledged: dict[str, tuple[str, float]] = {}
        self.failures: dict[str, Counter] = defaultdict(Counter)  # client -> status, or kind of error
        self.refusals: set[str] = set()  # the bodies of failed requests
        self.reads = 0
        self._urls = itertools.cycle(urls)
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def run(self, *, keyed: int = 0, plain: int = 0, readers: int = 0):
        """Run clients. Those that are ``keyed`` send an ``Idempotency-Key``, the ``plain`` ones a field as forms do."""
        trusting = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=trusting, timeout=aiohttp.ClientTimeout(60)) as http:
            clients = [self._write(http, f"keyed-{number}", with_header=True) for number in range(keyed)]
            clients += [self._write(http, f"plain-{number}", with_header=False) for number in range(plain)]
            clients += [self._read(http, f"reader-{number}") for number in range(readers)]
            running = [asyncio.create_task(client) for client in clients]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def await_more(self, number: int) -> None:
        """Return when so many more comments are acknowledged."""
        enough = len(self.acknowledged) + number
        while len(self.acknowledged) < enough:
            self._changed.clear()
            await self._changed.wait()

    def failed(self, kind: str) -> dict[str, Counter]:
        """Return the failures of one kind of clients."""
        return {client: found for client, found in self.failures.items() if client.startswith(kind)}

    async def _write(self, http, who, *, with_header):
        """Post comments, one after the other. Each is sent until it is acknowledged, with the same submission id."""
        url = f"{next(self._urls)}/v1/comments"
        for number in itertools.count():
            submission = f"{who}-{number}"
            body = fields_of(thread=f"/{who}/", comment=f"From {submission}.")
            headers = {"Idempotency-Key": submission} if with_header else {}
            body |= {} if with_header else {"submission": submission}
            while submission not in self.acknowledged:
                answer = await self._send(who, http.post(url, json=body, headers=headers), 201)
                if answer is None:
                    await asyncio.sleep(PAUSE)
                else:
                    self.acknowledged[submission] = (json.loads(answer)["id"], time.time())
                    self._changed.set()

    async def _read(self, http, who):
        url = next(self._urls)
        for path in itertools.cycle(("/v1/comments?thread=/keyed-0/", "/v1/counts?thread=/keyed-0/")):
            if await self._send(who, http.get(f"{url}{path}"), 200) is None:
                await asyncio.sleep(PAUSE)
            else:
                self.reads += 1

    async def _send(self, who, request, expected) -> str | None:
        try:
            async with request as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures[who][type(error).__name__] += 1
            return None
        if response.status == expected:
            return text
        self.failures[who][response.status] += 1
        self.refusals.add(text)
        return None


async def read_stored(url: str) -> dict[str, list[str]]:
    """Return the ids of the stored comments by the submission in their text."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT id, text FROM comment")
    finally:
        await connection.close()
    found = defaultdict(list)
    for row in rows:
        found[row["text"].removeprefix("From ").removesuffix(".")].append(row["id"])
    return found


def lost(load: ReplicaLoad, stored: dict[str, list[str]]) -> set[str]:
    """Return the acknowledged submissions that are not stored under the id that was acknowledged."""
    return {name for name, (comment, _) in load.acknowledged.items() if comment not in stored[name]}


def doubled(stored: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the submissions that are stored more than once."""
    return {name: ids for name, ids in stored.items() if len(ids) > 1}
