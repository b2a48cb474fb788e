"""Names of threads: a page address in canonical form, or a key that the site chose. Also origins and host names.

The canonical form (RFC 3986, section 6) treats http and https alike and puts the host in lower case. It drops default
ports, the dot at the end of a host, the host of a translation proxy, fragments, ``index.html``, trailing slashes and
tracking parameters. It sorts the other query parameters and normalises percent-encoding. It is idempotent.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import idna

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.text import CONTROL, clean_line, clean_pasted
from commentsvc.domain.tracking import STANDARD, DroppedParameters

MAX_LENGTH: Final = 2000
# The longest text of a page address before the parts that do not count are dropped.
MAX_RAW_LENGTH: Final = 16_000
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
WILDCARD: Final = "*."  # at the start of a host: any one label


@dataclass(frozen=True)
class ThreadRef:
    """A thread's name within its site, and the page address if one was given."""

    name: str
    host: str | None = None  # host[:port] of the page; None where only a path or a key was given
    url: str | None = None  # as it was given, so that a link leads to it without a redirect


@lru_cache(maxsize=256)  # as long to parse as two SQL statements, and most comments are about few pages
def parse_thread(text: str, dropped: DroppedParameters = STANDARD) -> ThreadRef:
    """Return the thread that a page address, a path or a key names, without the ``dropped`` query parameters.

    Raises:
        Invalid: for the field ``thread``: it is empty, too long, or an address without a valid host.
    """
    text = clean_pasted(text[: MAX_RAW_LENGTH + 1])
    if not 0 < len(text) <= MAX_RAW_LENGTH or CONTROL.search(text) or re.search(r"[\r\n\t]", text):
        raise _invalid_thread(f"Enter a page address or key of 1 to {MAX_LENGTH:,} characters, on one line.")
    if text.startswith("//"):
        text = f"https:{text}"
    if re.match(r"https?:", text, re.IGNORECASE):
        return _parse_address(text, dropped)
    if text.startswith("/"):
        return ThreadRef(name=_path_and_query(urlsplit(f"https://host{text}"), dropped))
    return ThreadRef(name=_check_length(clean_line(text, lenient=True)))


def _parse_address(text: str, dropped: DroppedParameters) -> ThreadRef:
    try:
        parts = urlsplit(text)
        host = authority(parts)
    except ValueError:
        raise _invalid_thread("This page address has no valid host. Example: https://blog.example/a-post/") from None
    name, origin = _path_and_query(parts, dropped), f"{parts.scheme.lower()}://{host}"
    url = f"{origin}{_keep_path_and_query(parts, dropped)}"
    return ThreadRef(name=name, host=host, url=url if len(url) <= MAX_LENGTH else f"{origin}{name}")


def authority(parts: SplitResult) -> str:
    """Return host[:port] in canonical form, without a user name and password.

    Raises:
        ValueError: there is no valid host, or the port is not a number.
    """
    if not parts.hostname:
        raise ValueError("no host")
    host = normalise_host(parts.hostname)
    if parts.port is None or parts.port in DEFAULT_PORTS.values():
        return host
    return f"{host}:{parts.port}"


def parse_origin(text: str) -> str:
    """Return a site's origin as browsers send it: scheme://host[:port].

    Raises:
        ValueError: it is not an origin, or has a path, query or user name.
    """
    parts = urlsplit(text.strip())
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("not an origin")
    if not parts.hostname:
        raise ValueError("no host")
    port = "" if parts.port in {None, DEFAULT_PORTS[scheme]} else f":{parts.port}"
    return f"{scheme}://{normalise_host(parts.hostname)}{port}"


def parse_site_origin(text: str) -> str:
    """Return an origin of a site in canonical form. ``https://*.example.com`` means the hosts one label below.

    Raises:
        ValueError: it is not an origin; or a wildcard is not the whole first label, is above an IP address, or covers
            a whole top-level domain.
    """
    scheme, _, host = text.strip().partition("://")
    if not host.startswith(WILDCARD):
        return parse_origin(text)
    parent = parse_origin(f"{scheme}://{host.removeprefix(WILDCARD)}")
    parent_host = urlsplit(parent).hostname or ""
    last_label = parent_host.rpartition(".")[2]
    if parent_host != "localhost" and ("." not in parent_host or not re.search("[a-z]", last_label)):
        raise ValueError("too wide")
    return parent.replace("://", f"://{WILDCARD}", 1)


def is_wildcard(site_origin: str) -> bool:
    """Return whether an origin of a site has a wildcard, which means many hosts."""
    return f"://{WILDCARD}" in site_origin


def wildcard_of(text: str) -> str:
    """Return the wildcard that covers an origin or a host[:port]: ``*`` in place of its first label."""
    scheme, separator, host = text.rpartition("://")
    return f"{scheme}{separator}{WILDCARD}{host.partition('.')[2]}"


