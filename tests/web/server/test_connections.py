"""Clients that are slow, greedy or gone cost the service little, and nobody else anything."""

import asyncio
import json
import logging
import resource
import select
import socket
import struct
from contextlib import ExitStack

import pytest

from commentsvc.config.settings import Config
from commentsvc.web.server import answer_cache, body, connection_limits
from commentsvc.web.server.connections import Connection, Deadlines
from tests.conftest import fields_of
from tests.web.test_parsing import exchange, parse_answer

PATIENT = {"header": 60, "unread": 60, "linger": 0.05, "sweep": 0.02, "drain": 0, "last": 0, "finish": 2}
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/comments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Mode: navigate\r\n"


def deadlines(**changed):
    return Deadlines(**(PATIENT | changed))


def address_of(url):
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


@pytest.fixture
def connected():
    """Return a function that connects a client to a service. All are closed at the end."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(socket.create_connection(address_of(url)))


async def is_closed(client, event=select.POLLRDHUP):
    """Wait until the service closes a connection, whether or not there is something to read."""
    poll = select.poll()
    poll.register(client, event)
    return await asyncio.to_thread(poll.poll, 20_000) != []


@pytest.fixture
def counted(monkeypatch):
    """Let connections of this computer count like those of others."""
    monkeypatch.setattr("commentsvc.domain.networks.is_loopback", lambda _: False)


@pytest.mark.parametrize("end", [b"\r\n", b""])
@pytest.mark.parametrize("field", [b"X: " + b"a" * 8200, (b"X: " + b"a" * 1000 + b"\r\n") * 36 + b"Y: b"])
async def test_a_client_with_a_large_header_is_told_so(live, field, end):
    url, _ = await live(deadlines())
    status, _, answer = parse_answer(await exchange(url, b"GET / HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n" + end))
    assert (status, json.loads(answer)["code"]) == (431, "header_too_large")


async def test_a_client_cannot_hide_a_large_header_behind_other_requests(live):
    url, _ = await live(deadlines())
    large = GET.replace(b"\r\n\r\n", b"\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5 + b"\r\n")
    answers = await exchange(url, GET * 40 + large)
    assert (answers.count(b" 200 OK\r\n"), answers.count(b" 431 ")) == (32, 1), "aiohttp queues 32 requests"


async def test_a_client_may_send_a_header_of_almost_32_kib_and_requests_one_after_another(live):
    url, _ = await live(deadlines(idle=0.2))
    header = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: %s\r\n" % (n, b"a" * 8000) for n in range(4))
    answers = await exchange(url, header + b"\r\n" + GET * 50)
    assert answers.count(b"HTTP/1.1 200 OK") == 51


@pytest.mark.parametrize("before", [b"", GET, GET * 3, POST % (2, b"{}"), POST % (4, b"\r\n\r\n") + GET])
@pytest.mark.parametrize("begun", [b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_client_that_does_not_finish_a_header_is_dropped(live, before, begun):
    url, _ = await live(deadlines(header=0.1, idle=60))
    answers = await exchange(url, before + begun)
    assert answers.count(b"HTTP/1.1 ") == before.count(b"HTTP/1.1")


async def test_a_client_that_sends_its_body_in_pieces_stays_connected_afterwards(live, connected):
    url, _ = await live(deadlines(header=0.1, idle=60))
    client, loop, content = connected(url), asyncio.get_running_loop(), json.dumps(fields_of()).encode()
    client.setblocking(False)
    head = POST % (len(content), b"")
    for piece in (head, content[:5], content[5:]):
        await loop.sock_sendall(client, piece)
        await asyncio.sleep(0.02)
    assert (await loop.sock_recv(client, 65_536)).startswith(b"HTTP/1.1 202")
    await asyncio.sleep(0.3)
    await loop.sock_sendall(client, GET)
    assert (await loop.sock_recv(client, 65_536)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("limit", ["time", "memory"])
async def test_a_client_that_does_not_read_is_dropped(live, limit, monkeypatch, counted):
    monkeypatch.setattr(connection_limits, "MAX_UNSENT", 10**9 if limit == "time" else 10_000)
    url, _ = await live(deadlines(unread=0.1 if limit == "time" else 60))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address_of(url))
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(loop.sock_sendall(client, GET.replace(b"healthz", b"openapi.json") * 500))
        assert await is_closed(client, 0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_reads_slowly_gets_its_whole_answer(live, monkeypatch):
    accept = Connection.connection_made

    def accept_with_small_buffer(connection, transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        accept(connection, transport)

    monkeypatch.setattr(Connection, "connection_made", accept_with_small_buffer)
    url, _ = await live(deadlines(header=0.1, idle=0.1))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address_of(url))
        client.setblocking(False)
        loop, answer = asyncio.get_running_loop(), b""
        await loop.sock_sendall(client, GET.replace(b"healthz", b"openapi.json"))
        while chunk := await loop.sock_recv(client, 65_536):
            answer += chunk
            await asyncio.sleep(0.03)
    _, headers, content = parse_answer(answer)
    assert len(content) == int(headers["Content-Length"])


async def test_a_kept_answer_does_not_hide_the_next_one_of_its_connection(live, monkeypatch):
    seen, held = asyncio.Event(), []

    def unsent(connection):
        held.append(connection.held)
        seen.set()
        return 0

    monkeypatch.setattr(Connection, "unsent", unsent)
    monkeypatch.setattr(answer_cache, "LONG", 0)
    url, _ = await live(deadlines())
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address_of(url))
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, GET.replace(b"healthz", b"v1/latest.atom"))
        assert (await loop.sock_recv(client, 65_536)).startswith(b"HTTP/1.1 200")
        sending = asyncio.ensure_future(loop.sock_sendall(client, GET.replace(b"healthz", b"openapi.json") * 500))
        await seen.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert held[0] is None


async def test_one_network_can_only_have_some_connections(live, counted, connected, caplog):
    url, _ = await live(deadlines(), network_connections=3)
    clients = [connected(url) for _ in range(6)]
    assert await asyncio.gather(*map(is_closed, clients[3:])) == [True] * 3
    assert caplog.text.count("more than 3 from one network") == 1, "further lines come a minute later"
    clients[0].close()
    answer = b""
    while not answer:  # until the service has seen that one has gone
        answer = await exchange(url, GET, until_closed=False)
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_proxy_can_have_many_connections(live, counted, connected):
    url, _ = await live(deadlines(), network_connections=3, trusted_proxies="127.0.0.0/8")
    for _ in range(6):
        connected(url)
    assert (await exchange(url, GET, until_closed=False)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("203.0.113.9", 4711), "203.0.113.0/24"),
        (("::ffff:203.0.113.9", 4711, 0, 0), "203.0.113.0/24"),
        (("2001:db8:7:8::9%eth0", 4711, 0, 2), "2001:db8:7::/48"),
        (("127.0.0.1", 4711), None),
        (("::1", 4711, 0, 0), None),
        (("10.0.0.9", 4711), None),
        ("", None),  # a client of a socket file
        (None, None),
    ],
)
def test_connections_count_for_their_network_except_those_of_proxies_and_this_computer(peer, network):
    limits = connection_limits.ConnectionLimits(Config(trusted_proxies="10.0.0.0/8", connections=16))
    assert limits.network_of(peer) == network


async def test_a_reader_is_served_while_others_hold_all_connections(live, connected, caplog):
    url, _ = await live(deadlines(), connections=16)
    for _ in range(40):
        connected(url)
    assert (await exchange(url, GET, until_closed=False)).startswith(b"HTTP/1.1 200")
    assert "more than 16 in all" in caplog.text


def test_the_service_allows_itself_the_open_files_that_connections_need():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        assert connection_limits.raise_file_limit(1000) == 1000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1000 + connection_limits.RESERVED_FILES
        assert connection_limits.raise_file_limit(10**7) == before[1] - connection_limits.RESERVED_FILES
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/rules HTTP/1.1\r\nContent-Type: application/json\r\n",
        b"POST /v1/rules/test HTTP/1.1\r\nAuthorization: Bearer cs_wrong\r\n",
        b"PATCH /v1/rules/1 HTTP/1.1\r\n",
        b"POST /moderate/rules HTTP/1.1\r\n",
        b"POST /moderate/rules HTTP/1.1\r\n" + FORM,
    ],
)
async def test_strangers_are_refused_before_a_large_body_is_read(live, head):
    url, _ = await live(deadlines())
    begun = head + b"Host: x\r\nContent-Length: 2000000\r\n\r\n" + (b"a" * 66_000 if FORM in head else b"")
    status, _, _ = parse_answer(await exchange(url, begun))
    assert status in {401, 403}


async def test_few_large_forms_are_read_at_once(live, connected, monkeypatch):
    monkeypatch.setattr(body, "LARGE_AT_ONCE", 1)
    url, _ = await live(deadlines())
    begun = b"POST /v1/comments HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 900000\r\n\r\n" + b"a" * 66_000
    connected(url).sendall(begun)
    status, _, _ = parse_answer(await exchange(url, begun))
    assert status == 413


async def test_bodies_of_many_clients_do_not_fill_the_memory(live, connected, monkeypatch):
    monkeypatch.setattr(body, "MAX_RECEIVED", 1000)
    url, _ = await live(deadlines())
    slow = connected(url)
    slow.sendall(POST % (2000, b"a" * 900))
    status, headers, _ = parse_answer(await exchange(url, POST % (2000, b"a" * 900)))
    assert (status, headers["Retry-After"]) == (503, "5")
    slow.close()
    content = json.dumps(fields_of()).encode()
    answer = await exchange(url, POST % (len(content), content), until_closed=False)
    assert answer.startswith(b"HTTP/1.1 202"), "the memory is free again"


async def test_a_body_with_broken_chunks_is_refused(live, caplog):
    url, _ = await live(deadlines())
    head = (POST % (0, b"")).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    status, _, answer = parse_answer(await exchange(url, head + b"2\r\n{}\r\nnonsense\r\n"))
    assert (status, json.loads(answer)["code"] in {"malformed_request", "bad_request"}) == (400, True)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0.001, 0.02])
async def test_a_client_that_hangs_up_is_no_error(live, reset, after, caplog):
    url, _ = await live(deadlines(unread=0.1))
    requests = [
        b"GET / HTTP/1.1\r\nHo",
        POST % (500, b"{"),
        (POST % (500, b"name=")).replace(b"Content-Type: application/json\r\n", FORM),
        b"POST /moderate/act HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 50\r\n\r\na=",
        b"POST /nowhere HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 50\r\n\r\na=",
        (POST % (0, b"5\r\nab")).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        GET.replace(b"healthz", b"t?thread=/a/") * 40,
        GET.replace(b"healthz", b"v1/counts?thread=/a/").replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\n\r\nrest"),
        GET.replace(b"healthz", b"v1/latest.atom"),
    ]
    for begun in requests:
        client = socket.create_connection(address_of(url))
        client.sendall(begun)
        await asyncio.sleep(after)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert (await exchange(url, GET, until_closed=False)).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
