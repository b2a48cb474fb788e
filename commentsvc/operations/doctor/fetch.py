"""Ask a web server as a browser does, with limits of time and size.

The operator names the address, so private networks are allowed. Every answer keeps what proxies may have changed.
"""

import codecs
import http.client
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from commentsvc.domain.urls import normalise_host

SECONDS: Final = 10.0  # one step
TOTAL_SECONDS: Final = 20.0
MOST_BYTES: Final = 5 * 1024 * 1024
TOO_LARGE: Final = f"The answer has more than {MOST_BYTES // 1024 // 1024} MiB."
MOST_REDIRECTS: Final = 8
GZIP: Final = 31  # window bits, for zlib
AGENT: Final = "Mozilla/5.0 (compatible; commentsvc-doctor)"
PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# A mark at the start of a page counts more than its headers: https://html.spec.whatwg.org/#determining-the-character-encoding
MARKS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
META_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
META_BYTES: Final = 1024


class FetchFailed(Exception):  # noqa: N818 -- a result of the examination
    """No answer came; the text says why, as a sentence. ``certificate``: a browser would show a warning page."""

    def __init__(self, says: str, *, certificate: bool = False) -> None:
        super().__init__(says)
        self.certificate = certificate


@dataclass(frozen=True)
class Answer:
    """The answer of a web server."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate_until: datetime | None = None
    chain: tuple[str, ...] = ()  # addresses that redirected to this one
    offset: float = 0.0  # seconds that the clock of the server is ahead

    def header(self, name: str) -> str:
        """Return the values of a header, separated by commas; empty if it is missing."""
        return ", ".join(self.headers.get_all(name) or [])

    @property
    def kind(self) -> str:
        """The media type."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def text(self) -> str:
        """Return the body as text, in the charset that a browser would find. One that nobody knows is UTF-8."""
        mark = next((one for one in MARKS if self.body.startswith(one)), b"")
        declared = META_CHARSET.search(self.body[:META_BYTES])
        named = self.headers.get_content_charset() or (declared[1].decode() if declared else "utf-8")
        charset = MARKS.get(mark, named)
        try:
            return self.body.removeprefix(mark).decode(charset, "replace")
        except (LookupError, ValueError):  # ValueError: of codecs for other things than pages
            return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Request:
    """A request to a web server."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def fetch(request: Request, *, follow: bool = True) -> Answer:
    """Return the answer to a request, at the end of its redirects. Other origins do not get its credentials.

    Raises:
        FetchFailed: no answer came.
    """
    chain: list[str] = []
    url, headers = _write_address(request.url), request.headers
    while True:
        answer = _fetch_once(Request(url, request.method, headers, request.body))
        target = _read_location(answer)
        if not (follow and answer.status in REDIRECTS and target):
            return Answer(**{**vars(answer), "chain": tuple(chain)})
        chain.append(url)
        if len(chain) > MOST_REDIRECTS:
            raise FetchFailed(f"{request.url} redirects more than {MOST_REDIRECTS} times.")
        url = join_address(url, target)
        if not url:
            raise FetchFailed(f"{chain[-1]} redirects to {target}, which is not an http or https address.")
        if origin_of(url) != origin_of(request.url):
            headers = {name: value for name, value in headers.items() if name != "Authorization"}


def _read_location(answer: Answer) -> str:
    """Return where an answer redirects to. Servers also send it in UTF-8, which browsers then escape."""
    given = answer.headers.get("Location", "")
    try:
        return given.encode("latin-1").decode()
    except UnicodeError:
        return given


def join_address(base: str, address: str) -> str:
    """Return an address that a page or a header names, as a browser sends it; empty if it is no http(s) address."""
    try:
        return _write_address(urljoin(base, address.strip()))
    except (ValueError, FetchFailed):
        return ""


def _write_address(url: str) -> str:
    return split_address(url)._replace(fragment="").geturl()


def _fetch_once(request: Request) -> Answer:
    parts = split_address(request.url)
    connection = _connection_to(parts)
    sent = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close"} | dict(
        request.headers
    )
    started = time.monotonic()
    try:
        connection.connect()
        until = _certificate_end(connection)
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        with _interrupted_at(started + TOTAL_SECONDS, connection.sock):
            connection.request(request.method, path, body=request.body, headers=sent)
            response = connection.getresponse()
            body = _read_body(response)
        if time.monotonic() - started >= TOTAL_SECONDS:
            raise TimeoutError
        return Answer(
            request.url,
            response.status,
            response.msg,
            body,
            certificate_until=until,
            offset=clock_offset(response.msg),
        )
    except ssl.SSLCertVerificationError as error:
        raise FetchFailed(
            f"Browsers reject the certificate of {parts.netloc} ({error.verify_message}).", certificate=True
        ) from None
    except socket.gaierror:
        raise FetchFailed(f"The name {parts.hostname} is not in DNS.") from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise FetchFailed(_describe_failure(parts.netloc, error, time.monotonic() - started)) from None
    finally:
        connection.close()


@contextmanager
def _interrupted_at(end: float, connected: socket.socket) -> Iterator[None]:
    """End an answer that takes too long: a server may send a byte from time to time. Its reader gets no more bytes.

    The socket is that of the connection, which forgets it when it has read the headers of its last answer.
    """
    timer = threading.Timer(max(0, end - time.monotonic()), _interrupt, [connected])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _interrupt(connected: socket.socket) -> None:
    with suppress(OSError):  # it ended just now
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _describe_failure(server: str, error: Exception, seconds: float) -> str:
    if seconds >= TOTAL_SECONDS:
        return f"{server} did not finish its answer within {TOTAL_SECONDS:g} seconds."
    if isinstance(error, TimeoutError):
        return f"{server} did not answer within {SECONDS:g} seconds."
    if isinstance(error, ssl.SSLError):
        return f"{server} does not speak https ({(error.reason or 'unknown error').replace('_', ' ').lower()})."
    return f"{server} did not answer ({getattr(error, 'strerror', '') or type(error).__name__})."


def split_address(url: str) -> SplitResult:
    """Return the parts of an http or https address, in ASCII.

    Raises:
        FetchFailed: it is another text.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, normalise_host(parts.hostname or "")
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    if parts.scheme not in PORTS or not host:
        raise FetchFailed(f"{url} is not an http or https address.")
    return parts._replace(
        netloc=host if port in {None, PORTS[parts.scheme]} else f"{host}:{port}",
        path=_quote(parts.path),
        query=_quote(parts.query),
    )


