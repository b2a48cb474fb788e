"""HTTP requests to addresses that others chose. The guard is where the socket is made: no spelling gets around it."""

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final, TypeAlias

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from msgspec import Struct
from yarl import URL

import commentsvc
from commentsvc.domain.errors import InvalidValue
from commentsvc.domain.fields import INVALID_WEBSITE
from commentsvc.domain.messages import translatable
from commentsvc.domain.networks import Address, Network, drop_zone, parse_address

SECONDS: Final = 15.0  # for one request, from resolving its host to the end of the response
MOST_RESPONSE_BYTES: Final = 4096  # are read; then the connection is dropped
MOST_HEADERS: Final = 100
SCHEMES: Final = frozenset({"http", "https"})
USER_AGENT: Final = f"commentsvc/{commentsvc.__version__} (webhook)"
# Everything else is for special purposes: https://www.iana.org/assignments/ipv6-unicast-address-assignments
GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
# Also in it, but not for hosts of the internet, or the address of another one is inside.
SPECIAL: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/3"),  # documentation, multicast, reserved
        "168.63.129.16",  # metadata of virtual machines on Azure
        "2001::/23",  # protocols, among them Teredo (RFC 4380)
        "2001:db8::/32",
        "2002::/16",  # 6to4 (RFC 3056)
        "3fff::/20",
    )
)
PRIVATE_ADDRESS: Final = translatable(
    "This address is in a private network. The operator can allow it with COMMENTSVC_OUTBOUND_ALLOW."
)
PRIVATE_HOST: Final = "The host has the address {}, in a private network. To allow it: COMMENTSVC_OUTBOUND_ALLOW={}"
# A TimeoutError is an OSError, and so are those of the guard.
FAULTS: Final = (aiohttp.ClientError, OSError, ValueError, ssl.CertificateError)
SockAddr: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
AddrInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, SockAddr]
Refused: TypeAlias = list[str]
REFUSED: Final[ContextVar[Refused]] = ContextVar("refused")  # addresses, by one request; tasks of it share the list


class PrivateAddressError(OSError):
    """An address is not one of the internet, and no setting allows it."""


