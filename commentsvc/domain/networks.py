"""IP addresses, truncated to networks so that they identify no person."""

import ipaddress


def truncate_address(address: str) -> str:
    """Return the network of an IP address: /24 for IPv4, /64 for IPv6. Moderators and rate limits use it."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = 24 if isinstance(parsed, ipaddress.IPv4Address) else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
