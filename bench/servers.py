"""Start servers on loopback, and read what their processes use."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
BLOG: Final = "https://blog.example"
SETTINGS: Final = {
    "SITES": BLOG,
    "MODERATION": "none",
    "RATE_LIMIT": "off",
    "FORM_SECONDS": "off",
}
START_SECONDS: Final = 60
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Answer:
    """An answer to a request, and the moments (of ``time.perf_counter``) when it was asked and complete."""

    status: int
    headers: HTTPMessage  # names in any case
    body: bytes
    asked: float
    complete: float

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass
class Server:
    """A process that serves HTTP, and its children."""

    process: subprocess.Popen[str]
    port: int
    output: Path

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request on a connection of its own. A body that is not bytes is sent as JSON."""
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        asked = time.perf_counter()
        connection.request(method, path, body, given)
        response = connection.getresponse()
        found = response.read()
        complete = time.perf_counter()
        connection.close()
        return Answer(response.status, response.headers, found, asked, complete)

    def processes(self) -> list[int]:
        """Return the ids of the process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """Return the processor time that the processes have used."""
        total = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def wait_until_idle(self) -> None:
        """Wait until the processes use no processor."""
        before = -1.0
        while before != (before := self.cpu_seconds()):
            time.sleep(0.5)

    def memory_mb(self) -> float:
        """Return the memory of the processes; what they share counts once (PSS)."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.processes()]
        kilobytes = [line.split()[1] for text in rollups for line in text.splitlines() if line.startswith("Pss:")]
        return sum(map(int, kilobytes)) / 1024

    def written_bytes(self) -> int:
        """Return the bytes that the processes have sent to the disk."""
        texts = [Path(f"/proc/{pid}/io").read_text() for pid in self.processes()]
        lines = [line for text in texts for line in text.splitlines() if line.startswith("write_bytes: ")]
        return sum(int(line.split()[1]) for line in lines)


@contextmanager
def start_ours(
    folder: Path, module: Sequence[str] = ("commentsvc", "serve"), **settings: str
) -> Iterator[tuple[Server, float]]:
    """Start our service with its data in a folder; yield it, and the seconds until it answered."""
    port = find_port()
    ours = SETTINGS | {"DATABASE_URL": f"sqlite:///{folder / 'comments.db'}", "PORT": str(port)} | settings
    environment = {f"COMMENTSVC_{name}": value for name, value in ours.items()}
    with _start([sys.executable, "-m", *module], folder, port, environment) as started:
        yield started


@contextmanager
def start_hello(folder: Path) -> Iterator[tuple[Server, float]]:
    """Start a bare aiohttp server that answers a constant."""
    port = find_port()
    with _start([sys.executable, "-m", "bench.hello", str(port)], folder, port, {}) as started:
        yield started


def find_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _start(command: list[str], folder: Path, port: int, environment: dict[str, str]) -> Iterator[tuple[Server, float]]:
    output = folder / "output"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COMMENTSVC_")}
    began = time.perf_counter()
    with (
        output.open("w", encoding="utf-8") as written,
        (folder / "log").open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=written,
            stderr=log,
            text=True,
        ) as process,
    ):
        server = Server(process, port, output)
        try:
            _wait_for(server, began)
            yield server, time.perf_counter() - began
        finally:
            process.terminate()


def _wait_for(server: Server, began: float) -> None:
    while True:
        if server.process.poll() is not None:
            log = (server.output.parent / "log").read_text(encoding="utf-8")
            raise RuntimeError(f"The server ended:\n{log}")
        try:
            if server.ask("GET", "/healthz").status == 200:
                return
        except OSError:
            if time.perf_counter() - began > START_SECONDS:
                raise
        time.sleep(0.002)
