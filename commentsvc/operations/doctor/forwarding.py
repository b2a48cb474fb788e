"""Check whether the service learns from the proxy who its clients are, and cannot be told so by clients."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from commentsvc.domain import networks
from commentsvc.operations.doctor.fetch import FetchFailed, Request, fetch
from commentsvc.operations.doctor.findings import Finding, fault, ok, warning

NGINX_CLIENT: Final = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
NOBODY: Final = "192.0.2.77"  # an address for documents (RFC 5737): no client has it
FORGED: Final = {"X-Forwarded-For": NOBODY, "Forwarded": f"for={NOBODY}"}


class Seen(msgspec.Struct, frozen=True):
    """The answer of the service about a request of the doctor: see ``web/server/seen.py``."""

    host: str
    peer: str  # address of the connection; empty for a socket file
    client: str
    forwarded: list[str] = []  # names of the headers that named a client
    trusts_peer: bool = False


def check_forwarding(config: Config, token: str) -> Iterator[Finding]:
    """Yield whether the service learns the addresses of readers, and its own name, from the proxy."""
    try:
        seen = _ask(config, token)
    except (FetchFailed, msgspec.DecodeError):
        yield warning(
            "forwarding", "The service does not tell how it sees a request: it has other keys, or an older version.", ""
        )
        return
    is_well = True
    if seen.forwarded and not seen.trusts_peer:
        is_well = False
        yield fault(
            "forwarding",
            f"The service ignores {seen.forwarded[0]} of the proxy {seen.peer}: all readers share one rate limit.",
            f"{PREFIX}TRUSTED_PROXIES={seen.peer}",
        )
    if not seen.forwarded and config.own_origin.startswith("https://"):
        is_well = False
        yield fault(
            "forwarding",
            "The proxy does not tell who its clients are: all readers share one rate limit.",
            f"nginx: {NGINX_CLIENT}",
        )
    if seen.forwarded and seen.trusts_peer and _believes_clients(config, token, seen):
        is_well = False
        yield fault(
            "forwarding",
            "The service believes addresses that clients write themselves, so rate limits and bans stop nobody.",
            f"nginx: {NGINX_CLIENT} and list in {PREFIX}TRUSTED_PROXIES only your proxies, not the networks of readers",
        )
    if seen.host != config.own_origin.partition("://")[2]:
        is_well = False
        yield warning(
            "forwarding",
            f"The service is asked as {seen.host}, not by its public name.",
            "nginx: proxy_set_header Host $host;",
        )
    if is_well:
        yield ok("forwarding", f"The service sees this request as {seen.host}, from {seen.client}.")


def _ask(config: Config, token: str, more: Mapping[str, str] | None = None) -> Seen:
    headers = {"Authorization": f"Bearer {token}"} | dict(more or {})
    return msgspec.json.decode(fetch(Request(f"{config.own_url}/v1/seen", headers=headers)).body, type=Seen)


def _believes_clients(config: Config, token: str, seen: Seen) -> bool:
    """Return whether a client can choose the address that the service counts it by."""
    here = networks.parse_hop(seen.client)
    if here is None or networks.is_in(here, config.proxies):
        return False  # this computer is a proxy of the service, which may name others
    return any(_believes(config, token, header) for header in FORGED)


def _believes(config: Config, token: str, header: str) -> bool:
    try:
        return _ask(config, token, {header: FORGED[header]}).client == NOBODY
    except (FetchFailed, msgspec.DecodeError):
        return False  # such as a proxy that refuses the header