def _quote(text: str) -> str:
    return "".join(
        one if one.isascii() and one > " " else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text
    )


def _connection_to(parts: SplitResult) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=SECONDS)


def _certificate_end(connection: http.client.HTTPConnection) -> datetime | None:
    if not isinstance(connection.sock, ssl.SSLSocket):
        return None
    found = connection.sock.getpeercert() or {}
    until = found.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if isinstance(until, str) else None


def _read_body(response: http.client.HTTPResponse) -> bytes:
    pieces, size = [], 0
    while piece := response.read1(64 * 1024):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise FetchFailed(TOO_LARGE)
    return _decompress(b"".join(pieces), response.headers.get("Content-Encoding", "").strip().lower())


def _decompress(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise FetchFailed(f"The answer is compressed by {encoding}, which was not asked for.")
    unpacking = zlib.decompressobj(GZIP)
    unpacked = unpacking.decompress(body, MOST_BYTES)
    if unpacking.unconsumed_tail:
        raise FetchFailed(TOO_LARGE)
    return unpacked


def clock_offset(headers: http.client.HTTPMessage) -> float:
    """Return how far a server's clock is ahead. Some caches keep the date of the origin, others set their own one."""
    try:
        offset = (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
        return min(offset, offset + int(headers.get("Age", "0")), key=abs)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def is_success(answer: Answer) -> bool:
    """Return whether the server answered what was asked for."""
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def origin_of(url: str) -> str:
    """Return the origin of an address, as a browser writes it in a header."""
    parts = split_address(url)
    return f"{parts.scheme}://{parts.netloc}"
