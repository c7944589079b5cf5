"""Whom an address on the Internet stands for when somebody's requests are counted."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The address itself, or for IPv6 its /64: every host has all addresses of one (RFC 4291 section 2.5.4)."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Network((known.packed, 64), strict=False))
