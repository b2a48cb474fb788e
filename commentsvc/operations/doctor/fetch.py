"""Ask a web server as a browser does, with limits of time and size.

The operator names the address, so private networks are allowed. Every answer keeps what proxies may have changed.
"""

import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

SECONDS: Final = 10.0  # one step
TOTAL_SECONDS: Final = 20.0
MOST_BYTES: Final = 5 * 1024 * 1024
MOST_REDIRECTS: Final = 8
GZIP: Final = 31  # window bits, for zlib
AGENT: Final = "Mozilla/5.0 (compatible; commentsvc-doctor)"
PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


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
        """Return the body as text."""
        charset = self.headers.get_content_charset("utf-8")
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
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
    url, headers = request.url, request.headers
    while True:
        answer = _fetch_once(Request(url, request.method, headers, request.body))
        target = answer.header("Location")
        if not (follow and answer.status in REDIRECTS and target):
            return Answer(**{**vars(answer), "chain": tuple(chain)})
        chain.append(url)
        if len(chain) > MOST_REDIRECTS:
            raise FetchFailed(f"{request.url} redirects more than {MOST_REDIRECTS} times.")
        url = urljoin(url, target)
        if origin_of(url) != origin_of(request.url):
            headers = {name: value for name, value in headers.items() if name != "Authorization"}


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
        connection.request(request.method, path, body=request.body, headers=sent)
        response = connection.getresponse()
        body = _read_body(response, started + TOTAL_SECONDS)
        return Answer(
            request.url,
            response.status,
            response.msg,
            body,
            certificate_until=until,
            offset=_clock_offset(response.msg),
        )
    except ssl.SSLCertVerificationError as error:
        raise FetchFailed(
            f"Browsers reject the certificate of {parts.netloc} ({error.verify_message}).", certificate=True
        ) from None
    except socket.gaierror:
        raise FetchFailed(f"The name {parts.hostname} is not in DNS.") from None
    except TimeoutError:
        raise FetchFailed(f"{parts.netloc} did not answer within {SECONDS:g} seconds.") from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise FetchFailed(
            f"{parts.netloc} did not answer ({getattr(error, 'strerror', '') or type(error).__name__})."
        ) from None
    finally:
        connection.close()


def split_address(url: str) -> SplitResult:
    """Return the parts of an http or https address, in ASCII.

    Raises:
        FetchFailed: it is another text.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in PORTS or not parts.hostname:
        raise FetchFailed(f"{url} is not an http or https address.")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    named = f"[{host}]" if ":" in host else host
    return parts._replace(
        netloc=named if port in {None, PORTS[parts.scheme]} else f"{named}:{port}",
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


def _read_body(response: http.client.HTTPResponse, end: float) -> bytes:
    pieces, size = [], 0
    while piece := response.read1(64 * 1024):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise FetchFailed(f"The answer has more than {MOST_BYTES // 1024 // 1024} MiB.")
        if time.monotonic() > end:
            raise TimeoutError
    body = b"".join(pieces)
    if response.headers.get("Content-Encoding", "").lower() == "gzip" and body:
        return zlib.decompressobj(GZIP).decompress(body, MOST_BYTES)
    return body


def _clock_offset(headers: http.client.HTTPMessage) -> float:
    try:
        return (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def is_success(answer: Answer) -> bool:
    """Return whether the server answered what was asked for."""
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def origin_of(url: str) -> str:
    """Return the origin of an address, as a browser writes it in a header."""
    parts = split_address(url)
    return f"{parts.scheme}://{parts.netloc}"