class Answer(Struct, frozen=True, kw_only=True):
    """The result of one request: a status with the beginning of the body, or an error without any part of the URL.

    It has both if the connection broke, or the time was over, within the body.
    """

    status: int | None = None
    body: str = ""
    retry_after: str | None = None
    location: str | None = None
    headers: Mapping[str, str] = {}  # names in lower case
    is_cut: bool = False  # there is more than was read
    error: str | None = None
    timed_out: bool = False
    milliseconds: int = 0


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Return whether a request may go to an address: a host of the internet, or in one of the allowed networks."""
    if any(address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_IPV6:
        return False
    return not any(address in network for network in SPECIAL)


class Outbound:
    """A client that reaches the internet and the allowed networks only, follows nothing and remembers nothing."""

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        seconds: float = SECONDS,
        most_bytes: int = MOST_RESPONSE_BYTES,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Prepare; the first request opens the session. The first ``most_bytes`` of a response are read."""
        self._allowed = allowed
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a POST request. A failure is an answer with an error, never an exception."""
        return await self._send("POST", url, body, headers)

    async def get(self, url: str) -> Answer:
        """Send a GET request. A failure is an answer with an error, never an exception."""
        return await self._send("GET", url, None, {})

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        started, refused = time.monotonic(), list[str]()
        token = REFUSED.set(refused)
        try:
            answer = await self._request(method, url, body, headers)
        except FAULTS as error:
            answer = self._explain(error, refused)
        finally:
            REFUSED.reset(token)
        return msgspec.structs.replace(answer, milliseconds=round((time.monotonic() - started) * 1000))

    async def close(self) -> None:
        """Close what is open."""
        if self._session:
            await self._session.close()

    async def _request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if URL(url).scheme not in SCHEMES:
            return Answer(error=INVALID_WEBSITE)
        self._session = self._session or self._open_session()
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            read, fault = await self._read_start(response)
            response.close()
            return Answer(
                error=fault.error if fault else None,
                timed_out=fault.timed_out if fault else False,
                status=response.status,
                body=read[: self._most_bytes].decode("utf-8", "replace").replace("\0", "�"),
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
                headers={name.lower(): value for name, value in response.headers.items()},
                is_cut=len(read) > self._most_bytes,
            )

    async def _read_start(self, response: aiohttp.ClientResponse) -> tuple[bytes, Answer | None]:
        """Return the first bytes of the body: one more than are kept, if there are. With them, why there are no more.

        A fault here does not undo the status: the receiver has got the request, and has said what it made of it.
        """
        read = bytearray()
        try:
            while len(read) <= self._most_bytes:
                piece = await response.content.read(self._most_bytes + 1 - len(read))
                if not piece:
                    break
                read += piece
        except FAULTS as error:
            return bytes(read), self._explain(error, [])
        return bytes(read), None

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            socket_factory=self._make_socket,
            resolver=self._resolver or aiohttp.ThreadedResolver(),
            use_dns_cache=False,
            force_close=True,  # each request passes the guard
            limit=0,  # the worker limits what is sent at once
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy would connect to addresses that nobody checked
            auto_decompress=False,  # 4 KiB may become 4 MiB
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            max_headers=MOST_HEADERS,
        )

    def _make_socket(self, info: AddrInfo) -> socket.socket:
        """Return a socket for an address; the loop connects it to this address and no other.

        Raises:
            PrivateAddressError: no request may go there.
        """
        family, kind, protocol, _, target = info
        host = str(target[0])
        try:
            address = parse_address(host)
        except ValueError:
            raise PrivateAddressError(f"not an address: {host}") from None
        if not is_allowed(address, self._allowed):
            REFUSED.get([]).append(str(address))
            raise PrivateAddressError("refused")
        return socket.socket(family, kind, protocol)

    def _explain(self, error: Exception, refused: Refused) -> Answer:
        if refused and not isinstance(error, TimeoutError):  # else another address of the host was tried
            return Answer(error=PRIVATE_HOST.format(refused[0], refused[0]))
        if isinstance(error, TimeoutError):
            return Answer(error=f"No answer within {self._seconds:g} seconds.", timed_out=True)
        return Answer(error=_EXPLAINED.get(_kind_of(error), "The connection failed."))


_EXPLAINED: Final[Mapping[type[Exception], str]] = {
    aiohttp.InvalidURL: "The address is not valid.",
    aiohttp.ClientConnectorDNSError: "The host was not found.",
    aiohttp.ClientConnectorCertificateError: "The certificate of the host is not valid for it.",
    aiohttp.ClientSSLError: "The host offers no TLS that is safe.",
    aiohttp.ClientConnectorError: "The host does not accept connections.",
    aiohttp.ServerDisconnectedError: "The host closed the connection without an answer.",
    aiohttp.ClientOSError: "The host closed the connection without an answer.",
    aiohttp.ClientPayloadError: "The host closed the connection within its answer.",
    aiohttp.ClientResponseError: "The answer is not valid HTTP.",
}


def _kind_of(error: Exception) -> type[Exception]:
    return next((kind for kind in _EXPLAINED if isinstance(error, kind)), Exception)


async def require_possible(text: str, allowed: Sequence[Network]) -> str:
    """Return an address in the spelling in which it is requested, if a request could go there.

    A name is not resolved: what it means may change until a request is sent, and is checked then.

    Raises:
        InvalidValue: it is no http(s) address, or its host is written as an address that is refused.
    """
    try:
        url = URL(text)
        host = url.host
    except ValueError:
        raise InvalidValue("invalid_url", INVALID_WEBSITE) from None
    if url.scheme not in SCHEMES or not host or re.search(r"[\s\x00-\x20\x7f]", text):
        raise InvalidValue("invalid_url", INVALID_WEBSITE)
    host = drop_zone(host.removesuffix("."))
    address = await _read_literal(host)
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        address = ipaddress.IPv4Address("127.0.0.1")  # RFC 6761, 6.3
    if address and not is_allowed(address, allowed):
        raise InvalidValue("private_address", PRIVATE_ADDRESS)
    return str(url.with_fragment(None))


async def _read_literal(host: str) -> Address | None:
    """Return the address that a host is written as, in any spelling that the resolver reads; None for a name."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return None
    return parse_address(str(found[0][4][0]))
