"""Send requests to a server as fast as it answers (with wrk), and measure what they cost."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import Server

SCRIPT: Final = Path(__file__).with_name("load.lua")
NUMBER: Final = "@" * 12  # in a request: becomes another number each time


@dataclass(frozen=True)
class Load:
    """Figures of one run. Compare its times with others only: wrk waits while the server does."""

    rate: float  # requests a second
    p50: float  # milliseconds
    p99: float
    cpu: float  # microseconds of the server's processor time for a request
    size: float  # bytes of an answer with its head
    written: float  # bytes sent to the disk for a request


def require_wrk() -> None:
    """Check that the load generator is installed.

    Raises:
        SystemExit: it is not.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed. Install it with: scripts/debian-packages bench")


def build_request(method: str, path: str, body: object = None, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return a request as it is sent. A body is sent as JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def send_load(server: Server, requests: Sequence[bytes], connections: int, seconds: int) -> Load:
    """Send the requests in turn for some seconds.

    Raises:
        RuntimeError: requests failed, or none was answered: what these cost is not what is measured.
    """
    with tempfile.NamedTemporaryFile() as file:
        for request in requests:
            file.write(b"%d\n%b" % (len(request), request))
        file.flush()
        names = {"BENCH_REQUESTS": file.name, "BENCH_FIRST": str(time.time_ns() // 1000 % 10**11)}
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(SCRIPT)]
        cpu, written = server.cpu_seconds(), server.written_bytes()
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{server.port}"],
            env=os.environ | names,
            check=True,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        answered = found["requests"]
        if found["errors"] or not answered:
            first = requests[0].partition(b"\r\n")[0].decode()
            failed = f"{found['errors']} requests failed, {answered} were answered."
            raise RuntimeError(f"{failed} The first request sent: {first}")
        return Load(
            rate=answered / found["microseconds"] * 1e6,
            p50=found["p50"],
            p99=found["p99"],
            cpu=(server.cpu_seconds() - cpu) / answered * 1e6,
            size=found["bytes"] / answered,
            written=(server.written_bytes() - written) / answered,
        )


def middle(loads: Sequence[Load]) -> Load:
    """Return the median of each figure."""
    return Load(**{name: statistics.median(getattr(load, name) for load in loads) for name in Load.__annotations__})
