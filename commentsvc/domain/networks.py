"""IP addresses: how requests and proxies write them, and networks, which identify no person."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Loopback, private and link-local addresses (RFC 1122, 1918, 3927, 4193 and 4291).
INTERNAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1",
        "fc00::/7",
        "fe80::/10",
    ]
)
MAX_COUNTED: Final = 10**9
SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
MAPPED_BITS: Final = 96  # the length of the prefix of an IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2)
# 203.0.113.9, 203.0.113.9:4711, [2001:db8::9] or [2001:db8::9]:4711; IPv6 without brackets has no port.
HOP: Final = re.compile(
    r"(?:\[([0-9a-f:.]+(?:%\w+)?)\]|(?:::ffff:)?(\d+(?:\.\d+){3}))(?::[0-9_a-z.-]*)?", re.IGNORECASE
)
# Addresses in a text, with a zone or the length of a prefix. Only the parser knows whether a run is an address.
IPV4: Final = re.compile(r"(?<!\d)(?<!\d\.)(\d{1,3}(?:\.\d{1,3}){3})(?:/(\d{1,2}))?(?!\d)(?!\.\d)")
IPV6: Final = re.compile(r"(?<!\w)([0-9a-f:.]+)(?:%\w+)?(?:/(\d{1,3}))?(?!\w)", re.IGNORECASE)
LEAST_COLONS: Final = 2
MOST_GROUPS: Final = 10  # with a word before an address that looks like one: cafe:2001:db8::9
# One name=value of RFC 7239, with what separates it from the next one.
FORWARDED: Final = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;,"]*))?\s*([;,]|$)')


def drop_zone(text: str) -> str:
    """Return an address or a network without its zone: ``fe80::%eth0/64`` becomes ``fe80::/64``."""
    return re.sub("%[^/]*", "", text)


def parse_address(text: str) -> Address:
    """Return an IP address. IPv4 that is written as IPv6 becomes IPv4; a zone is dropped.

    Raises:
        ValueError: it is not an IP address.
    """
    parsed = ipaddress.ip_address(drop_zone(text))
    return parsed.ipv4_mapped or parsed if isinstance(parsed, ipaddress.IPv6Address) else parsed


@lru_cache(maxsize=8)  # every request behind a proxy asks for those in the settings
def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks or single addresses, separated by spaces. IPv4 that is written as IPv6 becomes IPv4.

    Zones are dropped.

    Raises:
        ValueError: one is neither, or has bits beyond its prefix.
    """
    return tuple(map(_parse_network, text.split()))


def _parse_network(text: str) -> Network:
    network = ipaddress.ip_network(drop_zone(text))
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - MAPPED_BITS))


@lru_cache(maxsize=64)  # one request asks up to five times, 8 µs each; so few that no address stays for long
def truncate_address(address: str) -> str:
    """Return the network of an IP address: /24 for IPv4, /64 for IPv6. Moderators and rate limits use it."""
    return _find_network(address, 64)


@lru_cache(maxsize=64)
def widen_address(address: str) -> str:
    """Return the network that a provider gives one customer: /24 for IPv4, /48 for IPv6 (RFC 6177)."""
    return _find_network(address, 48)


def _find_network(address: str, ipv6_prefix: int) -> str:
    parsed = parse_address(address)
    prefix = 24 if isinstance(parsed, ipaddress.IPv4Address) else ipv6_prefix
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def mask_addresses(text: str) -> str:
    """Return a text in which each IP address is cut to its network, also within punctuation: ``(203.0.113.0/24)``."""
    return IPV4.sub(_mask_ipv4, IPV6.sub(_mask_ipv6, text))


def _mask_ipv4(found: re.Match[str]) -> str:
    return _mask(found[1], found[2]) or found[0]


def _mask_ipv6(found: re.Match[str]) -> str:
    run = found[1].rstrip(".")
    address = run if run.endswith("::") else run.rstrip(":")
    if not LEAST_COLONS <= run.count(":") <= MOST_GROUPS or not run.strip(":"):
        return found[0]
    while address:
        if masked := _mask(address, found[2]):
            start, rest = run.index(address), found[1][len(run) :]
            return f"{run[:start]}{masked}{run[start + len(address) :]}{rest}"
        address = address.partition(":")[2]
    return found[0]


def _mask(address: str, prefix: str | None) -> str:
    """Return the network of an address, or the larger one that a prefix gives; "" if this is no address."""
    try:
        network = truncate_address(address)
    except ValueError:
        return ""
    start, _, length = network.partition("/")
    return f"{start}/{min(int(prefix or length), int(length))}"


def count_addresses(text: str) -> str:
    """Return the number of addresses in a network as people read it: ``256``, ``16,777,216`` or ``2⁶⁴``; "" for none.

    IPv6 has more than anybody can picture, so from a billion on it is a power of two.
    """
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return ""
    number, bits = network.num_addresses, network.max_prefixlen - network.prefixlen
    return f"2{str(bits).translate(SUPERSCRIPTS)}" if number > MAX_COUNTED else f"{number:,}"


def parse_hop(text: str) -> str | None:
    """Return the IP address that a proxy names, with or without a port; None if it names none."""
    text = text.strip().strip('"').strip()
    match = HOP.fullmatch(text)
    try:
        return str(parse_address(match[1] or match[2] if match else text))
    except ValueError:
        return None


def is_in(address: str, listed: Sequence[Network]) -> bool:
    """Return whether an address is in one of these networks."""
    return any(parse_address(address) in network for network in listed)


def is_loopback(address: str) -> bool:
    """Return whether an address is this computer's own."""
    return parse_address(address).is_loopback


def is_internal(address: str) -> bool:
    """Return whether an address is this computer's, or of a private network: it is a machine's, not a person's."""
    parsed = parse_address(address)
    return any(parsed in network for network in INTERNAL)


def forwarded_hops(x_forwarded_for: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    """Return the addresses that proxies named, the nearest last, from the lines of their headers.

    ``Forwarded`` (RFC 7239) counts only without ``X-Forwarded-For``. Most proxies set ``X-Forwarded-For`` and pass on a
    ``Forwarded`` that the client made up.
    """
    if x_forwarded_for:
        parts = ",".join(x_forwarded_for).split(",")
        return [part for part in parts if part.strip()]  # empty elements do not count (RFC 9110, 5.6.1.2)
    return _forwarded_for(",".join(forwarded))


def _forwarded_for(text: str) -> list[str]:
    hops: list[str] = []
    hop, position, seen = "", 0, False
    while position < len(text):
        match = FORWARDED.match(text, position)
        if match is None:
            return []  # an open quotation may hide hops
        name, value, end = match[1].lower(), match[2] or "", match[3]
        seen = seen or bool(name)
        if name == "for":
            hop = re.sub(r"\\(.)", r"\1", value.strip().strip('"'))
        if end != ";":
            hops += [hop] if seen else []
            hop, seen = "", False
        position = match.end()
    return hops
