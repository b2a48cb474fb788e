"""How a page's discussion is named: by the page's address in canonical form, or by a key of the blog's own.

Canonical form (RFC 3986, section 6, and what links in the wild carry): http and https are one, the host
is lower case, default ports, fragments, ``index.html``, trailing slashes and tracking parameters are
dropped, other query parameters are sorted, percent-encoding is normalised. It is idempotent.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

import idna

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.text import CONTROL, INVISIBLE, clean_line

# Parameters that say how a reader came, never which page it is. Published in docs/embedding.md.
TRACKING: Final = frozenset(
    {
        "_ga",
        "_gl",
        "_hsenc",
        "_hsmi",
        "dclid",
        "fbclid",
        "gad_source",
        "gbraid",
        "gclid",
        "gclsrc",
        "igsh",
        "igshid",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "msclkid",
        "oly_anon_id",
        "oly_enc_id",
        "srsltid",
        "ttclid",
        "twclid",
        "vero_id",
        "wbraid",
        "wickedid",
        "yclid",
    }
)
TRACKING_PREFIXES: Final = ("utm_", "pk_", "mtm_", "hsa_", "piwik_", "matomo_")
MAX_LENGTH: Final = 2000
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ThreadRef:
    """What a thread was called: a name within its site, and the page's whole address where one was given."""

    name: str
    host: str | None = None  # host[:port] of the page; None where only a path or a key was given
    url: str | None = None


def parse_thread(text: str) -> ThreadRef:
    """Understand what a page called its thread.

    Raises:
        Invalid: naming the field ``thread``.
    """
    text = INVISIBLE.sub("", text).strip()
    if not 0 < len(text) <= MAX_LENGTH or CONTROL.search(text) or re.search(r"[\r\n\t]", text):
        raise _unfit(f"A thread is named by 1 to {MAX_LENGTH:,} characters on one line.")
    if text.startswith("//"):
        text = f"https:{text}"
    if re.match(r"https?:", text, re.IGNORECASE):
        return _address(text)
    if text.startswith("/"):
        return ThreadRef(name=_path_and_query(urlsplit(f"https://host{text}")))
    return ThreadRef(name=_short(clean_line(text, lenient=True)))


def _address(text: str) -> ThreadRef:
    try:
        parts = urlsplit(text)
        where = authority(parts)
    except ValueError:
        raise _unfit("This page address has no proper host. One looks like https://blog.example/a-post/.") from None
    name = _path_and_query(parts)
    return ThreadRef(name=name, host=where, url=f"{parts.scheme.lower()}://{where}{name}")


def authority(parts: SplitResult) -> str:
    """host[:port] in canonical form; names and passwords before an @ are dropped.

    Raises:
        ValueError: there is no host, or its port is no number.
    """
    if not parts.hostname:
        raise ValueError("no host")
    host = normalise_host(parts.hostname)
    if parts.port is None or parts.port in DEFAULT_PORTS.values():
        return host
    return f"{host}:{parts.port}"


def parse_origin(text: str) -> str:
    """A site's origin as browsers send it: scheme://host[:port].

    Raises:
        ValueError: it is none, or it names more than an origin.
    """
    parts = urlsplit(text.strip())
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("not an origin")
    if not parts.hostname:
        raise ValueError("no host")
    port = "" if parts.port in {None, DEFAULT_PORTS[scheme]} else f":{parts.port}"
    return f"{scheme}://{normalise_host(parts.hostname)}{port}"


def host_of(site_origin: str) -> str:
    """The host[:port] of an origin, as ``ThreadRef.host`` gives it."""
    return authority(urlsplit(site_origin))


def is_local(host: str) -> bool:
    """Whether a host[:port] is this very machine."""
    return re.fullmatch(r"(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?", host) is not None


def _path_and_query(parts: SplitResult) -> str:
    path = _trimmed(_normalised(parts.path, keep="/!$&'()*+,;=:@"))
    pairs = sorted(
        _normalised(pair, keep="=!$'()*+,;:@/?") for pair in parts.query.split("&") if pair and not _tracks(pair)
    )
    return _short(f"{path}?{'&'.join(pairs)}" if pairs else path)


def _short(name: str) -> str:
    """A name that both databases can index."""
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_LENGTH:
        raise _unfit(f"A thread's name takes 1 to {MAX_LENGTH:,} bytes, once it is percent-encoded or in UTF-8.")
    return name


def _tracks(pair: str) -> bool:
    name = unquote_to_bytes(pair.partition("=")[0]).decode("utf-8", "replace").lower()
    return name in TRACKING or name.startswith(TRACKING_PREFIXES)


def _trimmed(path: str) -> str:
    """Without dot segments, ``index.html`` and a trailing slash."""
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
STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _normalised(text: str, keep: str) -> str:
    """Percent-encoding as RFC 3986, 6.2.2.2 has it: unreserved characters plain, escapes in upper case."""
    safe = f"{keep}%-._~"
    plain = ESCAPE.sub(lambda escape: _unescaped(int(escape[1], 16)), STRAY.sub("%25", text))
    return quote(plain.encode("utf-8", "replace"), safe=safe) if not plain.isascii() or _odd(plain) else plain


def _odd(text: str) -> bool:
    return re.search(r"%(?![0-9A-F]{2})|[\x00-\x20\"<>\\^`{|}\x7f\[\]]", text) is not None


def _unescaped(byte: int) -> str:
    character = chr(byte)
    plain = byte < 128 and (character.isalnum() or character in "-._~")  # noqa: PLR2004 -- the end of ASCII
    return character if plain else f"%{byte:02X}"


def _unfit(detail: str) -> Invalid:
    return Invalid(FieldError("thread", "invalid_thread", detail))


# Letters, digits and hyphens (RFC 1123, 2.1), and the underscores that some networks use all the same.
PLAIN_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.IGNORECASE
)


def normalise_host(text: str) -> str:
    """A host name as it travels: lower case, IDNA 2008 (UTS 46), IP addresses as they are.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*", text):
        return f"[{text}]"
    if PLAIN_HOST.fullmatch(text) and "--" not in text:
        return text.lower()  # nothing to encode: nearly every host, a hundred times faster
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ValueError("not a host name") from error
