"""Requests to addresses that others chose reach the internet only, whatever the addresses look like."""

import asyncio
import ipaddress
import socket
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from commentsvc.delivery.outbound import MOST_RESPONSE_BYTES, Outbound, is_allowed, require_possible
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.networks import parse_networks
from tests.delivery.receiver import a_receiver

EVERYWHERE = parse_networks("0.0.0.0/0 ::/0")
SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.1", "127.8.9.10", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *("017700000001", "0", "0.0.0.0", "localhost", "LOCALHOST.", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1"),  # noqa: S104 -- nothing listens
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%25lo]"),
]
PRIVATE = [
    *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
    *(
        "192.0.0.192",
        "168.63.129.16",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
    ),
    *(
        "0.1.2.3",
        "192.88.99.1",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
    ),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "::7f00:1", "fec0::1"),
    *("100::1", "5f00::1", "4000::1"),
]
PUBLIC = ["8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "2a00::1"]


@asynccontextmanager
async def listening():
    """Yield a port on which this computer accepts connections at every address, and who connected."""
    connected = []

    async def accept(_reader, writer):
        connected.append(writer.get_extra_info("peername"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    others = []
    with suppress(OSError):  # a computer without IPv6
        others.append(await asyncio.start_server(accept, "::1", port))
    try:
        yield port, connected
    finally:
        for one in (server, *others):
            one.close()


class Rebinding(AbstractResolver):
    """Answers with one address after the other, as a hostile name server does."""

    def __init__(self, *addresses):
        self.addresses = list(addresses)

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        address = self.addresses.pop(0)
        listed = address if isinstance(address, list) else [address]
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in listed
        ]

    async def close(self):
        pass


async def post(url, allowed=(), **options):
    client = Outbound(allowed, **({"seconds": 5} | options))
    try:
        return await client.post(url, b"{}", {})
    finally:
        await client.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_loopback_is_reached(spelling):
    async with listening() as (port, connected):
        answer = await post(f"http://{spelling}:{port}/")
        assert answer.status is None
        assert answer.error
        assert connected == []


@pytest.mark.slow
async def test_without_the_guard_most_of_these_spellings_reach_loopback():
    async with listening() as (port, connected):
        reached = [one for one in SPELLINGS if (await post(f"http://{one}:{port}/", EVERYWHERE)).status == 200]
        assert len(reached) >= 12, reached
        assert connected


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_special_addresses_are_refused(address):
    assert not is_allowed(ipaddress.ip_address(address), ())
    assert is_allowed(ipaddress.ip_address(address), parse_networks(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_allowed(address):
    assert is_allowed(ipaddress.ip_address(address), ())


@given(st.ip_addresses())
def test_no_address_is_allowed_that_python_calls_private(address):
    if is_allowed(address, ()):
        assert address.is_global
        assert not address.is_multicast


async def test_a_name_that_changes_its_address_between_check_and_connection_is_refused():
    async with listening() as (port, connected):
        resolver = Rebinding("127.0.0.1", ["127.0.0.1", "10.0.0.1"])
        url = await require_possible(f"http://rebind.example:{port}/", ())
        for _ in range(2):
            answer = await post(url, resolver=resolver)
            assert "the address 127.0.0.1, in a private network" in answer.error
            assert "COMMENTSVC_OUTBOUND_ALLOW" in answer.error
        assert connected == []


async def test_a_resolver_cannot_smuggle_a_name_to_the_socket():
    async with listening() as (port, connected):
        answer = await post(f"http://smuggled.example:{port}/", resolver=Rebinding("localhost"))
        assert answer.status is None
        assert connected == []


async def test_an_allowed_network_is_reached():
    async with a_receiver() as receiver:
        answer = await post(receiver.url, parse_networks("127.0.0.0/8"))
        assert (answer.status, answer.body, answer.error) == (200, "thanks", None)
        assert (await post(receiver.url, parse_networks("10.0.0.0/8"))).status is None


async def test_redirects_are_not_followed_and_cookies_are_forgotten():
    async with a_receiver() as receiver:
        away = web.Response(status=302, headers={"Location": receiver.url, "Set-Cookie": "a=b"})
        receiver.answers = [away]
        client = Outbound(parse_networks("127.0.0.1"))
        assert (await client.post(receiver.url, b"{}", {})).status == 302
        assert (await client.post(receiver.url, b"{}", {})).status == 200
        await client.close()
        assert len(receiver.got) == 2
        assert all("Cookie" not in headers for headers, _ in receiver.got)


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    async with a_receiver() as proxy, listening() as (port, connected):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert (await post(f"http://127.0.0.1:{port}/", parse_networks("127.0.0.1"))).status == 200
        assert len(connected) == 1
        assert proxy.got == []


async def test_a_huge_answer_is_cut_and_its_connection_dropped():
    async with a_receiver() as receiver:
        receiver.answers = ["huge"]
        answer = await post(receiver.url, parse_networks("127.0.0.1"))
        assert answer.body == "x" * MOST_RESPONSE_BYTES
        await asyncio.wait_for(receiver.stop.wait(), 5)


async def test_a_compressed_answer_stays_compressed():
    async with a_receiver() as receiver:
        bomb = web.Response(body=b"0" * 10_000_000)
        bomb.enable_compression(force=web.ContentCoding.gzip)
        receiver.answers = [bomb]
        answer = await post(receiver.url, parse_networks("127.0.0.1"))
        assert answer.status == 200
        assert len(answer.body) <= MOST_RESPONSE_BYTES
        assert "0000" not in answer.body


async def test_a_slow_receiver_ends_in_time():
    async with a_receiver() as receiver:
        receiver.answers = ["slow"]
        answer = await post(receiver.url, parse_networks("127.0.0.1"), seconds=0.2)
        assert (answer.status, answer.timed_out, answer.error) == (None, True, "No answer within 0.2 seconds.")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"", "The host closed the connection without an answer."),
        (b"SSH-2.0-OpenSSH\r\n", "The answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "The host closed the connection within its answer."),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n", "The answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 50_000 + b"\r\n\r\n", "The answer is not valid HTTP."),
    ],
)
async def test_a_broken_answer_is_explained(head, error):
    async def answer_badly(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        writer.close()

    server = await asyncio.start_server(answer_badly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert (await post(f"http://127.0.0.1:{port}/", parse_networks("127.0.0.1"))).error == error
    server.close()


@pytest.mark.parametrize("ending", ["closes", "waits"])
async def test_a_status_counts_although_the_body_never_ends(ending):
    stop = asyncio.Event()

    async def answer_in_part(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()
        if ending == "waits":
            await stop.wait()
        writer.close()

    server = await asyncio.start_server(answer_in_part, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await post(f"http://127.0.0.1:{port}/", parse_networks("127.0.0.1"), seconds=0.2)
    assert (answer.status, answer.body, answer.timed_out) == (200, "half", ending == "waits")
    stop.set()
    server.close()


async def test_errors_never_show_the_address_that_was_entered():
    async with a_receiver() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        tls = await post(f"https://127.0.0.1:{port}/very-secret", parse_networks("127.0.0.1"))
        nowhere = await post("http://very-secret.invalid/very-secret")
        refused = await post(receiver.url)
        for answer in (tls, nowhere, refused):
            assert answer.error
            assert "very-secret" not in answer.error
        assert tls.error == "The host offers no TLS that is safe."
        assert nowhere.error == "The host was not found."


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_address_of_this_computer_is_refused_when_it_is_entered(spelling):
    with pytest.raises(InvalidValue):
        await require_possible(f"http://{spelling}/", ())


@pytest.mark.parametrize(
    "text",
    [
        *("", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "http://", "https:///x", "http://[::1"),
        *("gopher://x/", "http://a b/", "http://x:99999/", "javascript:alert(1)", "unix:/run/x", "http://x\n.example/"),
    ],
)
async def test_what_is_no_http_address_is_refused_when_it_is_entered(text):
    with pytest.raises(InvalidValue) as refused:
        await require_possible(text, EVERYWHERE)
    assert refused.value.code == "invalid_url"


async def test_an_address_of_the_internet_is_kept_as_it_was_entered():
    assert await require_possible("https://hooks.example/T0/x?y=1#z", ()) == "https://hooks.example/T0/x?y=1"
    assert await require_possible("http://10.0.0.7:8080/x", parse_networks("10.0.0.0/8")) == "http://10.0.0.7:8080/x"
