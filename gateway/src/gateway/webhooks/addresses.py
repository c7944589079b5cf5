"""Where a webhook may point: nowhere but to the public Internet, asked at creation and again at every connection.

A receiver's name is resolved once for each connection; what it resolves to is checked, and only that is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

#: The addresses of a host name, as text.
Lookup = Callable[[str, int], Awaitable[list[str]]]
LOOKUP_SECONDS = 5.0
#: More than one client's webhooks can keep busy.
LOOKUPS_AT_ONCE = 64
HTTPS = 443
#: Lower ones belong to other protocols, whose servers must not be spoken to by chance.
FIRST_FREE_PORT = 1024
LONGEST_URL = 2048
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_DOCUMENTATION_6 = ipaddress.IPv6Network("3fff::/20")
_ISATAP = (0x00005EFE, 0x02005EFE)


class AddressRefused(OSError):
    """The address is none that a webhook may be sent to."""


class BadUrl(ValueError):
    """The URL is none that a webhook may have; the message says what to change."""


class SystemLookup:
    """Asks the system's resolver, in threads of its own: a name server that does not answer holds up no other name."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "lookup")
        self._asking: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a name, asked for once by all who want them now. Raises OSError, UnicodeError, TimeoutError."""
        asking = self._asking.get((host, port))
        if asking is None:
            asking = asyncio.get_running_loop().run_in_executor(self._threads, _resolved, host, port)
            self._asking[host, port] = asking
            asking.add_done_callback(lambda done: self._asked(host, port, done))
        async with asyncio.timeout(LOOKUP_SECONDS):
            return await asyncio.shield(asking)

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, host: str, port: int, asking: asyncio.Future[list[str]]) -> None:
        del self._asking[host, port]
        if not asking.cancelled():
            asking.exception()  # seen, also when everybody who asked has given up


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet, whatever form it hides in.

    Mapped, translated (6to4, NAT64) and tunnelled (Teredo, ISATAP) addresses count as what they lead to, or not at all.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # with a zone, or no address at all
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return _is_public_6(parsed)
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)


def _is_public_6(address: ipaddress.IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(str(address.ipv4_mapped))
    if address in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
    if address.sixtofour is not None:
        return is_public(str(address.sixtofour))
    if address in _TEREDO or address in _DOCUMENTATION_6 or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return address in _UNICAST_6 and address.is_global


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Guard(AbstractResolver):
    """Lets a client connect to public addresses only; with `loopback` to this machine as well, by http too."""

    def __init__(self, lookup: Lookup | None = None, *, loopback: bool = False) -> None:
        """`lookup` instead of the system's resolver."""
        self._loopback = loopback
        self._system = SystemLookup()
        self._lookup = lookup or self._system

    async def check(self, url: str) -> None:
        """Raises BadUrl for an address that no webhook may have."""
        parsed = self._parsed(url)
        host, port = str(parsed.host), int(parsed.port or HTTPS)
        try:
            addresses = await self._lookup(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise BadUrl("there is no address for this host name") from error
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise BadUrl("this host is not on the public Internet")
        if parsed.scheme == "http" and not all(map(is_loopback, addresses)):
            raise BadUrl("write https")

    def _parsed(self, url: str) -> URL:
        if len(url) > LONGEST_URL or any(not "!" <= character <= "~" or character == "\\" for character in url):
            raise BadUrl("write it in ASCII without spaces, in at most 2048 characters")
        try:
            parsed = URL(url)
            host, port = parsed.host, parsed.port
        except ValueError as error:
            raise BadUrl("this is no URL") from error
        if parsed.scheme not in {"https", "http"} or not host or port is None:
            raise BadUrl("write https://host/path")
        if parsed.scheme == "http" and not self._loopback:
            raise BadUrl("write https")
        if parsed.raw_user is not None or parsed.raw_password is not None or "#" in url or "@" in url.split("/")[2]:
            raise BadUrl("leave out user, password and fragment")
        if port != HTTPS and port < FIRST_FREE_PORT:
            raise BadUrl("use port 443, or one from 1024 on")
        if _is_disguised(host):
            raise BadUrl("write an IPv4 address as four decimal numbers")
        return parsed

    def _is_allowed(self, address: str) -> bool:
        return is_public(address) or (self._loopback and is_loopback(address))

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002  (aiohttp's port; both families are asked for)
    ) -> list[ResolveResult]:
        """The addresses to connect to. Raises AddressRefused when one of them is none of the public Internet."""
        found = await self._lookup(host, port)
        if not found or not all(map(self._is_allowed, found)):
            raise AddressRefused("the receiver's address is not on the public Internet")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    def open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for one address that is about to be connected to: the last place where nothing gets past.

        Raises AddressRefused.
        """
        family, kind, protocol, _, place = address
        if not self._is_allowed(str(place[0])):
            raise AddressRefused("the receiver's address is not on the public Internet")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Look up nothing more."""
        self._system.close()


def _is_disguised(host: str) -> bool:
    """Whether a host is an IPv4 address in a form that resolvers accept and readers do not recognise."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return False
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return False
    return True