def host_of(site_origin: str) -> str:
    """Return the host[:port] of an origin, in the form of ``ThreadRef.host``; that of a wildcard starts with ``*.``."""
    wildcard = WILDCARD if is_wildcard(site_origin) else ""
    return wildcard + authority(urlsplit(site_origin.replace(f"://{WILDCARD}", "://", 1)))


def is_address(text: str) -> bool:
    """Return whether a text begins as a page address does, not as a path or key."""
    return re.match(r"(?:https?:)?//", text, re.IGNORECASE) is not None


def origin_of(address: str) -> str:
    """Return the scheme and host of a page address, as they are written."""
    parts = urlsplit(address)
    return f"{parts.scheme or 'https'}://{parts.netloc}"


def is_local(host: str) -> bool:
    """Return whether a host[:port] is this computer."""
    return re.fullmatch(r"(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])\.?(?::\d+)?", host) is not None


def _path_and_query(parts: SplitResult, dropped: DroppedParameters) -> str:
    path, pairs = _normalise_path(_escape_path(parts)), sorted(_pairs_that_count(parts, dropped))
    return _check_length(f"{path}?{'&'.join(pairs)}" if pairs else path)


def _keep_path_and_query(parts: SplitResult, dropped: DroppedParameters) -> str:
    # In the order and with the slashes of the page. Only parameters that do not count are gone.
    pairs = _pairs_that_count(parts, dropped)
    return (_escape_path(parts) or "/") + (f"?{'&'.join(pairs)}" if pairs else "")


def _escape_path(parts: SplitResult) -> str:
    return _normalise_escapes(parts.path, keep="/!$&'()*+,;=:@")


def _pairs_that_count(parts: SplitResult, dropped: DroppedParameters) -> list[str]:
    kept = filter(None, map(dropped.remove_from, re.split("&(?:amp;)*", parts.query)))
    return [_normalise_escapes(pair, keep="=!$'()*+,;:@/?") for pair in kept]


def _check_length(name: str) -> str:
    # Both databases can index a name of this length.
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_LENGTH:
        raise _invalid_thread(
            f"A page address or key must have 1 to {MAX_LENGTH:,} bytes, percent-encoded or in UTF-8."
        )
    return name


def _normalise_path(path: str) -> str:
    # Drops dot segments, ``index.html`` and a trailing slash.
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    while kept and kept[-1].lower() in {"index.html", "index.htm", "index.php"}:
        kept.pop()
    return "/" + "/".join(kept)


ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _normalise_escapes(text: str, keep: str) -> str:
    # RFC 3986, 6.2.2.2: unreserved characters are not escaped, and escapes are in upper case.
    safe = f"{keep}%-._~"
    plain = ESCAPE.sub(lambda escape: _decode_escape(int(escape[1], 16)), STRAY_PERCENT.sub("%25", text))
    return quote(plain.encode("utf-8", "replace"), safe=safe) if not plain.isascii() or _needs_quoting(plain) else plain


def _needs_quoting(text: str) -> bool:
    return re.search(r"%(?![0-9A-F]{2})|[\x00-\x20\"<>\\^`{|}\x7f\[\]]", text) is not None


def _decode_escape(byte: int) -> str:
    character = chr(byte)
    plain = byte < 128 and (character.isalnum() or character in "-._~")  # noqa: PLR2004 -- the end of ASCII
    return character if plain else f"%{byte:02X}"


def _invalid_thread(detail: str) -> Invalid:
    return Invalid(FieldError("thread", "invalid_thread", detail))


# Letters, digits and hyphens (RFC 1123, 2.1), and underscores, which some networks use.
PLAIN_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.IGNORECASE
)


def normalise_host(text: str) -> str:
    """Return a host name as ASCII: lower case, IDNA 2008 (UTS 46), without the dot of the root at its end.

    IP addresses stay; IPv6 gets brackets. The host of a translated page becomes the host of the page.

    Raises:
        ValueError: it is not a host name.
    """
    if re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*", text):
        return f"[{text}]"
    text = _untranslated(text.removesuffix("."))
    if PLAIN_HOST.fullmatch(text) and "--" not in text:
        return text.lower()  # nothing to encode, which is the usual case: 100 times faster
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower().removesuffix(".")
    except idna.IDNAError as error:
        raise ValueError("not a host name") from error


TRANSLATED: Final = re.compile(r"([a-z0-9-]+)\.translate\.goog", re.IGNORECASE)


def _untranslated(host: str) -> str:
    # Google Translate shows a-b.example as a--b-example.translate.goog. It frames 0-…-0 round a name with a hyphen in
    # the third and fourth place.
    match = TRANSLATED.fullmatch(host)
    if match is None:
        return host
    label = match[1].removeprefix("0-").removesuffix("-0") if match[1].startswith("0-") else match[1]
    return "-".join(part.replace("-", ".") for part in label.split("--"))
