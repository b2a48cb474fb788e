"""IP networks, truncated so that they name no person."""

import ipaddress


def truncate_address(address: str) -> str:
    """The /24 or /64 around an IP address: what moderators see, and what limits count by."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = 24 if isinstance(parsed, ipaddress.IPv4Address) else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
