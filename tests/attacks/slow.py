"""Open many slow connections: they are closed in time, memory is bounded, and readers still get quick answers.

``--number`` is the number of connections. A quarter each says nothing, sends its header byte by byte, sends a request
and half of the next one, and sends its body byte by byte. Later a hundred clients do not read their answers.
"""

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

from commentsvc.web.server.connection_limits import raise_file_limit
from tests.attacks.clients import LONG, PAGES, Reader, Target, describe, percentile, target
from tests.attacks.command import Figures, run

T = TypeVar("T")

LIMITS = {
    "longest open": 15.0,  # the limit of ten, a look each second, what the system still sends, and a busy computer
    "worst p99": 250,  # milliseconds
    "peak memory in MiB": 250,
    "kinds never opened": 0,
    "refused readers": 0,
    "errors in the log": 0,
}
DRIP_SECONDS = 3.0
GIVE_UP_SECONDS = 30.0
UNREAD = 100
HEADER = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
KINDS = {
    "says nothing": b"",
    "sends a header slowly": HEADER,
    "sends its second header slowly": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + HEADER,
    "sends a body slowly": b"POST /v1/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 9000\r\n\r\n{",
}
# A page that is filled in for each reader, so that each needs memory of its own.
PAGE = f"GET /t?{LONG} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
UPLOAD = b"POST /v1/rules HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"


def hold_connections(port: int, number: int) -> dict[str, float]:
    """Open connections, and return how long the last one of each kind stayed open, in seconds."""
    raise_file_limit(number + 1000)
    return asyncio.run(_hold_connections(port, number))


async def _hold_connections(port: int, number: int) -> dict[str, float]:
    last = dict.fromkeys(KINDS, 0.0)

    async def hold(kind: str) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        started = time.monotonic()
        writer.write(KINDS[kind])
        end = asyncio.create_task(reader.read())
        while not end.done() and time.monotonic() - started < GIVE_UP_SECONDS:
            await asyncio.wait([end], timeout=DRIP_SECONDS)
            if kind != "says nothing" and not end.done():
                writer.write(b"a")
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)
        writer.close()
        last[kind] = max(last[kind], time.monotonic() - started)

    async with asyncio.TaskGroup() as tasks:
        for place in range(number):
            tasks.create_task(hold(list(KINDS)[place % len(KINDS)]))
            if place % 100 == 0:
                await asyncio.sleep(0.01)
    return last


def leave_unread(port: int, number: int) -> float:
    """Ask for long answers without reading them. Return how long the last connection stayed open, in seconds."""
    clients = []
    started = time.monotonic()
    for _ in range(number):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(PAGE * 4)
        clients.append(client)
    open_ = set(clients)
    while open_ and time.monotonic() - started < GIVE_UP_SECONDS:
        time.sleep(0.5)
        open_ = {one for one in open_ if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) and _is_open(one)}
    return time.monotonic() - started


def _is_open(client: socket.socket) -> bool:
    state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == 1  # TCP_ESTABLISHED


def upload_without_key(port: int, number: int) -> float:
    """Send two megabytes each to a route that needs a key. Return how long it took, in seconds."""
    started, clients = time.monotonic(), [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]
    for client in clients:
        client.sendall(UPLOAD)
    for client in clients:
        client.settimeout(1)
        try:
            client.sendall(b"a" * 2_000_000)
        except OSError:
            continue
    return time.monotonic() - started


async def attack(number: int) -> Figures:
    """Open so many slow connections; return what they and the readers got."""
    spawn = multiprocessing.get_context("spawn")
    with target(100, 8000) as service, ProcessPoolExecutor(1, mp_context=spawn) as hostile:
        before = service.peak_mib()

        async def during(work: Callable[[int, int], T], count: int) -> tuple[Reader, T]:
            return await asyncio.to_thread(_read_during, service, hostile.submit(work, service.port, count))

        reader, last = await during(hold_connections, number)
        slow_peak = service.peak_mib()
        seconds = await asyncio.to_thread(hostile.submit(upload_without_key, service.port, 150).result)
        uploaded_peak = service.peak_mib()
        unreading, unread = await during(leave_unread, UNREAD)
        readers = {"slow": reader, "unread": unreading}
        waits = {name: [wait for waits in one.waits.values() for wait in waits] for name, one in readers.items()}
        return {f"open: {kind}": f"{longest:.1f} s" for kind, longest in last.items()} | {
            "open: does not read": f"{unread:.1f} s",
            "kinds never opened": sum(not longest for longest in last.values()),
            "uploads without a key": f"{seconds:.1f} s",
            "longest open": max(*last.values(), unread),
            **{f"readers, {name}": describe(one) for name, one in waits.items()},
            "worst p99": max(percentile(one, 0.99) for one in waits.values()),
            "refused readers": sum(sum(one.refused.values()) for one in readers.values()),
            "memory": f"{before} MiB, slow {slow_peak}, uploads {uploaded_peak}, unread {service.peak_mib()}",
            "peak memory in MiB": service.peak_mib(),
            "errors in the log": len(service.errors()),
        }


def _read_during(service: Target, work: "Future[T]") -> tuple[Reader, T]:
    reader = Reader(service.port, PAGES)
    with reader.reading():
        return reader, work.result()


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return any(float(str(figures[name])) > most for name, most in LIMITS.items())


if __name__ == "__main__":
    run(attack, number=10_000, is_broken=is_broken)
